// A model larger than one protobuf message may be: 3 GB on disk, so nightly (npm run test:slow).
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { constant, fromOnnx, input, mul, toOnnx, writeOnnx, type Tensor } from '../index.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-write-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a model of more than 2 GiB is written and read back', async () => {
  const path = join(folder, 'm.onnx');
  const x = input('x', [1]);
  // Zeros but for the ends, so that memory is touched late.
  const big = (at: number): Tensor => {
    const data = new Float32Array(2 ** 28 + 1);
    data[at] = 1;
    data[data.length - 1] = 2;
    return constant(data);
  };
  const y = mul(x, big(0)).add(big(1)).add(big(2));
  expect(() => toOnnx({ y })).toThrow(/more than the 2 GiB of one ONNX file; write it with writeOnnx/);
  await writeOnnx(path, { y });
  expect(statSync(`${path}.data`).size).toBeGreaterThan(3 * 2 ** 30);
  const read = fromOnnx(path).outputs['y']!.node!.inputs[1]!.data as Float32Array;
  expect([read.length, read[1], read[2], read.at(-1)]).toEqual([2 ** 28 + 1, 0, 1, 2]);
  rmSync(path);
  rmSync(`${path}.data`);
  expect(existsSync(path)).toBe(false);
});
