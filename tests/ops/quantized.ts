// Checks of products with weights of few bits. Inputs are chosen so that nothing is lost where activations are rounded, so the
// results are exact.
import {
  constant,
  dynamicMatmul,
  gatherBlocks,
  input,
  matmulNBits,
  type BlockFormat,
  type Tensor,
} from '../../packages/graph/src/index.ts';
import { compile, hostTensor } from '../../packages/runtime/src/index.ts';
import { throws, type Cases } from './cases.ts';

/** Draws codes and scales, and the matrix (N, K) that they stand for by the formula of the operator's documentation. */
function blocks(
  N: number,
  K: number,
  { bits, blockSize }: BlockFormat,
): { codes: Tensor; scales: Tensor; W: number[][] } {
  const perRow = Math.ceil(K / blockSize);
  const width = (blockSize * bits) / 8;
  const codes = Uint8Array.from({ length: N * perRow * width }, (_, i) => (i * 7919 + 13) % 251);
  const scales = Float32Array.from({ length: N * perRow }, (_, i) => 2 ** ((i % 3) - 2));
  const W = Array.from({ length: N }, (_, n) =>
    Array.from({ length: K }, (__, k) => {
      const b = Math.floor(k / blockSize);
      const i = k % blockSize;
      const byte = codes[(n * perRow + b) * width + (bits === 8 ? i : i >> 1)]!;
      const code = bits === 8 ? byte : i % 2 ? byte >> 4 : byte & 15;
      return scales[n * perRow + b]! * (code - 2 ** (bits - 1));
    }),
  );
  return { codes: constant(codes, [N, perRow, width]), scales: constant(scales, [N * perRow]), W };
}
// Whole numbers up to 127 in every block: what 8 bits hold exactly.
const whole = (n: number, blockSize: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => (i % blockSize === 0 ? 127 : ((i * 31) % 255) - 127));

async function equals(
  y: Tensor,
  feeds: Record<string, ReturnType<typeof hostTensor>>,
  expected: number[],
): Promise<void> {
  const program = await compile({ y });
  const found = Array.from((await program.run(feeds))['y']!.data as Float32Array);
  await program.dispose();
  if (found.length !== expected.length) throw new Error(`${found.length} values; needs ${expected.length}`);
  const largest = Math.max(...expected.map(Math.abs));
  found.forEach((value, i) => {
    // Sums of float32.
    if (!(Math.abs(value - expected[i]!) <= 1e-6 * largest)) throw new Error(`${i}: ${value}, not ${expected[i]}`);
  });
}

const format = { bits: 4, blockSize: 32 } as const;

export const quantizedCases: Cases = {
  matmulNBits: {
    'both widths, several blocks, any leading axes': async () => {
      for (const bits of [4, 8] as const)
        for (const blockSize of [16, 32]) {
          const [N, K, rows] = [5, 64, 3];
          const { codes, scales, W } = blocks(N, K, { bits, blockSize });
          const x = whole(rows * K, blockSize);
          const y = matmulNBits(input('x', ['B', 'T', K]), codes, scales, { N, K, bits, blockSize });
          const expected = Array.from({ length: rows }, (_, r) =>
            W.map((row) => row.reduce((s, w, k) => s + w * x[r * K + k]!, 0)),
          ).flat();
          await equals(y, { x: hostTensor(x, [1, rows, K]) }, expected);
        }
    },
    'a row that its last block isn’t full of': async () => {
      const [N, K] = [3, 40];
      const { codes, scales, W } = blocks(N, K, format);
      const x = whole(K, 32);
      const y = matmulNBits(input('x', [1, K]), codes, scales, { N, K, ...format });
      await equals(
        y,
        { x: hostTensor(x, [1, K]) },
        W.map((row) => row.reduce((s, w, k) => s + w * x[k]!, 0)),
      );
    },
    'a bias': async () => {
      const [N, K] = [3, 32];
      const { codes, scales, W } = blocks(N, K, format);
      const x = whole(K, 32);
      const bias = [1000, -2000, 0.5];
      const y = matmulNBits(
        input('x', [1, K]),
        codes,
        scales,
        { N, K, ...format },
        constant(Float32Array.from(bias), [N]),
      );
      await equals(
        y,
        { x: hostTensor(x, [1, K]) },
        W.map((row, n) => row.reduce((s, w, k) => s + w * x[k]!, bias[n]!)),
      );
    },
    'what doesn’t fit': () => {
      const { codes, scales } = blocks(3, 64, format);
      const short = constant(new Float32Array(2), [2]);
      throws(
        () => matmulNBits(input('x', [1, 64]), codes, scales, { N: 3, K: 64, ...format }, short),
        'matmulNBits',
        'bias',
      );
      throws(() => matmulNBits(input('x', [1, 32]), codes, scales, { N: 3, K: 64, ...format }), 'matmulNBits', 'needs');
      throws(() => matmulNBits(input('x', [1, 64]), codes, scales, { N: 4, K: 64, ...format }), 'matmulNBits', 'needs');
    },
  },
  gatherBlocks: {
    rows: async () => {
      for (const bits of [4, 8] as const) {
        const [N, K] = [6, 64];
        const { codes, scales, W } = blocks(N, K, { bits, blockSize: 32 });
        const y = gatherBlocks(codes, input('at', ['B', 'T'], 'int64'), scales, { N, K, bits, blockSize: 32 });
        const at = [4, 0, 5, 4];
        const ids = hostTensor(BigInt64Array.from(at, BigInt), [2, 2]);
        await equals(
          y,
          { at: ids },
          at.flatMap((n) => W[n]!),
        );
      }
    },
    'rows that end within a block': () => {
      const { codes, scales } = blocks(3, 40, format);
      throws(() => gatherBlocks(codes, input('at', [1, 1], 'int64'), scales, { N: 3, K: 40, ...format }), 'multiple');
    },
  },
  dynamicMatmul: {
    'whole numbers that span 8 bits': async () => {
      const [K, N] = [8, 3];
      const codes = Int8Array.from({ length: K * N }, (_, i) => ((i * 37) % 255) - 127);
      const scales = [0.5, 0.25, 2];
      // From -128 to 127 their step is 1.
      const x = Float32Array.of(-128, 127, 3, -7, 100, 0, 55, -1);
      const zero = constant(new Int8Array(1), []);
      const y = dynamicMatmul(
        input('x', ['B', K]),
        constant(codes, [K, N]),
        constant(Float32Array.from(scales), [N]),
        zero,
      );
      const expected = scales.map((s, n) => s * x.reduce((sum, value, k) => sum + value * codes[k * N + n]!, 0));
      await equals(y, { x: hostTensor(x, [1, K]) }, expected);
    },
    'inner sizes that differ': () =>
      throws(
        () =>
          dynamicMatmul(
            input('x', [2, 7]),
            constant(new Int8Array(24), [8, 3]),
            constant(new Float32Array(3), [3]),
            constant(new Int8Array(1), []),
          ),
        'inner sizes',
      ),
  },
};
