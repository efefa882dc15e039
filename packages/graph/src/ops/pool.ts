// Pooling over images (N, C, H, W): the largest value or the mean of each window (LeCun et al., 1990).
import { GraphError, apply, applyAll, constant, count, show, type Op, type Shape, type Tensor } from '../tensor.ts';
import { convTranspose2d } from './conv.ts';
import { add, div, mul, sub } from './elementwise.ts';
import { range, zerosLike } from './fill.ts';
import { gatherElements, scatterAddElements } from './gather.ts';
import { concat, expandLike, reshape, reshapeLike, shapeOf, sizeOf, slice } from './shape.ts';
import {
  leftOver,
  span,
  windowAttributes,
  windowOf,
  windows,
  type Pair,
  type Window,
  type WindowOptions,
} from './window.ts';

function pooled(what: string, x: Tensor, o: Window): Shape {
  if (x.rank !== 4) throw new GraphError(`${what}: ${show(x.shape)}; needs (N, C, H, W)`);
  o.pads.forEach((p, i) => {
    if (p >= o.kernel[i % 2]!)
      throw new GraphError(
        `${what}: padding [${o.pads.join(', ')}] leaves windows of [${o.kernel.join(', ')}] with nothing but padding`,
      );
  });
  return [x.shape[0]!, x.shape[1]!, windows(what, x, 0, o), windows(what, x, 1, o)];
}

const MaxPool: Op<Window> = {
  name: 'MaxPool',
  infer: ([x], o) => [pooled('maxPool2d', x!, o)],
  onnx: windowAttributes,
  grad: ([g], [x], _y, o) => [backToLargest(g!, x!, applyAll(MaxPoolIndices, [x!], o)[1]!, o)],
};
// The second output numbers each window's largest value, the first where several tie, in the flattened image stack. Only
// the backward pass asks for it: with it the engine pools several times as slowly.
const MaxPoolIndices: Op<Window> = {
  name: 'MaxPool',
  infer: ([x], o) => {
    const shape = pooled('maxPool2d', x!, o);
    return [shape, { shape, dtype: 'int64' }];
  },
  onnx: windowAttributes,
  grad: ([g], [x], [, index], o) => [g ? backToLargest(g, x!, index!, o) : null],
};
// Each window's gradient goes to where its largest value stood; those of windows that overlap add up.
function backToLargest(g: Tensor, x: Tensor, index: Tensor, o: Window): Tensor {
  const apart = [0, 1].every((i) => o.kernel[i]! <= o.stride[i]! && o.dilation[i] === 1);
  if (apart) return apply(MaxUnpool, [g, index, shapeOf(x)], { ...o, to: x.shape });
  const flat = scatterAddElements(reshape(zerosLike(x), [-1]), reshape(index, [-1]), reshape(g, [-1]), 0);
  return reshapeLike(flat, x);
}
// Puts every value where its index says, zeros elsewhere; right only where no two indices are the same.
const MaxUnpool: Op<Window & { to: Shape }> = {
  name: 'MaxUnpool',
  infer: (_, { to }) => [to],
  onnx: ({ kernel, stride, pads }) => ({ kernel_shape: kernel, strides: stride, pads }),
  grad: ([g], [, index]) => [
    reshapeLike(gatherElements(reshape(g!, [-1]), reshape(index!, [-1]), 0), index!),
    null,
    null,
  ],
};
/**
 * The largest value of each window; padding never wins. The stride is the kernel unless given. All of the gradient goes
 * to the first largest value of a window, row by row.
 */
export function maxPool2d(x: Tensor, kernel: Pair, o: WindowOptions = {}): Tensor {
  return apply(MaxPool, [x], windowOf('maxPool2d', kernel, { stride: kernel, ...o }));
}

/**
 * {@link maxPool2d}, and int64 `indices` of the same shape: where in its plane (H, W) each value stood, counted row by row, as
 * PyTorch's `return_indices`. Height and width of the image have to be known.
 */
export function maxPool2dWithIndices(
  x: Tensor,
  kernel: Pair,
  o: WindowOptions = {},
): { readonly values: Tensor; readonly indices: Tensor } {
  const what = 'maxPool2dWithIndices';
  const [values, index] = applyAll(MaxPoolIndices, [x], windowOf(what, kernel, { stride: kernel, ...o }));
  const plane = int64(planeOf(what, x));
  return { values: values!, indices: sub(index!, mul(div(index!, plane), plane)) };
}

const int64 = (value: number): Tensor => constant(BigInt64Array.of(BigInt(value)), []);
function planeOf(what: string, x: Tensor): number {
  const [H, W] = x.shape.slice(2);
  if (typeof H !== 'number' || typeof W !== 'number')
    throw new GraphError(`${what}: ${show(x.shape)}; needs (N, C, H, W) with a known height and width`);
  return H * W;
}

/**
 * Puts each value (N, C, H', W') where in its plane its index says, zeros elsewhere: what undoes {@link maxPool2dWithIndices}
 * of the same window, but for what it dropped. Of several values at one place any one stays.
 *
 * @param o the window, and `size`, height and width of the result; the least that gives H' by W' unless given
 */
