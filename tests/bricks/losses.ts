// Checks of the loss bricks against their formulas in float64.
import assert from 'node:assert/strict';
import { constant, input, type Tensor } from '../../packages/graph/src/index.ts';
import {
  binaryCrossEntropy,
  crossEntropy,
  Hinge,
  hingeLoss,
  linearCrossEntropy,
  Log,
  logLoss,
  LogSoftMax,
  MaxMargin,
  maxMarginLoss,
  Square,
  squareLoss,
  type CrossEntropyOptions,
  type MaxMarginOptions,
} from '../../packages/nn/src/index.ts';
import { checkBrick } from '../check-brick.ts';
import { between, checkOp, gradientsOf, indices, values, type Sample } from '../check-op.ts';
import { at, elementwise, nd, total, type Nd } from '../nd.ts';
import { throws, type Cases } from '../ops/cases.ts';

/** Labels of -1 and 1. */
const signs = (shape: readonly number[]): Sample => ({
  shape,
  dtype: 'float32',
  draw: (n, r) => Float32Array.from({ length: n }, () => (r() < 0.5 ? -1 : 1)),
});
const meanOf = (v: Nd): Nd => nd([], () => total([...v.data]) / v.data.length);
const sumOf = (v: Nd): Nd => nd([], () => total([...v.data]));

type Loss = (x: Tensor, d: Tensor, o?: { reduction?: 'mean' | 'sum' | 'none' }) => Tensor;
const pairs = (
  loss: Loss,
  make: () => { forward(x: Tensor, d: Tensor): Tensor },
  f: (x: number, d: number) => number,
  targets: (shape: number[]) => Sample,
  fixed: readonly number[],
): Cases[string] => {
  const one = elementwise(f);
  // Sums of 1500 terms in float32.
  const many = { tolerance: 1e-5, gradientTolerance: 1e-4 };
  return {
    'the mean, the sum, and one by one': async () => {
      await checkBrick(make, [[4, 3], targets([4, 3])], {
        reference: (x, d) => meanOf(one(x, d)),
        fixed,
        symbolic: [
          ['B', 3],
          ['B', 3],
        ],
      });
      await checkOp((x, d) => loss(x, d, { reduction: 'sum' }), [[4, 3], targets([4, 3])], {
        reference: (x, d) => sumOf(one(x, d)),
        fixed,
      });
      await checkOp((x, d) => loss(x, d, { reduction: 'none' }), [[4, 3], targets([4, 3])], { reference: one, fixed });
    },
    'many examples': () =>
      checkBrick(make, [between([1500], -4, 4), targets([1500])], {
        reference: (x, d) => meanOf(one(x, d)),
        fixed,
        ...many,
      }),
    'shapes that do not fit, and a reduction that is not known': () => {
      throws(() => loss(input('x', [2, 3]), input('d', [2, 4])), '(2, 3)', '(2, 4)');
      throws(
        () => loss(input('x', [2]), input('d', [2]), { reduction: 'average' as 'mean' }),
        'average',
        'mean, sum and none',
      );
    },
  };
};

const logSoft = (v: number[]): number[] => {
  const m = Math.max(...v);
  const s = m + Math.log(total(v.map((t) => Math.exp(t - m))));
  return v.map((t) => t - s);
};
// One loss per row of scores (N, V).
function rowLosses(
  x: Nd,
  labels: Nd,
  { ignoreIndex = -100, labelSmoothing = 0 }: CrossEntropyOptions,
): (number | null)[] {
  const V = x.shape.at(-1)!;
  return [...labels.data].map((label, n) => {
    if (label === ignoreIndex) return null;
    const p = logSoft(Array.from(x.data.slice(n * V, (n + 1) * V)));
    return -(1 - labelSmoothing) * p[label]! - (labelSmoothing * total(p)) / V;
  });
}
function entropy(x: Nd, labels: Nd, o: CrossEntropyOptions = {}): Nd {
  const all = rowLosses(x, labels, o);
  const counted = all.filter((v) => v !== null);
  if (o.reduction === 'none') return { data: Float64Array.from(all, (v) => v ?? 0), shape: labels.shape };
  return nd([], () => total(counted) / (o.reduction === 'sum' ? 1 : Math.max(1, counted.length)));
}
const labelled = (...v: number[]): ReturnType<typeof values> => values(BigInt64Array.from(v, BigInt));
const timesTransposed = (x: Nd, w: Nd): Nd =>
  nd([x.shape[0]!, w.shape[0]!], (n, v) =>
    total(Array.from({ length: x.shape[1]! }, (_, c) => at(x, n!, c) * at(w, v!, c))),
  );

