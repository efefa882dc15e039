// Checks of sums and other reductions, softmax, norms, and looking values up by index.
import assert from 'node:assert/strict';
import {
  addScattered,
  argmax,
  cumsum,
  gather,
  gatherElements,
  input,
  layerNorm,
  logSoftmax,
  max,
  mean,
  min,
  mul,
  nonZero,
  oneHot,
  rmsNorm,
  scatterAdd,
  scatterAddElements,
  softmax,
  sum,
  sumTo,
  topk,
  zerosLike,
  constant,
  type Tensor,
} from '../../packages/graph/src/index.ts';
import { between, checkOp, gradientsOf, indices, tied, values, type Sample } from '../check-op.ts';
import { at, along, eachIndex, lines, nd, total, type Nd } from '../nd.ts';
import { throws, type Cases } from './cases.ts';

type Reduction = (x: Tensor, axes?: readonly number[], keep?: boolean) => Tensor;
const average = (v: number[]): number => total(v) / v.length;
// Reduces several axes one after the other, from the last, which is right for sums, equal-sized means and extremes.
const over = (v: Nd, axes: readonly number[] | undefined, keep: boolean, f: (values: number[]) => number): Nd => {
  const at = (axes ?? v.shape.map((_, i) => i)).map((a) => (a < 0 ? a + v.shape.length : a)).sort((a, b) => b - a);
  return at.reduce((t, a) => along(t, a, f, keep), v);
};
const reduction = (op: Reduction, f: (values: number[]) => number): Cases[string] => ({
  'every choice of axes, kept and not': async () => {
    for (const axes of [undefined, [0], [1], [2], [0, 1], [0, 2], [1, 2], [2, 0], [-1], [-3], [-1, 0], [0, 1, 2]])
      for (const keep of [false, true])
        await checkOp((x) => op(x, axes, keep), [[2, 3, 4]], { reference: (v) => over(v, axes, keep, f) });
  },
  'with named axes': async () => {
    for (const [axes, keep] of [
      [[2], false],
      [[0], true],
      [[1, 2], false],
      [undefined, false],
      [[0, 1], true],
    ] as const)
      await checkOp((x) => op(x, axes, keep), [[2, 3, 4]], {
        reference: (v) => over(v, axes, keep, f),
        symbolic: [['B', 'T', 4]],
      });
  },
  'a scalar is itself': () => checkOp((x) => op(x).mul(2), [[]], { reference: (v) => nd([], () => 2 * v.data[0]!) }),
  'axes that are not there, or twice': () => {
    throws(() => op(input('x', [2, 3]), [2]), 'axis 2', '(2, 3)');
    throws(() => op(input('x', [2, 3]), [0, -2]), 'repeat');
  },
});

// softmax along an axis in float64, moved by the largest value.
const soft = (v: number[]): number[] => {
  const m = Math.max(...v);
  const e = v.map((t) => Math.exp(t - m));
  return e.map((t) => t / total(e));
};
const normed = (v: number[], epsilon: number, centre: boolean): number[] => {
  const m = centre ? average(v) : 0;
  const inv = 1 / Math.sqrt(average(v.map((t) => (t - m) ** 2)) + epsilon);
  return v.map((t) => (t - m) * inv);
};
const alongEach = (op: (x: Tensor, axis?: number) => Tensor, f: (v: number[]) => number[]): Cases[string] => ({
  'the last axis unless given': () =>
    checkOp((x) => op(x), [[2, 5]], { reference: (v) => lines(v, -1, f), symbolic: [['B', 5]] }),
  'every axis': async () => {
    for (const axis of [0, 1, 2, -1, -2, -3])
      await checkOp((x) => op(x, axis), [[2, 3, 4]], {
        reference: (v) => lines(v, axis, f),
        symbolic: [['B', 'T', 4]],
      });
  },
  'far from 0': () =>
    checkOp((x) => op(x), [between([2, 4], 1000, 1002)], {
      reference: (v) => lines(v, -1, f),
      tolerance: 1e-4,
      gradientTolerance: 1e-3,
    }),
  'many values': () => checkOp((x) => op(x), [[3, 60]], { reference: (v) => lines(v, -1, f) }),
  'one value': () => checkOp((x) => op(x), [[3, 1]], { reference: (v) => lines(v, -1, f), flat: [0] }),
  'an axis that is not there': () => throws(() => op(input('x', [2, 3]), 2), 'axis 2', '(2, 3)'),
});
const wide = (shape: readonly number[]): Sample => between(shape, 0.5, 1.5);

