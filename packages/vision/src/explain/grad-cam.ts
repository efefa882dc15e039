// Grad-CAM (Selvaraju et al., 2017): where in the image a layer's maps speak for a class. Each map counts as much as the score's
// mean slope along it; what speaks against the class is left out.
import { gradients, mean, mul, relu, sum, type Tensor } from '@brickwork/graph';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { enlarge } from './enlarge.ts';
import {
  pick,
  targetFeed,
  targetInput,
  type ImageClassifier,
  type Targets,
  type TracedImages,
} from './image-classifier.ts';

/** Of what, and where. */
export interface GradCamOptions {
  readonly targets?: Targets;
  /** One of `classifier.layers()`; the last one unless given. */
  readonly layer?: string;
}

/** Where a class was seen. */
export interface GradCam {
  /** (B, H, W), as large as the images, from 0 up, in the score's unit. */
  readonly maps: HostTensor;
  /** The same as the layer has them: (B, H', W'). */
  readonly small: HostTensor;
  readonly targets: number[];
  readonly layer: string;
}

/** @throws where there is no such layer. */
export async function gradCam(
  classifier: ImageClassifier,
  pixels: HostTensor,
  o: GradCamOptions = {},
): Promise<GradCam> {
  const targets = await classifier.targets(pixels, o.targets);
  const layer = o.layer ?? classifier.layers(pixels.shape.slice(1)).at(-1);
  if (layer === undefined) throw new Error('gradCam: the network has no convolutions');
  const out = await classifier.run(
    `grad-cam ${layer}`,
    pixels,
    (traced) => {
      const maps = layerOf(traced, layer);
      const [slope] = gradients(sum(pick(traced.logits, targetInput(traced.pixels))), [maps]);
      const weights = mean(slope!, [2, 3], true); // (B, C', 1, 1)
      return { map: relu(sum(mul(maps, weights), [1])) }; // (B, H', W')
    },
    { targets: targetFeed(targets) },
  );
  const small = out['map']!;
  return { maps: enlarge(small, pixels.shape.slice(2) as [number, number]), small, targets, layer };
}

/** A layer's maps (B, C', H', W'). @throws where there is no such layer, or it hasn't the batch's rows. */
export function layerOf({ layers, outputs }: TracedImages, name: string): Tensor {
  const found = layers.get(name) ?? (Object.hasOwn(outputs, name) ? outputs[name]!() : undefined);
  if (found?.rank === 4) return found;
  if (found) throw new Error(`the layer ${name} is (${found.shape.join(', ')}); needs maps (B, C, H, W)`);
  throw new Error(`there is no layer ${name}; there are ${[...layers.keys()].join(', ')}`);
}

/** The activations of layers by name: (B, C', H', W') each. @throws where there is no such layer. */
export async function featureMaps(
  classifier: ImageClassifier,
  pixels: HostTensor,
  names: readonly string[],
): Promise<Record<string, HostTensor>> {
  const out = await classifier.run(`features ${names.join(' ')}`, pixels, (traced) =>
    Object.fromEntries(names.map((name) => [name, layerOf(traced, name)])),
  );
  return Object.fromEntries(names.map((name) => [name, hostTensor(out[name]!.data, out[name]!.shape)]));
}