export function maxUnpool2d(
  x: Tensor,
  indices: Tensor,
  kernel: Pair,
  { size, ...o }: WindowOptions & { readonly size?: readonly [number, number] } = {},
): Tensor {
  const what = 'maxUnpool2d';
  const window = windowOf(what, kernel, { stride: kernel, ...o });
  if (x.rank !== 4 || indices.rank !== 4 || x.shape.some((d, i) => d !== indices.shape[i]))
    throw new GraphError(
      `${what}: values ${show(x.shape)}, indices ${show(indices.shape)}; needs (N, C, H, W) of both`,
    );
  if (indices.dtype !== 'int64') throw new GraphError(`${what}: indices are ${indices.dtype}; needs int64`);
  planeOf(what, x);
  const [H, W] = [0, 1].map(
    (i) =>
      size?.[i] ??
      ((x.shape[i + 2] as number) - 1) * window.stride[i]! +
        span(window, i as 0 | 1) -
        window.pads[i]! -
        window.pads[i + 2]!,
  ) as [number, number];
  if (!(Number.isInteger(H) && Number.isInteger(W) && H > 0 && W > 0))
    throw new GraphError(`${what}: to ${H} by ${W}; needs whole numbers above 0`);
  const [N, C] = x.shape as [number | string, number];
  const planes = mul(sizeOf(x, 0), int64(C)); // N·C
  const offsets = mul(range(planes, typeof N === 'number' ? N * C : C === 1 ? N : `${N}*${C}`), int64(H * W)); // (N·C)
  const inStack = reshapeLike(
    add(reshape(indices, [-1, (x.shape[2] as number) * (x.shape[3] as number)]), reshape(offsets, [-1, 1])),
    indices,
  );
  const to = concat([slice(shapeOf(x), 0, 0, 2), constant(BigInt64Array.of(BigInt(H), BigInt(W)), [2])], 0);
  return apply(MaxUnpool, [x, inStack, to], { ...window, to: [N, C, H, W] });
}

interface AverageAttributes extends Window {
  readonly countIncludePad: boolean;
}
// The gradient of a sum over windows is a transposed convolution of each channel with ones.
const AveragePool: Op<AverageAttributes> = {
  name: 'AveragePool',
  infer: ([x], o) => [pooled('averagePool2d', x!, o)],
  onnx: ({ kernel, stride, pads, countIncludePad }) => ({
    kernel_shape: kernel,
    strides: stride,
    pads,
    count_include_pad: countIncludePad ? 1 : 0,
  }),
  grad: ([g], [x], _y, o) => {
    const [h, w] = o.kernel;
    const outputPadding = leftOver(x!, o, 'averagePool2d');
    const share = o.countIncludePad ? mul(g!, 1 / (h * w)) : div(g!, sizes(x!, o));
    const ones = constant(new Float32Array(h * w).fill(1), [1, 1, h, w]);
    const alone = reshape(share, [-1, 1, share.shape[2]!, share.shape[3]!]); // (N·C, 1, H', W')
    return [reshapeLike(convTranspose2d(alone, ones, null, { stride: o.stride, padding: o.pads, outputPadding }), x!)];
  },
};
// How many values of the image each window holds: (1, 1, H', W').
function sizes(x: Tensor, o: Window): Tensor {
  const along = ([0, 1] as const).map((axis) => {
    const d = x.shape[axis + 2] as number;
    return Array.from({ length: windows('averagePool2d', x, axis, o) as number }, (_, i) => {
      const start = i * o.stride[axis] - o.pads[axis];
      return Math.min(d, start + o.kernel[axis]) - Math.max(0, start);
    });
  });
  const [rows, columns] = along as [number[], number[]];
  return constant(Float32Array.from(rows.flatMap((r) => columns.map((c) => r * c))), [
    1,
    1,
    rows.length,
    columns.length,
  ]);
}
/**
 * The mean of each window. The stride is the kernel unless given. With `countIncludePad` (the default, as in PyTorch)
 * the zeros of the padding count as values; without, the mean is over the values of the image alone.
 */
export function averagePool2d(
  x: Tensor,
  kernel: Pair,
  { countIncludePad = true, ...o }: Omit<WindowOptions, 'dilation'> & { readonly countIncludePad?: boolean } = {},
): Tensor {
  const window = windowOf('averagePool2d', kernel, { stride: kernel, ...o, dilation: 1 });
  return apply(AveragePool, [x], { ...window, countIncludePad });
}

const GlobalAveragePool: Op<object> = {
  name: 'GlobalAveragePool',
  infer: ([x]) => {
    if (x!.rank < 3) throw new GraphError(`globalAveragePool: ${show(x!.shape)}; needs (N, C, …places)`);
    return [[...x!.shape.slice(0, 2), ...x!.shape.slice(2).map(() => 1)]];
  },
  grad: ([g], [x]) => {
    const n = count(x!.shape.slice(2));
    if (n === null)
      throw new GraphError(`globalAveragePool: no gradient for ${show(x!.shape)}, whose size is not known`);
    return [expandLike(mul(g!, 1 / n), x!)];
  },
};
/** The mean of each channel over all places, which stay as axes of size 1: (N, C, H, W) gives (N, C, 1, 1). */
export const globalAveragePool = (x: Tensor): Tensor => apply(GlobalAveragePool, [x], {});
