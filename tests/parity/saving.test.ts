// Every reference checkpoint that is known here, opened, saved, and opened again: the same bytes of weights, the same
// config, and files that Hugging Face's libraries expect.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readSafetensors, type HostTensor } from '../../packages/runtime/src/index.ts';
import { architectures, AutoModel } from '../../packages/transformer/src/index.ts';
import { hasShared, sharedPath } from '../fixtures.ts';

const scratch = await mkdtemp(join(tmpdir(), 'brickwork-saving-'));
afterAll(() => rm(scratch, { recursive: true }));

const checkpoints = hasShared ? sharedPath('fixtures/checkpoints/') : '';
const readJson = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const supported = (name: string): boolean => {
  const { model_type: type, architectures: named } = readJson(join(checkpoints, name, 'config.json'));
  const known = Object.hasOwn(architectures, String(type)) ? architectures[String(type)]!.classes : {};
  return Object.hasOwn(known, String((named as unknown[])[0]));
};
const names = hasShared ? readdirSync(checkpoints).filter(supported) : [];
const bytes = ({ data, shape, dtype }: HostTensor): object => ({
  shape: [...shape],
  dtype,
  hex: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
});

describe.skipIf(!hasShared)('saved and opened again (needs ../shared)', () => {
  test('the reference checkpoints are there', () => expect(names.length).toBeGreaterThan(10));

  test.each(names)('%s: the same bytes of weights, whole and in shards', async (name) => {
    const from = join(checkpoints, name);
    const original = (await readSafetensors(join(from, 'model.safetensors'))).tensors;
    const model = await AutoModel.fromPretrained(from);
    expect(model.unused).toEqual([]);
    for (const maxShardSize of [5e9, 20_000]) {
      const to = join(scratch, `${name}-${maxShardSize}`);
      await model.save(to, { maxShardSize });
      const again = await AutoModel.fromPretrained(to);
      expect([...again.weights.keys()].toSorted()).toEqual([...original.keys()].toSorted());
      for (const [key, tensor] of original) expect(bytes(again.weights.get(key)!)).toEqual(bytes(tensor));
      expect(readJson(join(to, 'config.json'))).toEqual({
        ...readJson(join(from, 'config.json')),
        torch_dtype: 'float32',
      });
      if (existsSync(join(from, 'generation_config.json')))
        expect(readJson(join(to, 'generation_config.json'))).toEqual(readJson(join(from, 'generation_config.json')));
      expect(existsSync(join(to, 'model.safetensors'))).toBe(maxShardSize === 5e9);
    }
  });
});
