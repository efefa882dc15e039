// Looking rows and elements up by index, and the sums that their gradients are.
import { GraphError, apply, constant, ints, show, type Op, type Tensor } from '../tensor.ts';
import { zerosLike } from './fill.ts';
import { axisOf, expandLike, permute, reshape, unsqueeze } from './shape.ts';

const Gather: Op<{ axis: number }> = {
  name: 'Gather',
  infer: ([x, index], { axis }) => [[...x!.shape.slice(0, axis), ...index!.shape, ...x!.shape.slice(axis + 1)]],
  onnx: ({ axis }) => ({ axis }),
  grad: ([g], [x, index], _y, { axis }) => {
    const rows = reshape(index!, [-1]);
    if (axis === 0) return [scatterAdd(zerosLike(x!), rows, reshape(g!, [-1, ...x!.shape.slice(1)])), null];
    // Along another axis: that axis goes to the front, and back after the sum.
    const around = [...x!.shape.slice(0, axis), ...x!.shape.slice(axis + 1)];
    const front = [axis, ...around.map((_, i) => (i < axis ? i : i + 1))];
    const own = g!.shape.map((_, i) => i);
    const moved = permute(g!, [...own.splice(axis, index!.rank), ...own]); // (…index, …around)
    const summed = scatterAdd(permute(zerosLike(x!), front), rows, reshape(moved, [-1, ...around]));
    return [
      permute(
        summed,
        front.map((_, i) => front.indexOf(i)),
      ),
      null,
    ];
  },
};
/** Rows (or, along another axis, slices) by int64 index: (V, C) by (B, T) gives (B, T, C). */
export function gather(x: Tensor, index: Tensor, axis = 0): Tensor {
  if (index.dtype !== 'int64' && index.dtype !== 'int32')
    throw new GraphError(`gather: the index is ${index.dtype}, not int64`);
  return apply(Gather, [x, index], { axis: axisOf('gather', x, axis) });
}

const GatherElements: Op<{ axis: number }> = {
  name: 'GatherElements',
  infer: ([x, index]) => [{ shape: index!.shape, dtype: x!.dtype }],
  onnx: ({ axis }) => ({ axis }),
  grad: ([g], [x, index], _y, { axis }) => [scatterAddElements(zerosLike(x!), index!, g!, axis), null],
};
/** Elements by int64 index along one axis; the result has the shape of the index. */
export function gatherElements(x: Tensor, index: Tensor, axis = -1): Tensor {
  if (x.rank !== index.rank)
    throw new GraphError(`gatherElements: ${show(x.shape)} by ${show(index.shape)}: the ranks differ`);
  return apply(GatherElements, [x, index], { axis: axisOf('gatherElements', x, axis) });
}

// ScatterElements, not ScatterND: the engine's ScatterND with add races on repeated indices and is silently wrong.
const ScatterElements: Op<{ axis: number }> = {
  name: 'ScatterElements',
  infer: ([x, index, update]) => {
    const shapes = `${show(x!.shape)} at ${show(index!.shape)} by ${show(update!.shape)}`;
    if (String(index!.shape) !== String(update!.shape))
      throw new GraphError(`scatterAdd: ${shapes}: index and update differ`);
    if (x!.rank !== index!.rank) throw new GraphError(`scatterAdd: ${shapes}: the ranks differ`);
    if (index!.dtype !== 'int64' && index!.dtype !== 'int32')
      throw new GraphError(`scatterAdd: the index is ${index!.dtype}, not int64`);
    if (x!.dtype !== update!.dtype)
      throw new GraphError(`scatterAdd: adds ${update!.dtype} to ${x!.dtype}; cast one of them`);
    return [x!.shape];
  },
  onnx: ({ axis }) => ({ axis, reduction: 'add' }),
  grad: ([g], [, index], _y, { axis }) => [g!, null, gatherElements(g!, index!, axis)],
};
/** Adds each update to the element of `x` that the int64 index names along one axis; repeats add up. */
export function scatterAddElements(x: Tensor, index: Tensor, update: Tensor, axis = -1): Tensor {
  return apply(ScatterElements, [x, index, update], { axis: axisOf('scatterAdd', x, axis) });
}
/** Adds rows: row `index[i]` of `x` (V, …) gains `update[i]`; repeats add up. */
export function scatterAdd(x: Tensor, index: Tensor, update: Tensor): Tensor {
  let at = index;
  for (let i = 1; i < x.rank; i++) at = unsqueeze(at, i);
  return scatterAddElements(x, x.rank > 1 ? expandLike(at, update) : at, update, 0);
}
/** `a + b`, written as one scatter where either is a scatter onto zeros: no table of zeros, no extra sum. */
export function addScattered(a: Tensor, b: Tensor): Tensor | null {
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    const n = y.node;
    if (n?.op === (ScatterElements as Op<never>) && n.inputs[0]!.node?.op.name === 'ConstantOfShape')
      return apply(ScatterElements, [x, n.inputs[1]!, n.inputs[2]!], n.attrs as { axis: number });
  }
  return null;
}

const OneHot: Op<{ depth: number }> = {
  name: 'OneHot',
  infer: ([index], { depth }) => [{ shape: [...index!.shape, depth], dtype: 'float32' }],
  onnx: () => ({ axis: -1 }),
  grad: () => [null, null, null],
};
/** float32 rows that are 1 at the int64 index and 0 elsewhere: (…) gives (…, depth). */
export function oneHot(index: Tensor, depth: number): Tensor {
  return apply(OneHot, [index, reshape(ints([depth]), []), constant(Float32Array.of(0, 1))], { depth });
}
