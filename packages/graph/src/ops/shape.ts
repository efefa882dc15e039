// Operators that move values without computing: reshape, transpose, expand, slice, concat, split, pad.
import {
  GraphError,
  apply,
  applyAll,
  constant,
  count,
  ints,
  show,
  type Dim,
  type Op,
  type Shape,
  type Tensor,
} from '../tensor.ts';
import { sumTo } from './reduce.ts';
import { zerosLike } from './fill.ts';

/** Turns an axis counted from the end (-1 is the last) into one counted from the start. */
export function axisOf(what: string, x: Tensor, axis: number): number {
  const at = axis < 0 ? axis + x.rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= x.rank)
    throw new GraphError(`${what}: axis ${axis} of ${show(x.shape)}, which has ${x.rank} axes`);
  return at;
}

const ShapeOf: Op<object> = {
  name: 'Shape',
  infer: ([x]) => [{ shape: [x!.rank], dtype: 'int64' }],
  grad: () => [null],
};
/** The shape as a 1-D int64 tensor, constant where it is fully known. */
export function shapeOf(x: Tensor): Tensor {
  return count(x.shape) === null ? apply(ShapeOf, [x], {}) : ints(x.shape as number[]);
}

/** The size of one axis as an int64 scalar. */
export function sizeOf(x: Tensor, axis: number): Tensor {
  const at = axisOf('sizeOf', x, axis);
  return squeeze(slice(shapeOf(x), 0, at, at + 1), 0);
}

const Reshape: Op<{ to: Shape }> = {
  name: 'Reshape',
  infer: (_, { to }) => [to],
  grad: ([g], [x]) => [reshapeLike(g!, x!), null],
};

// The axes that both shapes hold, taken away from both: what is left must be the same product.
function leftOver(from: Shape, to: Shape): [Dim[], Dim[]] {
  const left = [...from];
  const right: Dim[] = [];
  for (const d of to) {
    const at = typeof d === 'string' ? left.indexOf(d) : -1;
    if (at < 0) right.push(d);
    else left.splice(at, 1);
  }
  return [left, right];
}
const product = (dims: readonly Dim[]): number => dims.reduce<number>((n, d) => (typeof d === 'number' ? n * d : n), 1);

/**
 * The same values in another shape. One axis may be -1: it takes what is left. Symbolic axes of the target must be
 * axes of the source, but for one, which takes what is left.
 */
export function reshape(x: Tensor, to: Shape): Tensor {
  const wanted = to.filter((d) => d === -1).length;
  const fail = (why: string): never => {
    throw new GraphError(`reshape: ${show(x.shape)} -> ${show(to)}: ${why}`);
  };
  if (wanted > 1) fail('only one axis can be -1');
  const [from, left] = leftOver(
    x.shape,
    to.filter((d) => d !== -1),
  );
  const unknown = from.filter((d) => typeof d === 'string');
  let target = to;
  if (wanted === 1) {
    const free = left.filter((d) => typeof d === 'string');
    if (free.length) fail(`axis ${free[0]} is not known`);
    const ratio = product(from) / product(left);
    if (!Number.isInteger(ratio)) fail(`${product(from)} values don't divide by ${product(left)}`);
    const rest: Dim = unknown.length ? [...unknown, ...(ratio > 1 ? [ratio] : [])].join('*') : ratio;
    target = to.map((d) => (d === -1 ? rest : d));
  } else if (!unknown.length && left.every((d) => typeof d === 'number') && product(from) !== product(left))
    fail(`${product(from)} values into ${product(left)}`);
  if (target.length === x.rank && target.every((d, i) => d === x.shape[i])) return x;
  if (x.node?.op === (Reshape as Op<never>)) {
    // A reshape of a reshape is one reshape, unless a symbolic axis is only known in between.
    const source = x.node.inputs[0]!;
    if (target.every((d) => typeof d === 'number' || source.shape.includes(d)) && source !== x)
      return reshape(source, target);
  }
  if (x.data) return constant(x.data, target as number[], x.dtype);
  let free = 0;
  const written = target.map((d, i) => (typeof d === 'number' ? d : x.shape[i] === d ? 0 : (free++, -1)));
  if (free <= 1 && !target.includes(0)) return apply(Reshape, [x, ints(written)], { to: target });
  const parts = target.map((d) => {
    if (typeof d === 'number') return ints([d]);
    const at = x.shape.indexOf(d);
    return at < 0 ? ints([-1]) : slice(shapeOf(x), 0, at, at + 1);
  });
  if (target.filter((d) => typeof d === 'string' && !x.shape.includes(d)).length > 1)
    fail('more than one axis is not known');
  return apply(Reshape, [x, concat(parts, 0)], { to: target });
}

