// Reductions over axes: sum, mean, maximum, minimum, arg max, top-k.
import {
  GraphError,
  apply,
  applyAll,
  constant,
  count,
  ints,
  scalar,
  show,
  type Dim,
  type Op,
  type Shape,
  type Tensor,
} from '../tensor.ts';
import { div, equal, mul } from './elementwise.ts';
import { cast } from './cast.ts';
import { scatterAddElements } from './gather.ts';
import { matmul } from './matmul.ts';
import { axisOf, expandLike, reshape, reshapeLike, shapeOf, slice, unsqueeze } from './shape.ts';
import { zerosLike } from './fill.ts';

interface Axes {
  readonly axes: readonly number[];
  readonly keep: boolean;
}
const reduced = (shape: Shape, { axes, keep }: Axes): Dim[] =>
  shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
const onnx = ({ keep }: Axes): { keepdims: number } => ({ keepdims: keep ? 1 : 0 });
// The gradient with the reduced axes put back as 1, ready to be broadcast.
function kept(g: Tensor, { axes, keep }: Axes): Tensor {
  return keep ? g : [...axes].sort((a, b) => a - b).reduce((t, a) => unsqueeze(t, a), g);
}

const ReduceSum: Op<Axes> = {
  name: 'ReduceSum',
  infer: ([x], at) => [reduced(x!.shape, at)],
  onnx,
  grad: ([g], [x], _y, at) => [expandLike(kept(g!, at), x!), null],
};
// Where several values tie for the maximum, each takes an equal share of the gradient.
const extreme = (name: 'ReduceMax' | 'ReduceMin'): Op<Axes> => ({
  name,
  infer: ([x], at) => [reduced(x!.shape, at)],
  onnx,
  grad: ([g], [x], [y], at) => {
    const hit = cast(equal(x!, kept(y!, at)), 'float32');
    return [mul(hit, div(kept(g!, at), sum(hit, at.axes, true))), null];
  },
});
const ReduceMax = extreme('ReduceMax');
const ReduceMin = extreme('ReduceMin');

function reduce(op: Op<Axes>, what: string, x: Tensor, axes: readonly number[] | undefined, keep: boolean): Tensor {
  const at = (axes ?? x.shape.map((_, i) => i)).map((a) => axisOf(what, x, a));
  if (new Set(at).size !== at.length) throw new GraphError(`${what}: axes [${axes?.join(', ')}] repeat`);
  if (!at.length) return x;
  return apply(op, [x, ints(at)], { axes: at, keep });
}
/** Sum over axes, all unless given; `keep` leaves them as 1. */
export function sum(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  return reduce(ReduceSum, 'sum', x, axes, keep);
}
/** Largest value over axes, all unless given. Ties share the gradient equally. */
export function max(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  return reduce(ReduceMax, 'max', x, axes, keep);
}
/** Smallest value over axes, all unless given. Ties share the gradient equally. */
export function min(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  return reduce(ReduceMin, 'min', x, axes, keep);
}
/** Mean over axes, all unless given. Axes of unknown size are counted when the graph runs. */
export function mean(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  const at = (axes ?? x.shape.map((_, i) => i)).map((a) => axisOf('mean', x, a));
  const n = count(at.map((a) => x.shape[a]!));
  if (n === 0) throw new GraphError(`mean: ${show(x.shape)} has no values along axes ${at.join(', ')}`);
  const total = sum(x, at, keep);
  if (n !== null) return mul(total, 1 / n);
  const sizes = at.map((a) => cast(reshape(slice(shapeOf(x), 0, a, a + 1), []), 'float32'));
  return div(
    total,
    sizes.reduce((a, b) => mul(a, b), scalar(1)),
  );
}

/**
 * Sums a broadcast gradient back to the shape of `x`. Over all leading axes this is a row of ones times a matrix, which
 * the engine does faster than its reduction.
 */
export function sumTo(g: Tensor, x: Tensor): Tensor {
  const extra = g.rank - x.rank;
  const axes = g.shape.flatMap((d, i) => (i < extra || (x.shape[i - extra] === 1 && d !== 1) ? [i] : []));
  if (!axes.length) return g;
  const n = count(g.shape);
  const C = x.shape.at(-1);
  if (n !== null && typeof C === 'number' && C > 1 && count(x.shape) === C && n > C) {
    const N = n / C;
    const ones = constant(new Float32Array(N).fill(1), [1, N]);
    return reshape(matmul(ones, reshape(g, [N, C])), x.shape);
  }
  const total = sum(g, axes, true);
  return extra ? reshapeLike(total, x) : total;
}

const ArgMax: Op<{ axis: number; keep: boolean }> = {
  name: 'ArgMax',
  infer: ([x], { axis, keep }) => [{ shape: reduced(x!.shape, { axes: [axis], keep }), dtype: 'int64' }],
  onnx: ({ axis, keep }) => ({ axis, keepdims: keep ? 1 : 0 }),
  grad: () => [null],
};
/** Index (int64) of the largest value along an axis; the first where several tie. */
export function argmax(x: Tensor, axis = -1, keep = false): Tensor {
  return apply(ArgMax, [x], { axis: axisOf('argmax', x, axis), keep });
}

const TopK: Op<{ k: number; axis: number }> = {
  name: 'TopK',
  infer: ([x], { k, axis }) => {
    const shape = x!.shape.map((d, i) => (i === axis ? k : d));
    return [shape, { shape, dtype: 'int64' }];
  },
  onnx: ({ axis }) => ({ axis }),
  grad: ([g], [x], [, index], { axis }) => [g ? scatterAddElements(zerosLike(x!), index!, g, axis) : null, null],
};
/** The `k` largest values along an axis, largest first, and their int64 indices. */
export function topk(x: Tensor, k: number, axis = -1): [values: Tensor, indices: Tensor] {
  const at = axisOf('topk', x, axis);
  const d = x.shape[at];
  if (!(Number.isInteger(k) && k > 0) || (typeof d === 'number' && k > d))
    throw new GraphError(`topk: k is ${k} for axis ${axis} of ${show(x.shape)}`);
  const [values, indices] = applyAll(TopK, [x, ints([k])], { k, axis: at });
  return [values!, indices!];
}