const rowsAdded = (x: Nd, index: Nd, update: Nd): Nd => {
  const data = Float64Array.from(x.data);
  const C = x.data.length / x.shape[0]!;
  index.data.forEach((v, i) => {
    const row = v < 0 ? v + x.shape[0]! : v;
    for (let c = 0; c < C; c++) data[row * C + c]! += update.data[i * C + c]!;
  });
  return { data, shape: x.shape };
};
const elementsAdded =
  (axis: number) =>
  (x: Nd, index: Nd, update: Nd): Nd => {
    const out: Nd = { data: Float64Array.from(x.data), shape: x.shape };
    const strides = x.shape.map((_, a) => x.shape.slice(a + 1).reduce((p, q) => p * q, 1));
    eachIndex(index.shape, (i, flat) => {
      const to = i.with(axis, index.data[flat]!);
      out.data[to.reduce((s, v, a) => s + v * strides[a]!, 0)]! += update.data[flat]!;
    });
    return out;
  };
const taken =
  (axis: number) =>
  (x: Nd, index: Nd): Nd => {
    const shape = [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)];
    return nd(shape, (...i) => {
      const own = at(index, ...i.slice(axis, axis + index.shape.length));
      return at(x, ...i.slice(0, axis), own < 0 ? own + x.shape[axis]! : own, ...i.slice(axis + index.shape.length));
    });
  };

