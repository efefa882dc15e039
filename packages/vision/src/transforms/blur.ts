// Out of focus by a random amount (as SimCLR has it: Chen et al., 2020).
import { pixels } from '../images/pixels.ts';
import { sharp } from '../images/sharp.ts';
import { firstOf, rangeProblem, shareProblem } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Gaussian blur with a probability. */
export interface BlurTransform {
  readonly type: 'blur';
  /** Deviation in pixels, uniform in this range; [0.1, 2] unless given. */
  readonly sigma?: readonly [number, number];
  /** 0.5 unless given. */
  readonly probability?: number;
}

// Less than this the library refuses, and the eye doesn't see.
const least = 0.3;

export const blur: TransformKind<BlurTransform> = {
  fields: ['sigma', 'probability'],
  problem: ({ sigma = [0.1, 2], probability = 0.5 }) =>
    firstOf(rangeProblem('sigma', sigma, { least: 0, most: 1000 }), shareProblem('probability', probability)),
  async apply(image, { sigma = [0.1, 2], probability = 0.5 }, draw) {
    const isBlurred = draw.uniform() < probability;
    const amount = sigma[0] + (sigma[1] - sigma[0]) * draw.uniform();
    if (!isBlurred || amount < least) return image;
    const { width, height, channels, data } = image;
    const make = await sharp();
    const out = await make(data, { raw: { width, height, channels } })
      .blur(amount)
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer();
    return pixels(width, height, channels, new Uint8Array(out.buffer, out.byteOffset, out.byteLength));
  },
};
