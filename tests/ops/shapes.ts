// Checks of the operators that move values without computing, and of those that fill tensors.
import assert from 'node:assert/strict';
import {
  concat,
  constant,
  expand,
  expandLike,
  flatten,
  identity,
  input,
  ints,
  mul,
  override,
  pad,
  permute,
  range,
  reshape,
  reshapeLike,
  shapeOf,
  sizeOf,
  slice,
  split,
  splitLike,
  squeeze,
  stopGradient,
  sum,
  transpose,
  trilu,
  unsqueeze,
  zerosLike,
  type Shape,
  type Tensor,
} from '../../packages/graph/src/index.ts';
import { checkOp, gradientsOf, values } from '../check-op.ts';
import { at, broadcastAt, elementwise, nd, type Nd } from '../nd.ts';
import { throws, type Cases } from './cases.ts';

const reshaped =
  (to: readonly number[]) =>
  (x: Nd): Nd => ({ data: x.data, shape: to });
const x = (shape: Shape): Tensor => input('x', shape);

// NumPy's x[start:end:step] along one axis.
function sliced(v: Nd, axis: number, start: number, end: number | undefined, step: number): Nd {
  const d = v.shape[axis]!;
  const picked: number[] = [];
  const wrap = (i: number): number => (i < 0 ? i + d : i);
  if (step > 0) for (let i = Math.max(0, wrap(start)); i < Math.min(d, wrap(end ?? d)); i += step) picked.push(i);
  else
    for (let i = Math.min(d - 1, wrap(start)); i > (end === undefined ? -1 : Math.max(-1, wrap(end))); i += step)
      picked.push(i);
  return nd(v.shape.with(axis, picked.length), (...index) => at(v, ...index.with(axis, picked[index[axis]!]!)));
}
const sliceCase = (shape: number[], axis: number, start: number, end?: number, step?: number) => (): Promise<void> => {
  const a = axis < 0 ? axis + shape.length : axis;
  return checkOp((t) => slice(t, axis, start, end, step), [shape], {
    reference: (v) => sliced(v, a, start, end, step ?? 1),
  });
};
const transposed = (v: Nd, perm: number[]): Nd =>
  nd(
    perm.map((p) => v.shape[p]!),
    (...index) => at(v, ...perm.map((_, a) => index[perm.indexOf(a)]!)),
  );
const joined =
  (axis: number) =>
  (...xs: Nd[]): Nd => {
    const starts = xs.map((_, i) => xs.slice(0, i).reduce((n, t) => n + t.shape[axis]!, 0));
    const all = xs.reduce((n, t) => n + t.shape[axis]!, 0);
    return nd(xs[0]!.shape.with(axis, all), (...index) => {
      const which = starts.findLastIndex((s, i) => index[axis]! >= s && xs[i]!.shape[axis]! > 0);
      return at(xs[which]!, ...index.with(axis, index[axis]! - starts[which]!));
    });
  };
const part = (v: Nd, axis: number, from: number, size: number): Nd =>
  nd(v.shape.with(axis, size), (...i) => at(v, ...i.with(axis, i[axis]! + from)));

