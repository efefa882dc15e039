// Convolution over images (LeCun et al., 1989) and its transpose (Zeiler et al., 2010): each is the other's gradient.
import { GraphError, apply, constant, show, type Op, type Shape, type Tensor } from '../tensor.ts';
import { add } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { sum } from './reduce.ts';
import { pad, permute, reshape, slice } from './shape.ts';
import {
  leftOver,
  pair,
  span,
  windowAttributes,
  windowOf,
  windows,
  type Pair,
  type Window,
  type WindowOptions,
} from './window.ts';

interface ConvAttributes extends Window {
  readonly groups: number;
}
/** Where windows stand, and how channels are split. */
export interface ConvOptions extends WindowOptions {
  /** Splits the channels into groups that don't see each other; 1 unless given. */
  readonly groups?: number;
}

function check(
  what: string,
  x: Tensor,
  w: Tensor,
  b: Tensor | undefined,
  groups: number,
  inputs: number,
  outputs: number,
  needs: string,
): void {
  const fail = (why: string): never => {
    throw new GraphError(
      `${what}: ${show(x.shape)} with weight ${show(w.shape)}${b ? ` and bias ${show(b.shape)}` : ''}: ${why}`,
    );
  };
  if (x.rank !== 4 || w.rank !== 4) fail(`needs (N, C, H, W) and ${needs}`);
  if (!Number.isInteger(groups) || groups < 1) fail(`groups is ${groups}; needs a whole number from 1`);
  if (x.shape[1] !== inputs)
    fail(`the weight reads ${inputs} channels in ${groups} group${groups > 1 ? 's' : ''}, the image has ${x.shape[1]}`);
  if (inputs % groups || outputs % groups) fail(`${inputs} channels into ${outputs} don't split into ${groups} groups`);
  if (b && (b.rank !== 1 || b.shape[0] !== outputs)) fail(`the bias needs (${outputs})`);
}

// y = x * w + b;  dx = the transpose of * on g,  dw = the windows of x times g,  db = sum of g
const Conv: Op<ConvAttributes> = {
  name: 'Conv',
  infer: ([x, w, b], o) => {
    const [M, inputs] = [w!.shape[0] as number, (w!.shape[1] as number) * o.groups];
    check('conv2d', x!, w!, b, o.groups, inputs, M, '(M, C/groups, kernel height, kernel width)');
    return [[x!.shape[0]!, M, windows('conv2d', x!, 0, o), windows('conv2d', x!, 1, o)]];
  },
  onnx: (o) => ({ ...windowAttributes(o), group: o.groups }),
  grad: ([g], [x, w, b], _y, o) => [
    imageGradient(x!, w!, g!, o),
    weightGradient(x!, g!, o),
    ...(b ? [sum(g!, [0, 2, 3])] : []),
  ],
};

/**
 * Convolution (cross-correlation, as all networks call it) of images (N, C, H, W) with a weight (M, C/groups, h, w) and
 * a bias (M): (N, M, H', W'), H' = floor((H + padding - dilation (h - 1) - 1) / stride) + 1. Stride 1 unless given.
 */
export function conv2d(x: Tensor, w: Tensor, b?: Tensor | null, { groups = 1, ...o }: ConvOptions = {}): Tensor {
  return apply(Conv, b ? [x, w, b] : [x, w], { ...windowOf('conv2d', kernelOf('conv2d', x, w), o), groups });
}

function kernelOf(what: string, x: Tensor, w: Tensor): Pair {
  const [, , h, k] = w.shape;
  if (typeof h !== 'number' || typeof k !== 'number')
    throw new GraphError(`${what}: ${show(x.shape)} with weight ${show(w.shape)}: needs four known axes`);
  return [h, k];
}