/** Reshapes `x` to the shape of `like`, whatever that is when the graph runs. */
export function reshapeLike(x: Tensor, like: Tensor): Tensor {
  if (count(like.shape) !== null) return reshape(x, like.shape);
  if (x.rank === like.rank && x.shape.every((d, i) => d === like.shape[i])) return x;
  return apply(Reshape, [x, shapeOf(like)], { to: like.shape });
}

/** Adds an axis of size 1, which becomes axis `axis` of the result. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.rank + 1 : axis;
  if (!Number.isInteger(at) || at < 0 || at > x.rank)
    throw new GraphError(`unsqueeze: axis ${axis} in ${show(x.shape)}; needs ${-x.rank - 1} to ${x.rank}`);
  return apply(Unsqueeze, [x, ints([at])], { at });
}
const Unsqueeze: Op<{ at: number }> = {
  name: 'Unsqueeze',
  infer: ([x], { at }) => [[...x!.shape.slice(0, at), 1, ...x!.shape.slice(at)]],
  grad: ([g], _x, _y, { at }) => [squeeze(g!, at), null],
};

/** Takes away an axis of size 1. */
export function squeeze(x: Tensor, axis: number): Tensor {
  const at = axisOf('squeeze', x, axis);
  if (x.shape[at] !== 1) throw new GraphError(`squeeze: axis ${axis} of ${show(x.shape)} is not 1`);
  return apply(Squeeze, [x, ints([at])], { at });
}
const Squeeze: Op<{ at: number }> = {
  name: 'Squeeze',
  infer: ([x], { at }) => [x!.shape.filter((_, i) => i !== at)],
  grad: ([g], _x, _y, { at }) => [unsqueeze(g!, at), null],
};

const Expand: Op<{ to: Shape }> = {
  name: 'Expand',
  infer: ([x], { to }) => {
    const extra = to.length - x!.rank;
    x!.shape.forEach((d, i) => {
      const wanted = to[i + extra];
      if (extra < 0 || (d !== 1 && d !== wanted))
        throw new GraphError(
          `expand: ${show(x!.shape)} to ${show(to)}: axis ${i} is ${d}, not 1${extra < 0 ? '' : ` or ${wanted}`}`,
        );
    });
    return [to];
  },
  grad: ([g], [x]) => [sumTo(g!, x!), null],
};
/** Repeats axes of size 1 (and adds leading axes) so that `x` has the shape of `like`. */
export function expandLike(x: Tensor, like: Tensor): Tensor {
  return apply(Expand, [x, shapeOf(like)], { to: like.shape });
}
/** Repeats axes of size 1 (and adds leading axes) up to a known shape. */
export function expand(x: Tensor, to: readonly number[]): Tensor {
  return apply(Expand, [x, ints(to)], { to });
}

const Transpose: Op<{ perm: readonly number[] }> = {
  name: 'Transpose',
  infer: ([x], { perm }) => [perm.map((p) => x!.shape[p]!)],
  onnx: ({ perm }) => ({ perm }),
  grad: ([g], _x, _y, { perm }) => [
    permute(
      g!,
      perm.map((_, i) => perm.indexOf(i)),
    ),
  ],
};
/** Reorders the axes: axis i of the result is axis `perm[i]` of `x`. */
export function permute(x: Tensor, perm: readonly number[]): Tensor {
  if (perm.length !== x.rank || new Set(perm).size !== x.rank || perm.some((p) => !(p >= 0 && p < x.rank)))
    throw new GraphError(`permute: [${perm.join(', ')}] doesn't name each axis of ${show(x.shape)} once`);
  if (perm.every((p, i) => p === i)) return x;
  return apply(Transpose, [x], { perm });
}
/** Swaps two axes, the last two unless given. */
export function transpose(x: Tensor, a = -1, b = -2): Tensor {
  const perm = x.shape.map((_, i) => i);
  const i = axisOf('transpose', x, a);
  const j = axisOf('transpose', x, b);
  [perm[i], perm[j]] = [j, i];
  return permute(x, perm);
}

