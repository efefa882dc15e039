// The deconvnet (Zeiler and Fergus, 2014): what in an image made a unit strong. All other units of its layer are set to zero, and
// its activation goes back to the pixels: pooling undone by its switches (where each maximum stood), rectified, and through
// the same filters transposed. That is backpropagation with another rule for ReLU, so any network's graph will do.
import { gradients, input, mul, sum } from '@brickwork/graph';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { layerOf } from './grad-cam.ts';
import type { ImageClassifier } from './image-classifier.ts';
import { reluRules, type Backward } from './pixel-gradients.ts';
import type { Region } from '../images/pixels.ts';

/** Which unit. */
export interface DeconvnetOptions {
  /** One of `classifier.layers()`. */
  readonly layer: string;
  /** The channel. */
  readonly unit: number;
  /**
   * Its place in each image's map, (row, column), or `all` of them; where it is strongest unless given, the first of several.
   */
  readonly at?: readonly (readonly [row: number, column: number])[] | 'all';
  /** The rule for ReLU; `deconvnet` unless given. */
  readonly backward?: Backward;
}

/** What a unit saw. */
export interface Deconvnet {
  /** (B, C, H, W), in the pixels' unit times the activation. */
  readonly reconstructions: HostTensor;
  /** At the place; the largest one where all go back. */
  readonly activations: number[];
  readonly at: (readonly [row: number, column: number])[];
  /** Of each image the smallest rectangle that holds all that isn't zero, in pixels; null where all is zero. */
  readonly regions: (Region | null)[];
}

/** @throws where there is no such layer, unit or place. */
export async function deconvnet(
  classifier: ImageClassifier,
  pixels: HostTensor,
  { layer, unit, at, backward = 'deconvnet' }: DeconvnetOptions,
): Promise<Deconvnet> {
  if (!Object.hasOwn(reluRules, backward))
    throw new Error(`deconvnet: backward is ${JSON.stringify(backward)}; needs gradient, guided or deconvnet`);
  const { maps } = (await classifier.run(`maps ${layer}`, pixels, (traced) => ({ maps: layerOf(traced, layer) }))) as {
    maps: HostTensor;
  };
  const [B, units, H, W] = maps.shape as [number, number, number, number];
  if (!(Number.isInteger(unit) && unit >= 0 && unit < units))
    throw new Error(`deconvnet: the unit is ${unit}; ${layer} has 0 to ${units - 1}`);
  if (at && at !== 'all' && at.length !== B)
    throw new Error(`deconvnet: ${at.length} places for ${B} images; needs one each`);
  const values = maps.data as Float32Array;
  const places = Array.from({ length: B }, (_, b): readonly [number, number] => {
    const from = (b * units + unit) * H * W;
    if (!at || at === 'all') {
      let best = 0;
      for (let i = 1; i < H * W; i++) if (values[from + i]! > values[from + best]!) best = i;
      return [Math.floor(best / W), best % W];
    }
    const [row, column] = at[b]!;
    if (![row, column].every(Number.isInteger) || row < 0 || column < 0 || row >= H || column >= W)
      throw new Error(`deconvnet: the place is (${row}, ${column}); ${layer} has maps of ${H} by ${W}`);
    return [row, column];
  });
  const seed = new Float32Array(values.length);
  const activations = places.map(([row, column], b) => {
    const from = (b * units + unit) * H * W;
    const i = from + row * W + column;
    if (at === 'all') seed.set(values.subarray(from, from + H * W), from);
    return (seed[i] = values[i]!);
  });
  const out = await classifier.run(
    `deconvnet ${layer} ${backward}`,
    pixels,
    (traced) => {
      const top = layerOf(traced, layer);
      // The gradient of the sum begins as the seed: what goes back is the activation itself.
      const total = sum(mul(top, input('activation', maps.shape)));
      return { back: gradients(total, [traced.pixels], { rules: reluRules[backward] })[0]! };
    },
    { activation: hostTensor(seed, maps.shape) },
  );
  const back = out['back']!;
  const regions = places.map((_, b) => regionOf(back, b));
  return { reconstructions: hostTensor(back.data, pixels.shape), activations, at: places, regions };
}

function regionOf({ data, shape }: HostTensor, b: number): Region | null {
  const [, C, H, W] = shape as [number, number, number, number];
  let [top, left, bottom, right] = [H, W, 0, 0];
  for (let c = 0; c < C; c++)
    for (let y = 0; y < H; y++)
      for (let x = 0; x < W; x++)
        if (Number(data[((b * C + c) * H + y) * W + x]) !== 0) {
          [top, left] = [Math.min(top, y), Math.min(left, x)];
          [bottom, right] = [Math.max(bottom, y + 1), Math.max(right, x + 1)];
        }
  return bottom ? { left, top, width: right - left, height: bottom - top } : null;
}