// The transpose of a convolution that moves by one is a convolution with the kernel turned around and its ends exchanged, which
// the engine computes in half the time.
function imageGradient(x: Tensor, w: Tensor, g: Tensor, o: ConvAttributes): Tensor {
  const { stride, pads, groups: G } = o;
  const reach = [span(o, 0) - 1, span(o, 1) - 1, span(o, 0) - 1, span(o, 1) - 1];
  const isPlain = stride.every((s) => s === 1) && pads.every((p, i) => p <= reach[i]!);
  if (!isPlain) return apply(ConvTranspose, [g, w], { ...o, extra: leftOver(x, o, 'conv2d') });
  const [M, C, h, k] = w.shape as [number, number, number, number];
  const turned = slice(slice(w, 2, -1, -h - 1, -1), 3, -1, -k - 1, -1);
  const swapped =
    G === 1
      ? permute(turned, [1, 0, 2, 3])
      : reshape(permute(reshape(turned, [G, M / G, C, h, k]), [0, 2, 1, 3, 4]), [G * C, M / G, h, k]);
  return apply(Conv, [g, swapped], { ...o, pads: pads.map((p, i) => reach[i]! - p) as unknown as Window['pads'] });
}

// About as much as a core's caches hold, and less than what allocators hand back to the system after each use.
const mostWindows = 3 * 2 ** 20;

// dw[m, c, i, j] = sum over n, p, q of g[n, m, p, q] x[n, c, p s + i d, q s + j d].
function weightGradient(x: Tensor, g: Tensor, o: ConvAttributes): Tensor {
  const { kernel, stride, dilation, pads, groups } = o;
  const isLarge = kernel[0] * kernel[1] >= 25 && stride.every((s, i) => s > 1 && s < kernel[i]!);
  if (!isLarge || dilation.some((d) => d > 1)) return windowsGradient(x, g, o);
  // Where a large kernel takes large steps: squares of a step's size become channels, among which a small kernel moves by one.
  const [sh, sw] = stride;
  const [kh, kw] = [Math.ceil(kernel[0] / sh), Math.ceil(kernel[1] / sw)];
  const [C, M] = [x.shape[1] as number, g.shape[1] as number];
  const [rows, columns] = [(g.shape[2] as number) - 1 + kh, (g.shape[3] as number) - 1 + kw];
  const fit = (t: Tensor, axis: 2 | 3, before: number, to: number): Tensor => {
    const padded = pad(t, axis, before, Math.max(0, to - before - (t.shape[axis] as number)));
    return slice(padded, axis, 0, to);
  };
  const whole = fit(fit(x, 2, pads[0], rows * sh), 3, pads[1], columns * sw);
  const squares = reshape(permute(reshape(whole, [-1, C, rows, sh, columns, sw]), [0, 1, 3, 5, 2, 4]), [
    -1,
    C * sh * sw,
    rows,
    columns,
  ]);
  const small = windowsGradient(squares, g, {
    ...{ kernel: [kh, kw], stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups },
  });
  const apart = reshape(small, [M, C / groups, sh, sw, kh, kw]);
  const dw = reshape(permute(apart, [0, 1, 4, 2, 5, 3]), [M, C / groups, kh * sh, kw * sw]);
  return slice(slice(dw, 2, 0, kernel[0]), 3, 0, kernel[1]);
}