function margins(x: Nd, labels: Nd, { margin = 1, over = 'max', reduction = 'mean' }: MaxMarginOptions = {}): Nd {
  const V = x.shape.at(-1)!;
  const rows = [...labels.data].map((label, n) => {
    const v = Array.from(x.data.slice(n * V, (n + 1) * V));
    const short = v.flatMap((t, k) => (k === label ? [] : [Math.max(0, margin + t - v[label]!)]));
    return over === 'max' ? Math.max(...short) : total(short) / V;
  });
  if (reduction === 'none') return { data: Float64Array.from(rows), shape: labels.shape };
  return nd([], () => total(rows) / (reduction === 'mean' ? rows.length : 1));
}

export const lossCases: Cases = {
  Square: {
    ...pairs(
      squareLoss,
      () => new Square(),
      (x, d) => (x - d) ** 2,
      (shape) => between(shape, -1, 2),
      [],
    ),
    'targets that broadcast': () =>
      checkOp((x, d) => squareLoss(x, d), [[4, 3], [3]], {
        reference: (x, d) => meanOf(elementwise((a, b) => (a - b) ** 2)(x, d)),
      }),
  },
  Log: {
    ...pairs(
      logLoss,
      () => new Log(),
      (x, c) => Math.log1p(Math.exp(-c * x)),
      signs,
      [1],
    ),
    'minus the logarithm of the probability of the label': () =>
      checkOp((x, c) => logLoss(x, c, { reduction: 'none' }), [[10], signs([10])], {
        reference: elementwise((x, c) => {
          const p = 1 / (1 + Math.exp(-x));
          return -Math.log(c > 0 ? p : 1 - p);
        }),
        fixed: [1],
      }),
    'without overflow': () =>
      checkOp((x, c) => logLoss(x, c, { reduction: 'none' }), [values([-200, 200]), values([1, 1])], {
        reference: (x) => ({ ...x, data: Float64Array.of(200, 0) }),
        gradient: false,
      }),
  },
  binaryCrossEntropy: pairs(
    binaryCrossEntropy,
    () => ({ forward: (x, t) => binaryCrossEntropy(x, t) }),
    (x, t) => {
      const p = 1 / (1 + Math.exp(-x));
      return -t * Math.log(p) - (1 - t) * Math.log(1 - p);
    },
    (shape) => between(shape, 0, 1),
    [],
  ),
  Hinge: {
    ...pairs(
      hingeLoss,
      () => new Hinge(),
      (x, c) => Math.max(0, 1 - c * x),
      signs,
      [1],
    ),
    'another margin': () =>
      checkOp((x, c) => hingeLoss(x, c, { margin: 0.5, reduction: 'none' }), [[12], signs([12])], {
        reference: elementwise((x, c) => Math.max(0, 0.5 - c * x)),
        fixed: [1],
      }),
    'no gradient at the margin': async () =>
      assert.deepEqual(
        await gradientsOf(
          (x) => hingeLoss(x, constant(Float32Array.of(1, 1, -1)), { reduction: 'sum' }),
          [values([1, 0, 2])],
        ),
        [[0, -1, 1]],
      ),
  },
  LogSoftMax: {
    'a batch of rows, and of sequences': async () => {
      await checkBrick(() => new LogSoftMax(), [[5, 7], indices([5], 7)], {
        reference: (x, l) => entropy(x, l),
        symbolic: [['N', 7], ['N']],
      });
      await checkBrick(() => new LogSoftMax(), [[2, 3, 5], indices([2, 3], 5)], {
        reference: (x, l) => entropy(x, l),
        symbolic: [
          ['B', 'T', 5],
          ['B', 'T'],
        ],
      });
      await checkOp((x, l) => crossEntropy(x, l), [[6], values(BigInt64Array.of(2n), [])], {
        reference: (x, l) => entropy(x, l),
      });
    },
    'the sum, and one by one': async () => {
      for (const reduction of ['sum', 'none'] as const)
        await checkOp((x, l) => crossEntropy(x, l, { reduction }), [[2, 3, 5], indices([2, 3], 5)], {
          reference: (x, l) => entropy(x, l, { reduction }),
          symbolic: [
            ['B', 'T', 5],
            ['B', 'T'],
          ],
        });
    },
    'classes whose number is named': () =>
      checkOp((x, l) => crossEntropy(x, l), [[5, 4], indices([5], 3)], {
        reference: (x, l) => entropy(x, l),
        symbolic: [['B', 'T'], ['B']],
      }),
    'labels that are ignored count for nothing': async () => {
      const labels = labelled(1, -100, 0, -100, 3);
      for (const reduction of ['mean', 'sum', 'none'] as const)
        await checkOp((x, l) => crossEntropy(x, l, { reduction }), [[5, 4], labels], {
          reference: (x, l) => entropy(x, l, { reduction }),
        });
      await checkOp((x, l) => crossEntropy(x, l, { ignoreIndex: 0 }), [[5, 4], labelled(0, 1, 2, 0, 3)], {
        reference: (x, l) => entropy(x, l, { ignoreIndex: 0 }),
      });
      await checkOp((x, l) => crossEntropy(x, l), [[2, 4], labelled(-100, -100)], {
        reference: () => nd([], () => 0),
        flat: [0],
      });
    },
    'label smoothing': async () => {
      for (const labelSmoothing of [0.1, 0.5, 1])
        await checkBrick(() => new LogSoftMax({ labelSmoothing }), [[5, 7], labelled(1, 6, -100, 0, 3)], {
          reference: (x, l) => entropy(x, l, { labelSmoothing }),
        });
    },
    'scores far from 0': () =>
      checkOp(
        (x, l) => crossEntropy(x, l, { reduction: 'none' }),
        [values([1000, 0, -1000, 500, 500, 500], [2, 3]), labelled(1, 2)],
        { reference: (x, l) => entropy(x, l, { reduction: 'none' }), gradient: false },
      ),
    'many rows with repeated labels': () =>
      checkOp((x, l) => crossEntropy(x, l), [between([4096, 5], -3, 3), indices([4096], 5)], {
        reference: (x, l) => entropy(x, l),
        tolerance: 1e-5,
      }),
    'what does not fit': () => {
      const [x, l] = [input('x', [2, 5]), input('l', [2], 'int64')];
      throws(() => crossEntropy(x, input('l', [3], 'int64')), '(2, 5)', '(3)');
      throws(() => crossEntropy(x, input('l', [2])), 'float32', 'int64');
      throws(() => crossEntropy(x, l, { labelSmoothing: 1.5 }), '1.5');
      throws(() => crossEntropy(x, l, { reduction: 'all' as 'sum' }), 'all', 'mean, sum and none');
    },
  },
  linearCrossEntropy: {
    'agrees with the product and the loss apart': async () => {
      for (const labels of [
        labelled(1, 0, 6, 3, 3),
        labelled(1, -100, 6, -100, 3),
        labelled(-100, -100, -100, -100, -100),
      ]) {
        const none = labels.data.every((l) => Number(l) === -100);
        await checkOp((x, w, l) => linearCrossEntropy(x, w, l).loss, [[5, 4], [7, 4], labels], {
          reference: (x, w, l) => entropy(timesTransposed(x, w), l),
          flat: none ? [0, 1] : [],
        });
      }
    },
    'a bias, and its gradient': async () => {
      const reference = (x: Nd, w: Nd, b: Nd, l: Nd): Nd =>
        entropy(elementwise((p, q) => p + q)(timesTransposed(x, w), b), l);
      const loss = (x: Tensor, w: Tensor, b: Tensor, l: Tensor): Tensor => linearCrossEntropy(x, w, l, b).loss;
      for (const labels of [labelled(1, 0, 6, 3, 3), labelled(1, -100, 6, -100, 3)])
        await checkOp(loss, [[5, 4], [7, 4], [7], labels], { reference });
      await checkOp(loss, [[5, 4], [7, 4], [7], indices([5], 7)], {
        reference,
        symbolic: [['N', 4], [7, 4], [7], ['N']],
      });
      await checkOp(
        loss,
        [between([4096, 3], -2, 2), between([40, 3], -2, 2), between([40], -2, 2), indices([4096], 40)],
        { reference, tolerance: 1e-5, gradientTolerance: 1e-4 },
      );
      const [x, w, l] = [input('x', [5, 4]), input('w', [7, 4]), input('l', [5], 'int64')];
      throws(() => linearCrossEntropy(x, w, l, input('b', [5])), 'bias (5)', '(V)');
    },
    'no rows at all': () =>
      checkOp(
        (x, w, b) => linearCrossEntropy(x, w, constant(new BigInt64Array(0), [0]), b).loss,
        [[0, 4], [7, 4], [7]],
        {
          reference: () => nd([], () => 0),
          flat: [0, 1, 2],
        },
      ),
    'counts its rows': () =>
      checkOp((x, w, l) => linearCrossEntropy(x, w, l).count, [[3, 2], [4, 2], labelled(1, -100, 2)], {
        reference: () => nd([], () => 2),
        flat: [0, 1],
      }),
    'many rows with repeated labels': () =>
      checkOp(
        (x, w, l) => linearCrossEntropy(x, w, l).loss,
        [between([4096, 3], -2, 2), between([40, 3], -2, 2), indices([4096], 40)],
        { reference: (x, w, l) => entropy(timesTransposed(x, w), l), tolerance: 1e-5, gradientTolerance: 1e-4 },
      ),
  },
  MaxMargin: {
    'a batch of rows, and of sequences': async () => {
      await checkBrick(() => new MaxMargin(), [[6, 5], indices([6], 5)], {
        reference: (x, l) => margins(x, l),
        symbolic: [['N', 5], ['N']],
      });
      await checkBrick(() => new MaxMargin(), [[2, 3, 4], indices([2, 3], 4)], {
        reference: (x, l) => margins(x, l),
        symbolic: [
          ['B', 'T', 4],
          ['B', 'T'],
        ],
      });
    },
    'over all wrong classes, as PyTorch': async () => {
      for (const o of [{ over: 'mean' }, { over: 'mean', margin: 0.3 }] as const)
        await checkBrick(() => new MaxMargin(o), [[6, 5], indices([6], 5)], {
          reference: (x, l) => margins(x, l, o),
          symbolic: [['N', 5], ['N']],
        });
      // torch.nn.MultiMarginLoss()(torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([3])) is 0.325.
      await checkOp(
        (x, l) => maxMarginLoss(x, l, { over: 'mean' }),
        [values([0.1, 0.2, 0.4, 0.8], [1, 4]), labelled(3)],
        { reference: () => nd([], () => 0.325), gradient: false },
      );
    },
    'another margin, the sum, and one by one': async () => {
      for (const o of [{ margin: 2.5 }, { reduction: 'sum' }, { reduction: 'none' }] as const)
        await checkOp((x, l) => maxMarginLoss(x, l, o), [[6, 5], indices([6], 5)], {
          reference: (x, l) => margins(x, l, o),
        });
    },
    'nothing where the margin is kept': () =>
      checkOp((x, l) => maxMarginLoss(x, l), [values([3, 1, 1.5], [1, 3]), labelled(0)], {
        reference: () => nd([], () => 0),
        flat: [0],
      }),
    'what does not fit': () => {
      throws(() => maxMarginLoss(input('x', [2, 5]), input('l', [3], 'int64')), '(2, 5)', '(3)');
      throws(
        () => maxMarginLoss(input('x', [2, 5]), input('l', [2], 'int64'), { over: 'all' as 'max' }),
        'all',
        'max and mean',
      );
    },
  },
};
