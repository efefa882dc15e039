import { describe, expect, test } from 'vitest';
import { fromBlocks, toBlocks } from './blocks.ts';

// Values like those of trained weights: near 0 mostly, a few far out.
const values = (n: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.tan(1.2 * Math.sin(i * 2.3)));

const squared = (a: Float32Array, b: Float32Array): number =>
  a.reduce((s, x, i) => s + (x - b[i]!) ** 2, 0) / a.reduce((s, x) => s + x * x, 0);

describe('toBlocks', () => {
  test.each([
    [4, 16],
    [4, 32],
    [4, 128],
    [8, 16],
    [8, 64],
  ] as const)('%s bits, blocks of %s: no value is further off than a step', (bits, blockSize) => {
    const [N, K] = [3, 150];
    const data = values(N * K);
    const blocks = toBlocks(data, { N, K, bits, blockSize });
    const perRow = Math.ceil(K / blockSize);
    expect(blocks.codes.shape).toEqual([N, perRow, (blockSize * bits) / 8]);
    expect(blocks.scales.shape).toEqual([N * perRow]);
    const scales = blocks.scales.data as Float32Array;
    fromBlocks(blocks).forEach((value, i) => {
      const scale = Math.abs(scales[Math.floor(i / K) * perRow + Math.floor((i % K) / blockSize)]!);
      // Half a step; with 4 bits a largest value may be cut by up to 0.6 more.
      expect(Math.abs(value - data[i]!)).toBeLessThanOrEqual((bits === 8 ? 0.5 : 1.2) * scale + 1e-6);
    });
  });

  test('4 bits: the error is below that of the plain rule, largest value / 8', () => {
    const [N, K, size] = [8, 256, 32];
    const data = values(N * K);
    const plain = new Float32Array(N * K);
    for (let b = 0; b < (N * K) / size; b++) {
      const block = data.subarray(b * size, (b + 1) * size);
      const most = block.reduce((m, x) => (Math.abs(x) > Math.abs(m) ? x : m), 0);
      const scale = most / -8;
      block.forEach((x, i) => (plain[b * size + i] = scale * Math.max(-8, Math.min(7, Math.round(x / scale)))));
    }
    const ours = fromBlocks(toBlocks(data, { N, K, bits: 4, blockSize: size }));
    expect(squared(data, ours)).toBeLessThan(0.85 * squared(data, plain));
  });

  test('a matrix that lies across gives the same blocks', () => {
    const [N, K] = [5, 70];
    const data = values(N * K);
    const across = new Float32Array(N * K);
    for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) across[k * N + n] = data[n * K + k]!;
    for (const bits of [4, 8] as const) {
      const options = { N, K, bits, blockSize: 32 };
      expect(toBlocks(across, { ...options, transposed: true })).toEqual(toBlocks(data, options));
    }
  });

  test('whole numbers come back as they were; zeros have no scale', () => {
    const data = Float32Array.from({ length: 64 }, (_, i) => (i < 32 ? (i % 16) - 8 : 0));
    const blocks = toBlocks(data, { N: 1, K: 64, bits: 4, blockSize: 32 });
    expect(Array.from(fromBlocks(blocks))).toEqual(Array.from(data));
    expect((blocks.scales.data as Float32Array)[1]).toBe(0);
  });
});
