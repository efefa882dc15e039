// Convolution over images (LeCun et al., 1989) and its transpose (Zeiler et al., 2010): each is the other's gradient.
import { GraphError, apply, show, type Op, type Shape, type Tensor } from '../tensor.ts';
import { matmul } from './matmul.ts';
import { sum } from './reduce.ts';
import { concat, pad, permute, reshape, slice } from './shape.ts';
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
    apply(ConvTranspose, [g!, w!], { ...o, extra: leftOver(x!, o, 'conv2d') }),
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

// dw[m, c, i, j] = sum over n, p, q of g[n, m, p, q] x[n, c, p s + i d, q s + j d]: every tap (i, j) is one strided cut
// of x, all of them stacked are a matrix, and its product with g sums over images and places at once.
function weightGradient(x: Tensor, g: Tensor, { kernel, stride, pads, dilation, groups: G }: ConvAttributes): Tensor {
  const [h, w] = kernel;
  const [C, M] = [(x.shape[1] as number) / G, (g.shape[1] as number) / G];
  const [P, Q] = [g.shape[2] as number, g.shape[3] as number];
  const padded = pad(pad(permute(x, [1, 0, 2, 3]), 2, pads[0], pads[2]), 3, pads[1], pads[3]); // (G·C, N, H, W)
  const taps: Tensor[] = [];
  for (let i = 0; i < h; i++) {
    const top = i * dilation[0];
    const rows = slice(padded, 2, top, top + (P - 1) * stride[0] + 1, stride[0]);
    for (let j = 0; j < w; j++) {
      const left = j * dilation[1];
      taps.push(reshape(slice(rows, 3, left, left + (Q - 1) * stride[1] + 1, stride[1]), [G, C, -1])); // (G, C, NPQ)
    }
  }
  const places = reshape(permute(g, [1, 0, 2, 3]), [G, M, -1]); // (G, M, NPQ)
  const dw = matmul(places, concat(taps, 1), { transB: true }); // (G, M, hw·C)
  return reshape(permute(reshape(dw, [G * M, h * w, C]), [0, 2, 1]), [G * M, C, h, w]);
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