const Slice: Op<{ axis: number; start: number; end: number; step: number; size: Dim }> = {
  name: 'Slice',
  infer: ([x], { axis, size }) => [x!.shape.map((d, i) => (i === axis ? size : d))],
  grad: ([g], [x], _y, { axis, start, end, step }) => {
    const d = x!.shape[axis];
    const nothing = [null, null, null, null];
    if (typeof d !== 'number')
      throw new GraphError(`slice: no gradient along axis ${axis} of ${show(x!.shape)}, whose size is not known`);
    if (step === 1) return [pad(g!, axis, start, d - end), ...nothing];
    // Zeros between the values, and around them; walking backwards, the first value is the last of the axis.
    const size = g!.shape[axis] as number;
    const forwards = step < 0 ? slice(g!, axis, -1, undefined, -1) : g!;
    const spread = spreadOut(forwards, axis, Math.abs(step)); // (…, (size - 1) |step| + 1, …)
    const first = step < 0 ? start + (size - 1) * step : start;
    return [size ? pad(spread, axis, first, d - first - (size - 1) * Math.abs(step) - 1) : zerosLike(x!), ...nothing];
  },
};
// Puts step - 1 zeros between neighbours along an axis.
function spreadOut(x: Tensor, axis: number, step: number): Tensor {
  const size = x.shape[axis] as number;
  const long = x.shape.map((d, i) => (i === axis ? size * step : d));
  return slice(reshape(pad(unsqueeze(x, axis + 1), axis + 1, 0, step - 1), long), axis, 0, (size - 1) * step + 1);
}
/**
 * Part of one axis: from `start` up to, not including, `end` (the end of the axis unless given), each counted from the
 * end where negative. `step` may be negative to walk backwards from `start`, to the beginning unless `end` is given.
 */
export function slice(x: Tensor, axis: number, start: number, end?: number, step = 1): Tensor {
  const at = axisOf('slice', x, axis);
  if (![start, end ?? 0, step].every(Number.isInteger) || step === 0)
    throw new GraphError(
      `slice: axis ${axis} of ${show(x.shape)} from ${start} to ${end} by ${step}; needs whole numbers, the last not 0`,
    );
  const d = x.shape[at]!;
  const cut = (from: number, to: number, by: number, size: Dim): Tensor =>
    apply(Slice, [x, ints([from]), ints([to]), ints([at]), ints([by])], {
      axis: at,
      start: from,
      end: to,
      step: by,
      size,
    });
  const open = step > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
  if (typeof d === 'string') {
    let size: Dim = `${d}[${start}:${end ?? ''}:${step}]`;
    if (step > 0 && end === undefined && start < 0) size = Math.ceil(-start / step);
    if (step > 0 && end !== undefined && start >= 0 === end >= 0 && start <= end)
      size = Math.ceil((end - start) / step);
    return cut(start, end ?? open, step, size);
  }
  const [low, high] = step > 0 ? [0, d] : [-1, d - 1];
  const clamp = (v: number): number => Math.min(high, Math.max(low, v < 0 ? v + d : v));
  const from = clamp(start);
  const to = end === undefined ? (step > 0 ? d : -1) : clamp(end);
  const size = Math.max(0, Math.ceil((to - from) / step));
  if (size === d && step === 1) return x;
  return size ? cut(from, to < 0 ? open : to, step, size) : cut(0, 0, 1, 0);
}

const Pad: Op<{ axis: number; before: number; after: number }> = {
  name: 'Pad',
  infer: ([x], { axis, before, after }) => [x!.shape.map((d, i) => (i === axis ? (d as number) + before + after : d))],
  grad: ([g], [x], _y, { axis, before }) => [slice(g!, axis, before, before + (x!.shape[axis] as number)), null],
};
/** Adds zeros before and after along one axis of known size. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  const at = axisOf('pad', x, axis);
  if (typeof x.shape[at] !== 'number') throw new GraphError(`pad: axis ${axis} of ${show(x.shape)} has no known size`);
  if (before < 0 || after < 0) throw new GraphError(`pad: (${before}, ${after}) zeros; neither can be negative`);
  if (!before && !after) return x;
  const pads = [...x.shape.map((_, i) => (i === at ? before : 0)), ...x.shape.map((_, i) => (i === at ? after : 0))];
  return apply(Pad, [x, ints(pads)], { axis: at, before, after });
}

const Concat: Op<{ axis: number }> = {
  name: 'Concat',
  infer: (xs, { axis }) => {
    const first = xs[0]!;
    for (const x of xs)
      if (
        x.rank !== first.rank ||
        x.dtype !== first.dtype ||
        x.shape.some((d, i) => i !== axis && d !== first.shape[i])
      )
        throw new GraphError(
          `concat: ${first.dtype} ${show(first.shape)} and ${x.dtype} ${show(x.shape)} differ outside axis ${axis}`,
        );
    const sizes = xs.map((x) => x.shape[axis]!);
    const known = sizes.every((d) => typeof d === 'number');
    const total: Dim = known ? (sizes as number[]).reduce((a, b) => a + b, 0) : sizes.join('+');
    return [first.shape.map((d, i) => (i === axis ? total : d))];
  },
  onnx: ({ axis }) => ({ axis }),
  grad: ([g], xs, _y, { axis }) => splitLike(g!, xs, axis),
};
/** Joins tensors along one axis. */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  if (!xs.length) throw new GraphError('concat: nothing to join');
  const at = axisOf('concat', xs[0]!, axis);
  return xs.length === 1 ? xs[0]! : apply(Concat, xs, { axis: at });
}