export const reductionCases: Cases = {
  sum: reduction(sum, total),
  mean: {
    ...reduction(mean, average),
    'of nothing': () => throws(() => mean(input('x', [2, 0]), [1]), '(2, 0)', 'no values'),
  },
  max: {
    ...reduction(max, (v) => Math.max(...v)),
    'ties share the gradient equally': async () =>
      assert.deepEqual(await gradientsOf((x) => max(x, [1]), [values([3, 3, 1, 3, 0, 2, 2, 1], [2, 4])]), [
        [1 / 3, 1 / 3, 0, 1 / 3, 0, 0.5, 0.5, 0].map(Math.fround),
      ]),
  },
  min: {
    ...reduction(min, (v) => Math.min(...v)),
    'ties share the gradient equally': async () =>
      assert.deepEqual(await gradientsOf((x) => min(x, [0]), [values([1, 0, 1, 5], [2, 2])]), [[0.5, 1, 0.5, 0]]),
  },
  sumTo: {
    'every way of having been broadcast': async () => {
      const reference = (g: Nd, x: Nd): Nd => {
        const out = nd(x.shape, () => 0);
        eachIndex(g.shape, (i, flat) => {
          const own = x.shape.map((d, a) => (d === 1 ? 0 : i[a + g.shape.length - x.shape.length]!));
          out.data[own.reduce((s, v, a) => s * x.shape[a]! + v, 0)]! += g.data[flat]!;
        });
        return out;
      };
      for (const [g, x] of [
        [[2, 3, 4], [4]],
        [
          [2, 3, 4],
          [3, 1],
        ],
        [[2, 3, 4], []],
        [
          [2, 3, 4],
          [2, 1, 4],
        ],
        [
          [2, 3, 4],
          [1, 1, 1],
        ],
        [
          [2, 3, 4],
          [2, 3, 4],
        ],
        [[5, 1], [1]],
        [
          [7, 4],
          [1, 4],
        ],
      ])
        await checkOp(sumTo, [g!, x!], { reference, flat: [1] });
      await checkOp(sumTo, [[2, 3, 4], [4]], { reference, flat: [1], symbolic: [['B', 'T', 4], [4]] });
      await checkOp(
        sumTo,
        [
          [2, 3, 4],
          [3, 1],
        ],
        {
          reference,
          flat: [1],
          symbolic: [
            ['B', 'T', 4],
            ['T', 1],
          ],
        },
      );
    },
    'to its own shape is the same tensor': () =>
      assert.ok(((g) => sumTo(g, input('x', [2, 3])) === g)(input('g', [2, 3]))),
  },
  cumsum: {
    'every axis, from either end': async () => {
      for (const axis of [undefined, 0, 1, 2, -1, -2])
        for (const reverse of [false, true])
          await checkOp((x) => cumsum(x, axis, { reverse }), [[2, 3, 4]], {
            reference: (v) =>
              lines(v, axis ?? -1, (t) => t.map((_, i) => total(reverse ? t.slice(i) : t.slice(0, i + 1)))),
            symbolic: [['B', 'T', 4]],
          });
    },
    'whole numbers stay whole': () =>
      checkOp((x) => cumsum(x), [indices([3, 50], 9)], {
        reference: (v) => lines(v, -1, (t) => t.map((_, i) => total(t.slice(0, i + 1)))),
        gradient: false,
      }),
    'an axis that is not there': () => throws(() => cumsum(input('x', [2, 3]), 2), 'axis 2', '(2, 3)'),
  },
  nonZero: {
    'positions in order, also none': async () => {
      for (const data of [
        [0, 1, 0, 0, 1, 1],
        [1, 1],
        [0, 0, 0],
      ])
        await checkOp((x) => nonZero(x, 'K'), [values(BigInt64Array.from(data, BigInt))], {
          reference: () => {
            const at = data.flatMap((v, i) => (v ? [i] : []));
            return nd([at.length], (i) => at[i]!);
          },
          gradient: false,
        });
    },
    'of more than one axis': () => throws(() => nonZero(input('x', [2, 3]), 'K'), '(2, 3)', 'one axis'),
  },
  argmax: {
    'every axis, kept and not; the first of ties': async () => {
      for (const axis of [0, 1, 2, -1])
        for (const keep of [false, true])
          await checkOp((x) => argmax(x, axis, keep), [tied([3, 4, 5], 4)], {
            reference: (v) => along(v, axis, (t) => t.indexOf(Math.max(...t)), keep),
            gradient: false,
            symbolic: [['B', 'T', 5]],
          });
    },
  },
  topk: {
    'values and indices, largest first': () =>
      checkOp((x) => topk(x, 3), [[4, 6]], {
        reference: (v) => {
          const order = (t: number[]): number[] => t.map((_, i) => i).sort((a, b) => t[b]! - t[a]!);
          const row = (b: number): number[] => Array.from({ length: 6 }, (_, i) => at(v, b, i));
          return [
            nd([v.shape[0]!, 3], (b, i) => row(b)[order(row(b))[i]!]!),
            nd([v.shape[0]!, 3], (b, i) => order(row(b))[i]!),
          ];
        },
        symbolic: [['B', 6]],
      }),
    'along another axis': () =>
      checkOp((x) => topk(x, 2, 0)[0], [[5, 3]], {
        reference: (v) =>
          nd([2, 3], (i, c) => Array.from({ length: 5 }, (_, r) => at(v, r, c)).sort((a, b) => b - a)[i]!),
      }),
    'more than there are': () => throws(() => topk(input('x', [2, 3]), 4), '4', '(2, 3)'),
  },
  softmax: alongEach(softmax, soft),
  logSoftmax: {
    ...alongEach(logSoftmax, (v) => {
      const m = Math.max(...v);
      const s = Math.log(total(v.map((t) => Math.exp(t - m))));
      return v.map((t) => t - m - s);
    }),
  },
  layerNorm: {
    'with weight and bias': () =>
      checkOp(layerNorm, [[2, 3, 8], wide([8]), [8]], {
        reference: (x, w, b) => {
          const n = lines(x, -1, (v) => normed(v, 1e-5, true));
          return nd(x.shape, (...i) => at(n, ...i) * at(w, i[2]!) + at(b, i[2]!));
        },
        symbolic: [['B', 'T', 8], [8], [8]],
      }),
    'without bias, another epsilon': () =>
      checkOp((x, w) => layerNorm(x, w, null, { epsilon: 0.1 }), [[4, 5], wide([5])], {
        reference: (x, w) => {
          const n = lines(x, -1, (v) => normed(v, 0.1, true));
          return nd(x.shape, (...i) => at(n, ...i) * at(w, i[1]!));
        },
        symbolic: [['N', 5], [5]],
      }),
    'many rows': () =>
      checkOp(layerNorm, [[40, 16], wide([16]), [16]], {
        reference: (x, w, b) => {
          const n = lines(x, -1, (v) => normed(v, 1e-5, true));
          return nd(x.shape, (...i) => at(n, ...i) * at(w, i[1]!) + at(b, i[1]!));
        },
      }),
    'a weight or bias of another width': () => {
      throws(() => layerNorm(input('x', [2, 4]), input('w', [3])), '(2, 4)', '(3)', '(4)');
      throws(() => layerNorm(input('x', [2, 4]), input('w', [4]), input('b', [3])), '(2, 4)', '(3)', '(4)');
    },
  },
  rmsNorm: {
    'the last axis': () =>
      checkOp(rmsNorm, [[2, 3, 8], wide([8])], {
        reference: (x, w) => {
          const n = lines(x, -1, (v) => normed(v, 1e-6, false));
          return nd(x.shape, (...i) => at(n, ...i) * at(w, i[2]!));
        },
        symbolic: [['B', 'T', 8], [8]],
      }),
    'another epsilon': () =>
      checkOp((x, w) => rmsNorm(x, w, { epsilon: 0.5 }), [[4, 5], wide([5])], {
        reference: (x, w) => {
          const n = lines(x, -1, (v) => normed(v, 0.5, false));
          return nd(x.shape, (...i) => at(n, ...i) * at(w, i[1]!));
        },
      }),
    'a weight of another width': () =>
      throws(() => rmsNorm(input('x', [2, 4]), input('w', [3])), '(2, 4)', '(3)', '(4)'),
  },
  gather: {
    'along every axis, by any number of index axes': async () => {
      for (const axis of [0, 1, 2, -1])
        for (const shape of [[5], [2, 3], []])
          await checkOp((x, i) => gather(x, i, axis), [[4, 4, 4], indices(shape, 4)], {
            reference: taken(axis < 0 ? axis + 3 : axis),
          });
    },
    'with named axes': async () => {
      await checkOp((x, i) => gather(x, i), [[7, 3], indices([2, 4], 7)], {
        reference: taken(0),
        symbolic: [
          [7, 3],
          ['B', 'T'],
        ],
      });
      await checkOp((x, i) => gather(x, i, 1), [[2, 5, 3], indices([4], 5)], {
        reference: taken(1),
        symbolic: [['B', 5, 3], ['T']],
      });
    },
    'counted from the end': () =>
      checkOp((x, i) => gather(x, i), [[5, 2], indices([9], 5, -5)], { reference: taken(0) }),
    'one row many times': () =>
      checkOp((x, i) => gather(x, i), [[3, 2], values(BigInt64Array.of(1n, 1n, 1n, 1n), [4])], { reference: taken(0) }),
    // The sum that an embedding's gradient is: 4096 tokens over 65 rows, in which the engine's ScatterND would race.
    '4096 repeated ids: the gradient is the exact sum': async () => {
      const [V, C, N] = [65, 8, 4096];
      let state = 7;
      const next = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 1) >>> 8;
      const ids = BigInt64Array.from({ length: N }, () => BigInt(next() % V));
      // Eighths between -1 and 1 add up exactly in float32, in any order.
      const weight = Float32Array.from({ length: N * C }, () => ((next() % 17) - 8) / 8);
      for (let round = 0; round < 5; round++) {
        const [dx] = await gradientsOf(
          (x) => mul(gather(x, constant(ids, [8, 512])), constant(weight, [8, 512, C])),
          [values(new Float32Array(V * C), [V, C])],
        );
        const wanted = new Float64Array(V * C);
        ids.forEach((id, i) => {
          for (let c = 0; c < C; c++) wanted[Number(id) * C + c]! += weight[i * C + c]!;
        });
        assert.deepEqual(dx, [...wanted]);
      }
    },
    '4096 repeated ids by finite differences': () =>
      checkOp((x, i) => gather(x, i), [[65, 3], indices([4096], 65)], { reference: taken(0) }),
    'an index that is not whole': () => throws(() => gather(input('x', [3]), input('i', [2])), 'float32', 'int64'),
  },
  gatherElements: {
    'every axis': async () => {
      for (const [axis, shape] of [
        [0, [6, 3, 4]],
        [1, [2, 7, 4]],
        [2, [2, 3, 9]],
        [-1, [2, 3, 1]],
      ] as [number, number[]][]) {
        const a = axis < 0 ? axis + 3 : axis;
        await checkOp((x, i) => gatherElements(x, i, axis), [[2, 3, 4], indices(shape, [2, 3, 4][a]!)], {
          reference: (x, i) => nd(shape, (...n) => at(x, ...n.with(a, at(i, ...n)))),
        });
      }
    },
    'with named axes': () =>
      checkOp((x, i) => gatherElements(x, i), [[5, 4], indices([5, 1], 4)], {
        reference: (x, i) => nd([x.shape[0]!, 1], (b) => at(x, b, at(i, b, 0))),
        symbolic: [
          ['N', 4],
          ['N', 1],
        ],
      }),
    '4096 repeated indices': () =>
      checkOp((x, i) => gatherElements(x, i, 0), [[9], indices([4096], 9)], {
        reference: (x, i) => nd(i.shape, (n) => at(x, at(i, n))),
      }),
    'ranks that differ': () =>
      throws(() => gatherElements(input('x', [3, 2]), input('i', [3], 'int64')), '(3, 2)', '(3)', 'ranks'),
  },
  scatterAddElements: {
    'every axis, repeats add up': async () => {
      for (const [axis, shape] of [
        [0, [6, 3]],
        [1, [4, 8]],
        [-1, [4, 2]],
      ] as [number, number[]][]) {
        const a = axis < 0 ? axis + 2 : axis;
        await checkOp((x, i, u) => scatterAddElements(x, i, u, axis), [[4, 3], indices(shape, [4, 3][a]!), shape], {
          reference: elementsAdded(a),
        });
      }
    },
    'an update of another shape': () =>
      throws(() => scatterAddElements(input('x', [3]), input('i', [2], 'int64'), input('u', [4])), '(2)', '(4)'),
  },
  scatterAdd: {
    'rows, vectors and blocks': async () => {
      await checkOp(scatterAdd, [[4, 3], indices([9], 4), [9, 3]], { reference: rowsAdded });
      await checkOp(scatterAdd, [[4], indices([9], 4), [9]], { reference: rowsAdded });
      await checkOp(scatterAdd, [[4, 2, 3], indices([5], 4), [5, 2, 3]], { reference: rowsAdded });
      await checkOp(scatterAdd, [[4, 3], indices([5], 4), [5, 3]], {
        reference: rowsAdded,
        symbolic: [[4, 3], ['N'], ['N', 3]],
      });
    },
    '4096 repeated rows': () =>
      checkOp(scatterAdd, [[65, 4], indices([4096], 65), between([4096, 4], -1, 1)], { reference: rowsAdded }),
  },
  addScattered: {
    'a scatter onto zeros joins the other sum': () =>
      checkOp(
        (a, x, i, u) => {
          const joined = addScattered(a, scatterAdd(zerosLike(x), i, u))!;
          assert.equal(joined.node!.inputs[0], a);
          return joined;
        },
        [[4, 3], [4, 3], indices([9], 4), [9, 3]],
        {
          reference: (a, _x, i, u) => rowsAdded(a, i, u),
          flat: [1],
        },
      ),
    'null where neither is one': () => assert.equal(addScattered(input('a', [2]), input('b', [2])), null),
    'a table that is read twice': () =>
      checkOp((x, i, j) => [gather(x, i), gather(x, j).mul(2), x.mul(3)], [[5, 2], indices([4], 5), indices([3], 5)], {
        reference: (x, i, j) => [
          taken(0)(x, i),
          ...[taken(0)(x, j)].map((v) => ({ ...v, data: v.data.map((t) => 2 * t) })),
          { ...x, data: x.data.map((t) => 3 * t) },
        ],
      }),
  },
  oneHot: {
    values: () =>
      checkOp((i) => oneHot(i, 4), [indices([2, 3], 4)], {
        reference: (i) => nd([...i.shape, 4], (...n) => +(at(i, ...n.slice(0, -1)) === n.at(-1))),
        gradient: false,
        symbolic: [['B', 'T']],
      }),
  },
};
