// Brightness, contrast, saturation and hue changed at random, in random order (Howard, 2013; torchvision's ColorJitter).
import { luma, pixels, type Pixels } from '../images/pixels.ts';
import { clip8, firstOf, shareProblem, shuffled } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Changes colours at random. */
export interface ColorJitterTransform {
  readonly type: 'colorJitter';
  /** Multiplies values by a factor in [max(0, 1 - b), 1 + b]; 0 unless given. */
  readonly brightness?: number;
  /** Mixes with the mean grey, by such a factor; 0 unless given. */
  readonly contrast?: number;
  /** Mixes with the grey image, by such a factor; 0 unless given. */
  readonly saturation?: number;
  /** Turns the hue by a share of the circle in [-h, h], at most 0.5; 0 unless given. */
  readonly hue?: number;
  /** How often it happens at all; 1 unless given. */
  readonly probability?: number;
}

const amountProblem = (name: string, value: number): string | null =>
  value >= 0 && Number.isFinite(value) ? null : `${name} is ${value}; needs a number from 0`;

export const colorJitter: TransformKind<ColorJitterTransform> = {
  fields: ['brightness', 'contrast', 'saturation', 'hue', 'probability'],
  problem: ({ brightness = 0, contrast = 0, saturation = 0, hue = 0, probability = 1 }) =>
    firstOf(
      amountProblem('brightness', brightness),
      amountProblem('contrast', contrast),
      amountProblem('saturation', saturation),
      hue >= 0 && hue <= 0.5 ? null : `hue is ${hue}; needs a number from 0 to 0.5`,
      shareProblem('probability', probability),
    ),
  apply(image, t, draw) {
    const { brightness = 0, contrast = 0, saturation = 0, hue = 0, probability = 1 } = t;
    if (draw.uniform() >= probability) return image;
    const factor = (amount: number): number => {
      const low = Math.max(0, 1 - amount);
      return low + (1 + amount - low) * draw.uniform();
    };
    const changes: ((x: Pixels) => Pixels)[] = [];
    const [b, c, s, h] = [factor(brightness), factor(contrast), factor(saturation), hue * (2 * draw.uniform() - 1)];
    if (brightness) changes.push((x) => adjustBrightness(x, b));
    if (contrast) changes.push((x) => adjustContrast(x, c));
    if (saturation) changes.push((x) => adjustSaturation(x, s));
    if (hue) changes.push((x) => adjustHue(x, h));
    return shuffled(changes, draw).reduce((x, change) => change(x), image);
  },
};

const each = (image: Pixels, f: (value: number, i: number) => number): Pixels => {
  const out = pixels(image.width, image.height, image.channels);
  for (let i = 0; i < out.data.length; i++) out.data[i] = clip8(f(image.data[i]!, i));
  return out;
};

/** Every value times a factor. */
export const adjustBrightness = (image: Pixels, factor: number): Pixels => each(image, (v) => v * factor);

/** Every value's distance from the mean grey times a factor. */
export function adjustContrast(image: Pixels, factor: number): Pixels {
  const { data, channels: C } = image;
  let sum = 0;
  for (let i = 0; i < data.length; i += C) sum += C === 1 ? data[i]! : Math.round(luma(data, i));
  const grey = Math.round((sum * C) / data.length);
  return each(image, (v) => grey + factor * (v - grey));
}

/** Every value's distance from its pixel's grey times a factor; a grey image stays. */
export function adjustSaturation(image: Pixels, factor: number): Pixels {
  if (image.channels === 1) return image;
  const { data } = image;
  return each(image, (v, i) => {
    const grey = Math.round(luma(data, i - (i % 3)));
    return grey + factor * (v - grey);
  });
}

/** Hues turned by a share of the circle; a grey image stays. */
export function adjustHue(image: Pixels, share: number): Pixels {
  if (image.channels === 1) return image;
  const { data } = image;
  const out = pixels(image.width, image.height, 3);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i]!, data[i + 1]!, data[i + 2]!];
    const most = Math.max(r, g, b);
    const spread = most - Math.min(r, g, b);
    if (!spread) {
      out.data.set([r, g, b], i);
      continue;
    }
    const sixth = most === r ? (g - b) / spread : most === g ? 2 + (b - r) / spread : 4 + (r - g) / spread;
    const hue = (((sixth / 6 + share) % 1) + 1) % 1;
    // Foley and van Dam's conversion back: how far each colour is from the brightest.
    const channel = (n: number): number => {
      const k = (n + hue * 6) % 6;
      return clip8(most - spread * Math.max(0, Math.min(k, 4 - k, 1)));
    };
    out.data[i] = channel(5);
    out.data[i + 1] = channel(3);
    out.data[i + 2] = channel(1);
  }
  return out;
}