const Split: Op<{ axis: number; sizes: readonly Dim[] }> = {
  name: 'Split',
  infer: ([x], { axis, sizes }) => sizes.map((n) => x!.shape.map((d, i) => (i === axis ? n : d))),
  onnx: ({ axis }) => ({ axis }),
  grad: (gs, _x, ys, { axis }) => [
    concat(
      gs.map((g, i) => g ?? zerosLike(ys[i]!)),
      axis,
    ),
    null,
  ],
};
/** Cuts one axis into parts: `sizes` lists theirs, or says into how many equal ones. */
export function split(x: Tensor, sizes: number | readonly number[], axis: number): Tensor[] {
  const at = axisOf('split', x, axis);
  const d = x.shape[at]!;
  if (typeof d !== 'number') throw new GraphError(`split: axis ${axis} of ${show(x.shape)} has no known size`);
  const parts = typeof sizes === 'number' ? Array.from({ length: sizes }, () => d / sizes) : sizes;
  if (parts.some((n) => !Number.isInteger(n) || n < 0) || parts.reduce((a, b) => a + b, 0) !== d)
    throw new GraphError(
      `split: axis ${axis} of ${show(x.shape)} into ${typeof sizes === 'number' ? `${sizes} equal parts` : `[${sizes.join(', ')}]`}`,
    );
  return parts.length === 1 ? [x] : applyAll(Split, [x, ints(parts)], { axis: at, sizes: parts });
}

/** Cuts one axis into parts as long as that axis of each tensor in `like`, whatever those lengths are. */
export function splitLike(x: Tensor, like: readonly Tensor[], axis: number): Tensor[] {
  const at = axisOf('splitLike', x, axis);
  const sizes = like.map((t) => t.shape[at]!);
  if (sizes.every((d) => typeof d === 'number')) return split(x, sizes, at);
  const lengths = concat(
    like.map((t) => slice(shapeOf(t), 0, at, at + 1)),
    0,
  );
  return applyAll(Split, [x, lengths], { axis: at, sizes });
}

/** Joins all axes from `axis` on into one: (N, C, H, W) gives (N, C·H·W). */
export function flatten(x: Tensor, axis = 1): Tensor {
  const at = axis === x.rank ? axis : axisOf('flatten', x, axis);
  return reshape(x, [...x.shape.slice(0, at), -1]);
}

const Identity: Op<object> = { name: 'Identity', infer: ([x]) => [x!.shape], grad: ([g]) => [g!] };
/** The same values under another node. */
export const identity = (x: Tensor): Tensor => apply(Identity, [x], {});

/** Values that no gradient flows through. */
export const stopGradient = (x: Tensor): Tensor => apply(Stop, [x], {});
const Stop: Op<object> = { name: 'Identity', infer: ([x]) => [x!.shape], grad: () => [null] };

const Trilu: Op<{ upper: boolean; k: number }> = {
  name: 'Trilu',
  infer: ([x]) => {
    if (x!.rank < 2) throw new GraphError(`trilu: ${show(x!.shape)} has fewer than two axes`);
    return [x!.shape];
  },
  onnx: ({ upper }) => ({ upper: upper ? 1 : 0 }),
  grad: ([g], _x, _y, { upper, k }) => [trilu(g!, { upper, k }), null],
};
/** Keeps the lower (or upper) triangle of the last two axes, from the `k`-th diagonal; the rest becomes 0. */
export function trilu(
  x: Tensor,
  { upper = false, k = 0 }: { readonly upper?: boolean; readonly k?: number } = {},
): Tensor {
  return apply(Trilu, [x, constant(BigInt64Array.of(BigInt(k)), [])], { upper, k });
}