export const shapeCases: Cases = {
  shapeOf: {
    'a constant where everything is known': () =>
      assert.deepEqual([...(shapeOf(x([2, 3])).data as BigInt64Array)], [2n, 3n]),
    'computed where not': () =>
      checkOp((t) => shapeOf(t), [[2, 3]], {
        reference: (v) => ({ data: Float64Array.from(v.shape), shape: [2] }),
        gradient: false,
        symbolic: [['B', 'T']],
      }),
  },
  sizeOf: {
    'known and named axes': async () => {
      const reference =
        (axis: number) =>
        (v: Nd): Nd =>
          nd([], () => v.shape[axis]!);
      await checkOp((t) => sizeOf(t, 1), [[2, 3]], { reference: reference(1), gradient: false });
      await checkOp((t) => sizeOf(t, -2), [[2, 3]], {
        reference: reference(0),
        gradient: false,
        symbolic: [['B', 'T']],
      });
    },
    'an axis that is not there': () => throws(() => sizeOf(x([2, 3]), 2), 'axis 2', '(2, 3)'),
  },
  reshape: {
    'to known axes': () => checkOp((t) => reshape(t, [3, 4]), [[2, 6]], { reference: reshaped([3, 4]) }),
    'to a scalar and back': async () => {
      await checkOp((t) => reshape(t, []), [[1, 1]], { reference: reshaped([]) });
      await checkOp((t) => reshape(t, [1, 1]), [[]], { reference: reshaped([1, 1]) });
    },
    'with -1 first, in the middle, last': async () => {
      for (const to of [
        [-1, 4],
        [2, -1, 3],
        [6, -1],
      ]) {
        const n = 24 / to.reduce((a, b) => (b < 0 ? a : a * b), 1);
        await checkOp((t) => reshape(t, to), [[2, 3, 4]], { reference: reshaped(to.map((d) => (d < 0 ? n : d))) });
      }
    },
    'of named axes': async () => {
      const reference = (v: Nd): Nd => ({ data: v.data, shape: [v.shape[0]!, v.shape[1]!, 2, 4] });
      await checkOp((t) => reshape(t, [t.shape[0]!, t.shape[1]!, 2, 4]), [[2, 3, 8]], {
        reference,
        symbolic: [['B', 'T', 8]],
      });
      await checkOp((t) => reshape(t, [-1, 4]), [[2, 3, 8]], {
        reference: (v) => ({ data: v.data, shape: [v.data.length / 4, 4] }),
        symbolic: [['B', 'T', 8]],
      });
      await checkOp((t) => reshape(reshape(t, [-1, 8]), [t.shape[0]!, t.shape[1]!, 8]), [[2, 3, 8]], {
        reference: (v) => v,
        symbolic: [['B', 'T', 8]],
      });
      await checkOp((t) => reshape(t, [t.shape[1]!, t.shape[0]!]), [[2, 3]], {
        reference: (v) => ({ data: v.data, shape: [v.shape[1]!, v.shape[0]!] }),
        symbolic: [['B', 'T']],
      });
    },
    'to its own shape is the same tensor': () => assert.ok(((t) => reshape(t, [2, -1]) === t)(x([2, 3]))),
    'of a constant is a constant': () => assert.ok(reshape(constant(new Float32Array(6)), [2, 3]).data),
    'of a reshape is one node': () =>
      assert.equal(reshape(reshape(x([2, 6]), [12]), [3, 4]).node!.inputs[0]!.name, 'x'),
    'another number of values': () => throws(() => reshape(x([2, 3]), [4, 2]), '(2, 3)', '(4, 2)', '6', '8'),
    'a rest that does not divide': () => throws(() => reshape(x([2, 3]), [4, -1]), '(2, 3)', '6', '4'),
    'two rests': () => throws(() => reshape(x([2, 3]), [-1, -1]), 'only one'),
  },
  reshapeLike: {
    'known sizes': () =>
      checkOp(
        (t, like) => reshapeLike(t, like),
        [
          [2, 6],
          [3, 4],
        ],
        { reference: reshaped([3, 4]), flat: [1] },
      ),
    'named axes': () =>
      checkOp(
        (t, like) => reshapeLike(t, like),
        [
          [6, 8],
          [6, 2, 4],
        ],
        {
          reference: (t, like) => ({ data: t.data, shape: like.shape }),
          flat: [1],
          symbolic: [
            ['N', 8],
            ['N', 2, 4],
          ],
        },
      ),
  },
  flatten: {
    'all but the first axis': () => checkOp((t) => flatten(t), [[2, 3, 2, 2]], { reference: reshaped([2, 12]) }),
    'named axes': () =>
      checkOp((t) => flatten(t), [[2, 3, 2, 2]], { reference: reshaped([2, 12]), symbolic: [['N', 3, 2, 2]] }),
    'from other axes': async () => {
      await checkOp((t) => flatten(t, 0), [[2, 3, 2]], { reference: reshaped([12]) });
      await checkOp((t) => flatten(t, -2), [[2, 3, 2]], { reference: reshaped([2, 6]) });
      await checkOp((t) => flatten(t, 2), [[2, 3]], { reference: reshaped([2, 3, 1]) });
    },
    'an axis that is not there': () => throws(() => flatten(x([2, 3]), 4), 'axis 4', '(2, 3)'),
  },
  unsqueeze: {
    'at every place': async () => {
      for (const [axis, to] of [
        [0, [1, 2, 3]],
        [1, [2, 1, 3]],
        [2, [2, 3, 1]],
        [-1, [2, 3, 1]],
        [-3, [1, 2, 3]],
      ] as [number, number[]][])
        await checkOp((t) => unsqueeze(t, axis), [[2, 3]], { reference: reshaped(to) });
      await checkOp((t) => unsqueeze(t, 1), [[2, 3]], {
        reference: (v) => ({ ...v, shape: v.shape.toSpliced(1, 0, 1) }),
        symbolic: [['B', 'T']],
      });
    },
    'a place that is not there': () => throws(() => unsqueeze(x([2, 3]), 3), 'axis 3', '(2, 3)'),
  },
  squeeze: {
    'at every place': async () => {
      for (const axis of [1, -2])
        await checkOp((t) => squeeze(t, axis), [[2, 1, 3]], {
          reference: (v) => ({ ...v, shape: [v.shape[0]!, 3] }),
          symbolic: [['B', 1, 3]],
        });
      await checkOp((t) => squeeze(t, 0), [[1]], { reference: reshaped([]) });
    },
    'an axis that is not 1': () => throws(() => squeeze(x([2, 3]), 1), 'axis 1', '(2, 3)', 'not 1'),
  },
  expand: {
    'axes of 1 and new axes': async () => {
      const reference = (v: Nd): Nd => nd([4, 2, 3], (...index) => broadcastAt(v, index));
      for (const shape of [[2, 1], [1, 2, 3], [3], [], [4, 2, 3]])
        await checkOp((t) => expand(t, [4, 2, 3]), [shape], { reference });
    },
    'an axis that is neither 1 nor right': () =>
      throws(() => expand(x([2, 3]), [4, 3]), '(2, 3)', '(4, 3)', 'axis 0 is 2'),
    'fewer axes': () => throws(() => expand(x([2, 3]), [3]), '(2, 3)', '(3)'),
  },
  expandLike: {
    'to the shape of another': () =>
      checkOp(
        expandLike,
        [
          [2, 1],
          [4, 2, 3],
        ],
        {
          reference: (v, like) => nd(like.shape, (...index) => broadcastAt(v, index)),
          flat: [1],
          symbolic: [
            [2, 1],
            ['B', 2, 'T'],
          ],
        },
      ),
    'shapes that do not fit': () => throws(() => expandLike(x([2]), input('y', [3])), '(2)', '(3)'),
  },
  permute: {
    'every order of three axes': async () => {
      for (const perm of [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
      ])
        await checkOp((t) => permute(t, perm), [[2, 3, 4]], {
          reference: (v) => transposed(v, perm),
          symbolic: [['B', 3, 'T']],
        });
    },
    'not each axis once': () => {
      for (const perm of [[0, 0], [0], [0, 2], [0, 1, 2]])
        throws(() => permute(x([2, 3]), perm), '(2, 3)', `[${perm.join(', ')}]`);
    },
  },
  transpose: {
    'the last two axes unless given': () =>
      checkOp((t) => transpose(t), [[2, 3, 4]], {
        reference: (v) => transposed(v, [0, 2, 1]),
        symbolic: [['B', 'T', 4]],
      }),
    'any two axes': async () => {
      await checkOp((t) => transpose(t, 0, 2), [[2, 3, 4]], { reference: (v) => transposed(v, [2, 1, 0]) });
      await checkOp((t) => t.transpose(-3, 1), [[2, 3, 4]], { reference: (v) => transposed(v, [1, 0, 2]) });
    },
    'an axis that is not there': () => throws(() => transpose(x([2, 3]), 0, 2), 'axis 2', '(2, 3)'),
  },
  slice: {
    'from, to, and to the end': async () => {
      await sliceCase([5, 3], 0, 1, 4)();
      await sliceCase([5, 3], 0, 2)();
      await sliceCase([2, 7], -1, 0, 3)();
    },
    'counted from the end': async () => {
      await sliceCase([7, 2], 0, -3)();
      await sliceCase([7, 2], 0, -4, -1)();
      await sliceCase([2, 7], 1, 1, -2)();
    },
    'past the ends': async () => {
      await sliceCase([4], 0, -9, 2)();
      await sliceCase([4], 0, 1, 9)();
      await sliceCase([4], 0, 2, 99, 1)();
    },
    'steps forwards': async () => {
      for (const [start, end, step] of [
        [0, undefined, 2],
        [1, undefined, 2],
        [1, 6, 3],
        [2, -1, 4],
        [0, undefined, 9],
      ] as const)
        await sliceCase([8, 2], 0, start, end, step)();
      await sliceCase([2, 9, 2], 1, 1, 8, 3)();
    },
    'steps backwards': async () => {
      for (const [start, end, step] of [
        [-1, undefined, -1],
        [6, 2, -1],
        [-1, undefined, -2],
        [5, 0, -2],
        [7, -6, -3],
        [3, undefined, -5],
      ] as const)
        await sliceCase([8, 2], 0, start, end, step)();
      await sliceCase([2, 9, 2], 1, -1, undefined, -1)();
    },
    nothing: () =>
      checkOp((t) => slice(t, 0, 3, 3), [[4, 2]], { reference: () => nd([0, 2], () => 0), gradient: false }),
    'all of it is the same tensor': () => assert.ok(((t) => slice(t, 0, 0, 4) === t)(x([4]))),
    'along known axes of a graph with named ones': () =>
      checkOp((t) => slice(t, 2, 1, 3), [[2, 3, 4]], {
        reference: (v) => sliced(v, 2, 1, 3, 1),
        symbolic: [['B', 'T', 4]],
      }),
    'along a named axis': async () => {
      for (const [start, end, step] of [
        [0, 2, 1],
        [-2, undefined, 1],
        [1, undefined, 1],
        [0, -1, 1],
        [0, 3, 2],
        [-1, undefined, -1],
        [-3, -1, 1],
      ] as const)
        await checkOp((t) => slice(t, 1, start, end, step), [[2, 4, 3]], {
          reference: (v) => sliced(v, 1, start, end, step),
          symbolic: [['B', 'T', 3]],
          symbolicGradient: false,
        });
    },
    'a step of 0 and broken numbers': () => {
      throws(() => slice(x([4]), 0, 0, 4, 0), '(4)', 'not 0');
      throws(() => slice(x([4]), 0, 0.5), '0.5');
      throws(() => slice(x([4]), 1, 0), 'axis 1', '(4)');
    },
  },
  pad: {
    'before and after': async () => {
      for (const [axis, before, after] of [
        [0, 2, 1],
        [1, 0, 3],
        [-1, 1, 0],
      ] as [number, number, number][])
        await checkOp((t) => pad(t, axis, before, after), [[2, 3]], {
          reference: (v) => {
            const a = axis < 0 ? axis + 2 : axis;
            return nd(v.shape.with(a, v.shape[a]! + before + after), (...i) => {
              const k = i[a]! - before;
              return k >= 0 && k < v.shape[a]! ? at(v, ...i.with(a, k)) : 0;
            });
          },
          ...(axis === 0 ? {} : { symbolic: [['B', 3]] }),
        });
    },
    'by less than nothing': () => throws(() => pad(x([2]), 0, -1, 0), '-1', 'negative'),
  },
  concat: {
    'along every axis': async () => {
      await checkOp(
        (a, b) => concat([a, b], 0),
        [
          [2, 3],
          [4, 3],
        ],
        { reference: joined(0) },
      );
      await checkOp(
        (a, b, c) => concat([a, b, c], 1),
        [
          [2, 3],
          [2, 1],
          [2, 4],
        ],
        {
          reference: joined(1),
          symbolic: [
            ['B', 3],
            ['B', 1],
            ['B', 4],
          ],
        },
      );
      await checkOp(
        (a, b) => concat([a, b], -2),
        [
          [2, 3, 2],
          [2, 1, 2],
        ],
        { reference: joined(1) },
      );
    },
    'the same tensor twice': () => checkOp((a) => concat([a, a], 0), [[2, 3]], { reference: (a) => joined(0)(a, a) }),
    'along a named axis': () =>
      checkOp(
        (a, b) => concat([a, b], 1),
        [
          [2, 3, 2],
          [2, 4, 2],
        ],
        {
          reference: joined(1),
          symbolic: [
            ['B', 'P', 2],
            ['B', 'T', 2],
          ],
          symbolicGradient: false,
        },
      ),
    'shapes that differ elsewhere': () => throws(() => concat([x([2, 3]), x([2, 4])], 0), '(2, 3)', '(2, 4)', 'axis 0'),
    'types that differ': () => throws(() => concat([x([2]), ints([1])], 0), 'float32', 'int64'),
    nothing: () => throws(() => concat([], 0), 'nothing'),
  },
  split: {
    'into equal parts': () =>
      checkOp((t) => split(t, 3, 1), [[2, 6]], {
        reference: (v) => [0, 2, 4].map((s) => part(v, 1, s, 2)),
        symbolic: [['B', 6]],
      }),
    'into given parts': () =>
      checkOp((t) => split(t, [1, 3, 2], -2), [[2, 6, 2]], {
        reference: (v) => [part(v, 1, 0, 1), part(v, 1, 1, 3), part(v, 1, 4, 2)],
      }),
    'where one part is used, the others have no gradient': async () => {
      for (const i of [0, 1, 2])
        await checkOp((t) => split(t, 3, 0)[i]!, [[6, 2]], {
          reference: (v) => part(v, 0, 2 * i, 2),
          symbolic: [[6, 'T']],
        });
    },
    'where one part is used twice': () =>
      checkOp(
        (t) => {
          const [, b] = split(t, 2, 0);
          return mul(b!, b!);
        },
        [[4]],
        { reference: (v) => nd([2], (i) => at(v, i + 2) ** 2) },
      ),
    'parts that do not fill the axis': () => {
      throws(() => split(x([2, 6]), [2, 3], 1), '(2, 6)', '[2, 3]');
      throws(() => split(x([2, 6]), 4, 1), '(2, 6)', '4 equal');
    },
  },
  splitLike: {
    'known sizes': () =>
      checkOp(
        (t, a, b) => splitLike(t, [a, b], 1),
        [
          [2, 5],
          [4, 3],
          [1, 2],
        ],
        { reference: (v) => [part(v, 1, 0, 3), part(v, 1, 3, 2)], flat: [1, 2] },
      ),
    'named sizes': () =>
      checkOp(
        (a, b) => splitLike(concat([a, b], 1), [a, b], -1),
        [
          [2, 3],
          [2, 4],
        ],
        {
          reference: (a, b) => [a, b],
          symbolic: [
            ['B', 'P'],
            ['B', 'T'],
          ],
        },
      ),
    'where one part is used': () =>
      checkOp(
        (a, b) => splitLike(concat([a, b], 0), [a, b], 0)[1]!,
        [
          [3, 2],
          [4, 2],
        ],
        {
          reference: (_, b) => b,
          flat: [0],
          symbolic: [
            ['P', 2],
            ['T', 2],
          ],
        },
      ),
    'parts that do not fill the axis': () =>
      throws(() => splitLike(x([2, 6]), [x([2, 3]), x([2, 4])], 1), '(2, 6)', '[3, 4]'),
  },
  identity: {
    values: () =>
      checkOp((t) => identity(t).mul(t), [[2, 3]], { reference: elementwise((v) => v * v), symbolic: [['B', 'T']] }),
  },
  stopGradient: {
    'values pass, gradients do not': async () => {
      await checkOp((t) => stopGradient(t), [[2, 3]], { reference: (v) => v, gradient: false });
      assert.deepEqual(await gradientsOf((t) => mul(stopGradient(t), t), [values([2, 3])]), [[2, 3]]);
      assert.deepEqual(await gradientsOf((t) => stopGradient(t), [values([2, 3])]), [[0, 0]]);
    },
  },
  trilu: {
    'lower and upper, every diagonal': async () => {
      for (const upper of [false, true])
        for (const k of [-2, -1, 0, 1, 2])
          await checkOp((t) => trilu(t, { upper, k }), [[2, 3, 4]], {
            reference: (v) => nd(v.shape, (b, i, j) => ((upper ? j - i >= k : j - i <= k) ? at(v, b, i, j) : 0)),
            symbolic: [['B', 'T', 'S']],
          });
    },
    'fewer than two axes': () => throws(() => trilu(x([3])), '(3)'),
  },
  zerosLike: {
    'any shape': async () => {
      for (const shape of [[2, 3], [1], []])
        await checkOp((t) => zerosLike(t), [shape], { reference: elementwise(() => 0), flat: [0] });
      await checkOp((t) => zerosLike(t), [[2, 3]], {
        reference: elementwise(() => 0),
        flat: [0],
        symbolic: [['B', 'T']],
      });
    },
    'NaN and infinity stay out': () =>
      checkOp((t) => zerosLike(t), [values([Number.NaN, Number.POSITIVE_INFINITY])], {
        reference: elementwise(() => 0),
        gradient: false,
      }),
  },
  range: {
    'known length': () =>
      checkOp(() => range(constant(BigInt64Array.of(5n), []), 5), [], {
        reference: () => nd([5], (i) => i),
        gradient: false,
      }),
    'a length that arrives': () =>
      checkOp((n) => range(n, 'N'), [values(BigInt64Array.of(7n), [])], {
        reference: () => nd([7], (i) => i),
        gradient: false,
      }),
  },
  override: {
    'the forward stays, the backward is what is given': async () => {
      await checkOp((t) => override(mul(t, 3), [t], (g) => [mul(g, 3)]), [[4]], {
        reference: elementwise((v) => 3 * v),
      });
      assert.deepEqual(await gradientsOf((t) => override(mul(t, 3), [t], (g) => [mul(g, 5)]), [values([1, 2])]), [
        [5, 5],
      ]);
    },
    'inputs that got null have no gradient': async () =>
      assert.deepEqual(
        await gradientsOf((a, b) => override(mul(a, b), [a, b], (g) => [null, g]), [values([2]), values([3])]),
        [[0], [1]],
      ),
    'as a result of its own': () =>
      checkOp((t) => [override(sum(t), [t], (g) => [expandLike(g, t)]), t], [[3]], {
        reference: (v) => [nd([], () => v.data.reduce((a, b) => a + b)), v],
      }),
  },
};
