// Checks of matrix products.
import { gemm, input, matmul, type Tensor } from '../../packages/graph/src/index.ts';
import { checkOp } from '../check-op.ts';
import { at, broadcastAt, nd, type Nd } from '../nd.ts';
import { throws, type Cases } from './cases.ts';

// (…, M, K) x (…, K, N) by loops, either side read as its transpose.
export function product(a: Nd, b: Nd, { transA = false, transB = false, alpha = 1 } = {}): Nd {
  const [ra, rb] = [a.shape.length, b.shape.length];
  const M = a.shape[transA ? ra - 1 : ra - 2]!;
  const K = a.shape[transA ? ra - 2 : ra - 1]!;
  const N = b.shape[transB ? rb - 2 : rb - 1]!;
  const rank = Math.max(ra, rb) - 2;
  const size = (s: readonly number[], i: number): number => s[i - (rank + 2 - s.length)] ?? 1;
  const stack = Array.from({ length: rank }, (_, i) => Math.max(size(a.shape, i), size(b.shape, i)));
  return nd([...stack, M, N], (...index) => {
    const [m, n] = index.slice(rank) as [number, number];
    const read = (t: Nd, i: number, j: number): number => {
      const own = t.shape.slice(0, -2);
      const place = own.map((d, axis) => (d === 1 ? 0 : index[axis + rank - own.length]!));
      return at(t, ...place, i, j);
    };
    let s = 0;
    for (let k = 0; k < K; k++)
      s += (transA ? read(a, k, m) : read(a, m, k)) * (transB ? read(b, n, k) : read(b, k, n));
    return alpha * s;
  });
}
const x = (...shape: number[]): Tensor => input('x', shape);

export const productCases: Cases = {
  matmul: {
    matrices: () =>
      checkOp(
        (a, b) => matmul(a, b),
        [
          [3, 4],
          [4, 5],
        ],
        {
          reference: (a, b) => product(a, b),
          symbolic: [
            ['N', 4],
            [4, 'M'],
          ],
        },
      ),
    'stacks on either side, and both': async () => {
      for (const [a, b] of [
        [
          [2, 3, 4],
          [4, 5],
        ],
        [
          [3, 4],
          [2, 4, 5],
        ],
        [
          [2, 3, 4],
          [2, 4, 5],
        ],
        [
          [2, 1, 3, 4],
          [3, 4, 2],
        ],
        [
          [1, 3, 4],
          [2, 4, 2],
        ],
        [
          [2, 3, 2, 4],
          [4, 2],
        ],
      ])
        await checkOp((p, q) => matmul(p, q), [a!, b!], { reference: (p, q) => product(p, q) });
    },
    'every transpose of matrices and stacks, with a factor': async () => {
      for (const transA of [false, true])
        for (const transB of [false, true])
          for (const alpha of [1, 0.5])
            for (const [sa, sb] of [
              [[], []],
              [[2], [2]],
              [[2], []],
              [[], [2]],
              [[3, 1], [2]],
            ] as number[][][]) {
              const o = { transA, transB, alpha };
              await checkOp(
                (p, q) => matmul(p, q, o),
                [
                  [...sa!, ...(transA ? [4, 3] : [3, 4])],
                  [...sb!, ...(transB ? [2, 4] : [4, 2])],
                ],
                { reference: (p, q) => product(p, q, o) },
              );
            }
    },
    'with named axes': async () => {
      await checkOp(
        (p, q) => matmul(p, q),
        [
          [2, 3, 4],
          [4, 5],
        ],
        {
          reference: (p, q) => product(p, q),
          symbolic: [
            ['B', 'T', 4],
            [4, 5],
          ],
        },
      );
      await checkOp(
        (p, q) => matmul(p, q, { transB: true, alpha: 0.25 }),
        [
          [2, 2, 3, 4],
          [2, 2, 5, 4],
        ],
        {
          reference: (p, q) => product(p, q, { transB: true, alpha: 0.25 }),
          symbolic: [
            ['B', 2, 'T', 4],
            ['B', 2, 'S', 4],
          ],
        },
      );
      await checkOp(
        (p, q) => matmul(p, q, { transB: true }),
        [
          [2, 3, 4],
          [5, 4],
        ],
        {
          reference: (p, q) => product(p, q, { transB: true }),
          symbolic: [
            ['B', 'T', 4],
            [5, 4],
          ],
        },
      );
    },
    'many values': () =>
      checkOp(
        (p, q) => matmul(p, q),
        [
          [17, 33],
          [33, 19],
        ],
        { reference: (p, q) => product(p, q) },
      ),
    'inner sizes that differ': () => {
      throws(() => matmul(x(2, 3), x(4, 5)), '(2, 3)', '(4, 5)', 'inner dims 3 and 4 differ');
      throws(() => matmul(x(2, 3), x(4, 2), { transB: true }), '(2, 3)', "(4, 2)'", '3 and 2');
      throws(() => matmul(x(2, 3, 4), x(3, 4, 5)), '(2)', '(3)');
      throws(() => matmul(x(3), x(3, 4)), '(3)', 'two axes');
    },
  },
  gemm: {
    'with and without bias, both layouts': async () => {
      for (const transB of [false, true]) {
        const w = transB ? [5, 4] : [4, 5];
        const reference = (a: Nd, b: Nd, c?: Nd): Nd => {
          const y = product(a, b, { transB });
          return c ? nd(y.shape, (...i) => at(y, ...i) + broadcastAt(c, i)) : y;
        };
        await checkOp((a, b) => gemm(a, b, null, { transB }), [[3, 4], w], { reference, symbolic: [['N', 4], w] });
        await checkOp((a, b, c) => gemm(a, b, c, { transB }), [[3, 4], w, [5]], {
          reference,
          symbolic: [['N', 4], w, [5]],
        });
        await checkOp((a, b, c) => gemm(a, b, c, { transB }), [[3, 4], w, [3, 1]], { reference });
        await checkOp((a, b, c) => gemm(a, b, c, { transB }), [[40, 4], w, [5]], { reference });
      }
    },
    'shapes that do not fit': () => {
      throws(() => gemm(x(2, 3), x(4, 5)), '(2, 3)', '(4, 5)', '3 and 4');
      throws(() => gemm(x(2, 3), x(3, 5), x(4)), '(4)', '(2, 5)');
      throws(() => gemm(x(2, 3), x(3, 5), x(7, 2, 5)), '(7, 2, 5)', '(2, 5)');
      throws(() => gemm(x(2, 3, 4), x(4, 5)), '(2, 3, 4)', 'two axes');
    },
  },
};
