// Images as sequences of patches (Dosovitskiy et al., 2021), each projected to a vector. It is a convolution whose windows
// touch but don't overlap, computed as one matrix product.
import { GraphError, permute, reshape, show, slice, type Tensor } from '@brickwork/graph';
import { affine, normal, parameter, zeros, type Initializer, type Parameter } from '@brickwork/nn';

/** Height and width. */
export type Size = readonly [number, number];

/** How many patches fit in an image, down and across. */
export const gridOf = ([H, W]: Size, [h, w]: Size): Size => [Math.floor(H / h), Math.floor(W / w)];

/** Images (B, C, H, W) cut into patches: (B, rows, columns, C, h, w), reading line by line; what is left over goes. */
export function cutPatches(x: Tensor, [h, w]: Size): Tensor {
  const [B, C, H, W] = x.shape;
  if (x.rank !== 4 || typeof H !== 'number' || typeof W !== 'number' || H < h || W < w)
    throw new GraphError(`patches: ${show(x.shape)}; needs (B, C, H, W) with a known size, of ${h} by ${w} at least`);
  const [rows, columns] = gridOf([H, W], [h, w]);
  const whole = slice(slice(x, 2, 0, rows * h), 3, 0, columns * w);
  return permute(reshape(whole, [B!, C!, rows, h, columns, w]), [0, 2, 4, 1, 3, 5]); // (B, rows, columns, C, h, w)
}

/** Images (B, C, H, W) to (B, patches, M). The weight is (M, C, h, w), as a convolution has it. */
export class PatchProjection {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  constructor(
    channels: number,
    width: number,
    [h, w]: Size,
    { bias = true, weight = normal(0.02) }: { readonly bias?: boolean; readonly weight?: Initializer } = {},
  ) {
    this.weight = parameter([width, channels, h, w], weight);
    this.bias = bias ? parameter([width], zeros) : null;
  }
  forward(x: Tensor): Tensor {
    const [M, C, h, w] = this.weight.shape as [number, number, number, number];
    if (x.shape[1] !== C)
      throw new GraphError(`PatchProjection: images ${show(x.shape)}; needs ${C} channels: (B, ${C}, H, W)`);
    const patches = cutPatches(x, [h, w]);
    const [B, rows, columns] = patches.shape as [number, number, number];
    const vectors = patches.reshape([B, rows * columns, C * h * w]); // (B, patches, C h w)
    return affine(vectors, this.weight.reshape([M, -1]), this.bias, { transB: true }); // (B, patches, M)
  }
}