// A convolution whose filters have a single 1 each lays the windows of x side by side, (N, C h w, P Q), and the product with g
// sums over places. A few images at a time: all windows are h w times as large as the images.
function windowsGradient(x: Tensor, g: Tensor, o: ConvAttributes): Tensor {
  const {
    kernel: [h, w],
    groups: G,
  } = o;
  const [channels, M] = [x.shape[1] as number, g.shape[1] as number];
  const places = (g.shape[2] as number) * (g.shape[3] as number);
  const taps = h * w;
  const one = new Float32Array(channels * taps * taps);
  for (let c = 0; c < channels; c++) for (let t = 0; t < taps; t++) one[(c * taps + t) * taps + t] = 1;
  const filters = constant(one, [channels * taps, 1, h, w]);
  const perGroup = (channels / G) * taps;
  const part = (images: Tensor, slopes: Tensor): Tensor => {
    const windows = apply(Conv, [images, filters], { ...o, groups: channels });
    const rows = reshape(windows, [-1, G, perGroup, places]); // (n, G, C/G h w, PQ)
    return sum(matmul(reshape(slopes, [-1, G, M / G, places]), rows, { transB: true }), [0]); // (G, M/G, C/G h w)
  };
  const shape = [M, channels / G, h, w];
  const N = x.shape[0]!;
  if (typeof N !== 'number') return reshape(part(x, g), shape);
  const most = Math.max(1, Math.floor(mostWindows / (channels * taps * places)), Math.ceil(N / 32));
  const size = Math.ceil(N / Math.ceil(N / most));
  if (size === N) return reshape(part(x, g), shape);
  const some = (t: Tensor, i: number): Tensor => slice(t, 0, i * size, Math.min(N, (i + 1) * size));
  const parts = Array.from({ length: Math.ceil(N / size) }, (_, i) => part(some(x, i), some(g, i)));
  return reshape(
    parts.reduce((sum, one) => add(sum, one)),
    shape,
  );
}

interface TransposeAttributes extends ConvAttributes {
  /** Rows and columns added at the bottom and right. */
  readonly extra: readonly [number, number];
}
const ConvTranspose: Op<TransposeAttributes> = {
  name: 'ConvTranspose',
  infer: ([x, w, b], o) => {
    const [inputs, M] = [w!.shape[0] as number, (w!.shape[1] as number) * o.groups];
    check('convTranspose2d', x!, w!, b, o.groups, inputs, M, '(C, M/groups, kernel height, kernel width)');
    const size = ([0, 1] as const).map((axis) => {
      const d = x!.shape[axis + 2]!;
      const more = span(o, axis) + o.extra[axis] - o.pads[axis] - o.pads[axis + 2]!;
      if (typeof d === 'string') return `(${o.stride[axis]}*(${d}-1)+${more})`;
      const n = o.stride[axis] * (d - 1) + more;
      if (n < 1)
        throw new GraphError(
          `convTranspose2d: ${show(x!.shape)} with weight ${show(w!.shape)}: the padding takes everything away`,
        );
      return n;
    });
    return [[x!.shape[0]!, M, ...size] as Shape];
  },
  onnx: (o) => ({ ...windowAttributes(o), group: o.groups, output_padding: o.extra }),
  grad: ([g], [x, w, b], _y, o) => {
    const { extra: _, ...window } = o;
    return [apply(Conv, [g!, w!], window), weightGradient(g!, x!, window), ...(b ? [sum(g!, [0, 2, 3])] : [])];
  },
};

/**
 * Transposed convolution, the gradient of {@link conv2d} by its image: images (N, C, H, W) and a weight (C, M/groups,
 * h, w) give (N, M, H', W'), H' = stride (H - 1) + dilation (h - 1) + 1 - padding + outputPadding. `outputPadding` is
 * less than the stride: it chooses among the sizes that a strided convolution maps to H.
 */
export function convTranspose2d(
  x: Tensor,
  w: Tensor,
  b?: Tensor | null,
  { groups = 1, outputPadding = 0, ...o }: ConvOptions & { readonly outputPadding?: Pair } = {},
): Tensor {
  const what = 'convTranspose2d';
  const window = windowOf(what, kernelOf(what, x, w), o);
  const extra = pair(what, 'outputPadding', outputPadding, 0);
  if (extra.some((e, i) => e >= window.stride[i]!))
    throw new GraphError(
      `${what}: outputPadding [${extra.join(', ')}] needs to be less than the stride [${window.stride.join(', ')}]`,
    );
  return apply(ConvTranspose, b ? [x, w, b] : [x, w], { ...window, groups, extra });
}
