// Sliding windows over images (N, C, H, W): how convolution and pooling read stride, padding and dilation, and the sizes
// that follow (Dumoulin and Visin, 2016).
import { GraphError, show, type Dim, type Tensor } from '../tensor.ts';

/** One number for both axes, or (height, width). */
export type Pair = number | readonly [number, number];
/** Zeros around an image: one number, (height, width), or (top, left, bottom, right). */
export type Padding = Pair | readonly [number, number, number, number];

/** Where windows stand. */
export interface WindowOptions {
  /** Distance between windows; see each operator for its default. */
  readonly stride?: Pair;
  /** Values added around the image; 0 unless given. */
  readonly padding?: Padding;
  /** Distance between the values that one window reads; 1 unless given. */
  readonly dilation?: Pair;
}

/** {@link WindowOptions} with every number written out. `pads` is (top, left, bottom, right). */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
}

/** One number or two, as two. */
export function pair(what: string, name: string, value: Pair, least: number): [number, number] {
  const both: [number, number] = typeof value === 'number' ? [value, value] : [value[0], value[1]];
  if (both.some((v) => !Number.isInteger(v) || v < least) || (typeof value !== 'number' && value.length !== 2))
    throw new GraphError(
      `${what}: ${name} is ${JSON.stringify(value)}; needs a whole number from ${least}, or two of them`,
    );
  return both;
}

function sides(what: string, value: Padding): [number, number, number, number] {
  if (typeof value !== 'number' && value.length === 4) {
    if (value.some((v) => !Number.isInteger(v) || v < 0))
      throw new GraphError(
        `${what}: padding is [${value.join(', ')}]; needs whole numbers from 0: top, left, bottom, right`,
      );
    return [...value];
  }
  const [h, w] = pair(what, 'padding', value as Pair, 0);
  return [h, w, h, w];
}

/** Checks the numbers of a window and fills in what isn't given. */
export function windowOf(what: string, kernel: Pair, { stride = 1, padding = 0, dilation = 1 }: WindowOptions): Window {
  return {
    kernel: pair(what, 'kernel', kernel, 1),
    stride: pair(what, 'stride', stride, 1),
    pads: sides(what, padding),
    dilation: pair(what, 'dilation', dilation, 1),
  };
}

/** How many values one window spans along an axis (0 height, 1 width), those that it skips included. */
export const span = (o: Window, axis: 0 | 1): number => (o.kernel[axis] - 1) * o.dilation[axis] + 1;

/** How many windows fit along an axis of size `d`; a formula in its name where the size isn't known. */
export function windows(what: string, x: Tensor, axis: 0 | 1, o: Window): Dim {
  const d = x.shape[axis + 2]!;
  const extra = o.pads[axis] + o.pads[axis + 2]! - span(o, axis);
  const step = o.stride[axis];
  if (typeof d === 'number') {
    if (d + extra < 0)
      throw new GraphError(
        `${what}: a window of ${span(o, axis)} doesn't fit ${show(x.shape)} with padding [${o.pads.join(', ')}]`,
      );
    return Math.floor((d + extra) / step) + 1;
  }
  if (step === 1) return extra === -1 ? d : `(${d}${extra + 1 > 0 ? '+' : ''}${extra + 1})`;
  return `((${d}${extra < 0 ? '' : '+'}${extra})/${step}+1)`;
}

/** The values past the last window along both axes, which no window reads. */
export function leftOver(x: Tensor, o: Window, what: string): [number, number] {
  return ([0, 1] as const).map((axis) => {
    const d = x.shape[axis + 2]!;
    if (typeof d !== 'number')
      throw new GraphError(`${what}: no gradient for ${show(x.shape)}, whose axis ${axis + 2} is not known`);
    return (d + o.pads[axis] + o.pads[axis + 2]! - span(o, axis)) % o.stride[axis];
  }) as [number, number];
}

/** The ONNX attributes of a window. */
export const windowAttributes = (o: Window): Record<string, readonly number[]> => ({
  kernel_shape: o.kernel,
  strides: o.stride,
  pads: o.pads,
  dilations: o.dilation,
});
