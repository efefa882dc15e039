import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadCheckpoint, saveCheckpoint } from '../checkpoint.ts';
import { hostTensor, type HostTensor } from '../host-tensor.ts';
import { fromBlocks, toBlocks } from './blocks.ts';
import { blocksConfig, storeBlocks, type StoredBlocks } from './stored-blocks.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-blocks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const draw = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * i * 1.7) ** 3);
const [N, K] = [6, 80];
const tensors = new Map<string, HostTensor>([
  ['rows.weight', hostTensor(draw(N * K), [N, K])],
  ['across.weight', hostTensor(draw(N * K), [K, N])],
  ['norm.weight', hostTensor(draw(8), [8])],
]);
const blocks = new Map<string, StoredBlocks>([
  ['rows.weight', { ...toBlocks(draw(N * K), { N, K, bits: 4, blockSize: 32 }), transposed: false }],
  ['across.weight', { ...toBlocks(draw(N * K), { N, K, bits: 8, blockSize: 64, transposed: true }), transposed: true }],
]);

test('a folder of blocks is read as float32 weights of their values', async () => {
  const path = join(folder, 'model');
  await saveCheckpoint(path, { config: { model_type: 'x' }, tensors, blocks });
  const read = await loadCheckpoint(path);
  expect(blocksConfig(read.config)!.weights['across.weight']).toEqual({
    ...{ bits: 8, block_size: 64, shape: [K, N], transposed: true },
  });
  expect([...read.tensors.keys()].toSorted()).toEqual([...tensors.keys()].toSorted());
  expect(read.tensors.get('rows.weight')).toEqual(hostTensor(fromBlocks(blocks.get('rows.weight')!), [N, K]));
  const across = fromBlocks(blocks.get('across.weight')!);
  const { data, shape } = read.tensors.get('across.weight')!;
  expect(shape).toEqual([K, N]);
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) expect(data[k * N + n]).toBe(across[n * K + k]);
  expect(read.tensors.get('norm.weight')).toEqual(tensors.get('norm.weight'));
  // What isn't wanted isn't read.
  const some = await loadCheckpoint(path, { choose: () => (name) => name === 'rows.weight' });
  expect([...some.tensors.keys()]).toEqual(['rows.weight']);
});

test('values of blocks, put in blocks again, are the same: nothing is lost twice', () => {
  for (const { bits, blockSize } of [
    { bits: 4, blockSize: 32 },
    { bits: 4, blockSize: 64 },
    { bits: 8, blockSize: 32 },
  ] as const) {
    const once = fromBlocks(toBlocks(draw(N * K), { N, K, bits, blockSize }));
    const twice = fromBlocks(toBlocks(once, { N, K, bits, blockSize }));
    // The scale is a sum divided by a sum: to float32's rounding.
    twice.forEach((value, i) => expect(Math.abs(value - once[i]!)).toBeLessThan(3e-7));
  }
});

test('saved again without blocks, the config doesn’t speak of them; of other methods it does', async () => {
  const path = join(folder, 'again');
  const { config } = storeBlocks(tensors, blocks);
  await saveCheckpoint(path, { config: { model_type: 'x', quantization_config: config }, tensors });
  expect((await loadCheckpoint(path)).config).toEqual({ model_type: 'x' });
  const other = { quantization_config: { quant_method: 'gptq' } };
  await saveCheckpoint(path, { config: other, tensors });
  expect((await loadCheckpoint(path)).config).toEqual(other);
});

test('codes that contradict the config are refused', async () => {
  const path = join(folder, 'wrong');
  const stored = storeBlocks(tensors, blocks);
  const quantization_config = {
    ...stored.config,
    weights: { ...stored.config.weights, 'rows.weight': { ...stored.config.weights['rows.weight'], bits: 8 } },
  };
  // Written as any tensors: the config is kept, as it comes with them.
  await saveCheckpoint(path, { config: {}, tensors: stored.tensors });
  writeFileSync(join(path, 'config.json'), JSON.stringify({ quantization_config }));
  await expect(loadCheckpoint(path)).rejects.toThrow(/rows\.weight is uint8 \(6, 3, 16\).*8 bits in blocks of 32/);
});
