import { existsSync } from 'node:fs';
import { constant, input } from '@brickwork/graph';
import { expect, test } from 'vitest';
import { compile } from './compile.ts';
import { hostTensor } from './host-tensor.ts';
import { modelSource } from './model-source.ts';

const weight = constant(
  Float32Array.from({ length: 4096 }, (_, i) => i),
  [4096],
);
const outputs = { y: input('x', [4096]).add(weight) };

test('a small graph is bytes; one with more constants than may be inside is a file, gone once it is open', async () => {
  const small = await modelSource(outputs);
  expect(small.model).toBeInstanceOf(Uint8Array);
  await small.release();
  const large = await modelSource(outputs, { most: 1000 });
  expect(typeof large.model).toBe('string');
  const program = await compile(large.model);
  await large.release();
  expect(existsSync(large.model as string)).toBe(false);
  const { y } = await program.run({ x: hostTensor(new Float32Array(4096).fill(0.5), [4096]) });
  expect((y!.data as Float32Array)[4095]).toBe(4095.5);
  await program.dispose();
});

test('an aborted one leaves no file', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(modelSource(outputs, { most: 1000, signal })).rejects.toThrow('enough');
});
