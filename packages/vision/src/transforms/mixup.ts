// Batches whose images are mixtures of two, and whose labels are too: mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019).
import type { Random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import type { NamedBatch } from '@brickwork/training';
import { shuffled } from './fields.ts';

/** How batches are mixed. */
export interface MixOptions {
  /** `mixup` blends two images; `cutmix` puts a rectangle of one into the other. */
  readonly kind: 'mixup' | 'cutmix';
  /** Both parameters of the Beta distribution of the share; 1 unless given. The paper has 0.2 to 0.4 for ImageNet. */
  readonly alpha?: number;
}

/** @throws where an option makes no sense. */
export function checkMix({ kind, alpha = 1 }: MixOptions): void {
  if (kind !== 'mixup' && kind !== 'cutmix')
    throw new Error(`mix: the kind is ${JSON.stringify(kind)}; needs mixup or cutmix`);
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new Error(`mix: alpha is ${alpha}; needs a number above 0`);
}

/**
 * Mixes the images (B, C, H, W) of a batch with those of the same batch in another order, all by one share. The batch gets
 * `other_labels` and `share`, what is left of an image's own label: see `mixedCrossEntropy`.
 */
export function mixBatch(batch: NamedBatch, o: MixOptions, draw: Random): NamedBatch {
  checkMix(o);
  const { pixel_values: images, labels } = batch;
  if (!images || !labels) throw new Error('mix: the batch needs pixel_values and labels');
  const [B, C, H, W] = images.shape as [number, number, number, number];
  const order = shuffled(
    Array.from({ length: B }, (_, i) => i),
    draw,
  );
  const share = beta(o.alpha ?? 1, draw);
  const from = images.data as Float32Array;
  const data = Float32Array.from(from);
  const size = C * H * W;
  let kept = share;
  if (o.kind === 'mixup')
    for (let b = 0; b < B; b++)
      for (let i = 0; i < size; i++)
        data[b * size + i] = share * from[b * size + i]! + (1 - share) * from[order[b]! * size + i]!;
  else {
    const side = Math.sqrt(1 - share);
    const [h, w] = [Math.floor(H * side), Math.floor(W * side)];
    const [y, x] = [draw.integer(H), draw.integer(W)];
    const [top, bottom] = [Math.max(0, y - (h >> 1)), Math.min(H, y + h - (h >> 1))];
    const [left, right] = [Math.max(0, x - (w >> 1)), Math.min(W, x + w - (w >> 1))];
    for (let b = 0; b < B; b++)
      for (let c = 0; c < C; c++)
        for (let i = top; i < bottom; i++) {
          const row = c * H * W + i * W;
          data.set(from.subarray(order[b]! * size + row + left, order[b]! * size + row + right), b * size + row + left);
        }
    kept = 1 - ((bottom - top) * (right - left)) / (H * W);
  }
  const others = BigInt64Array.from(order, (b) => (labels.data as BigInt64Array)[b]!);
  return {
    ...batch,
    pixel_values: hostTensor(data, images.shape),
    other_labels: hostTensor(others, [B]),
    share: hostTensor(Float32Array.of(kept), []),
  };
}

// Of two Gamma numbers the first one's share; Beta(1, 1) is uniform.
function beta(alpha: number, draw: Random): number {
  if (alpha === 1) return draw.uniform();
  const [a, b] = [gamma(alpha, draw), gamma(alpha, draw)];
  return a + b > 0 ? a / (a + b) : draw.uniform() < 0.5 ? 0 : 1;
}

// Marsaglia and Tsang, 2000; below 1 by way of alpha + 1.
function gamma(alpha: number, draw: Random): number {
  if (alpha < 1) return gamma(alpha + 1, draw) * Math.pow(1 - draw.uniform(), 1 / alpha);
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = draw.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - draw.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
