// What an image's score owes to each pixel: its gradient (Simonyan et al., 2014, "Deep inside convolutional networks"), by
// guided backpropagation (Springenberg et al., 2015), or as a deconvnet passes it (Zeiler and Fergus, 2014): the three differ
// in what ReLU hands back alone. SmoothGrad (Smilkov et al., 2017) is the mean over noisy copies.
import { gradients, logSoftmax, mul, relu, sign, sum, type GradientRule } from '@brickwork/graph';
import { random, streamSeed } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { pick, targetFeed, targetInput, type ImageClassifier, type Targets } from './image-classifier.ts';

/** What ReLU hands back: its gradient; where that is positive, too; or what is positive, wherever its input was. */
export type Backward = 'gradient' | 'guided' | 'deconvnet';

/** ReLU's rules by name. */
export const reluRules: Readonly<Record<Backward, Readonly<Record<string, GradientRule>>>> = {
  gradient: {},
  guided: { Relu: ([g], _x, [y]) => [mul(relu(g!), sign(y!))] },
  deconvnet: { Relu: ([g]) => [relu(g!)] },
};

/** How pixels' gradients are taken. */
export interface PixelGradientOptions {
  /** The classes whose scores are explained; the predicted ones unless given. */
  readonly targets?: Targets;
  readonly backward?: Backward;
  /** The score: the class' logit (unless given), or the logarithm of its probability, which knows of the other classes. */
  readonly of?: 'logit' | 'logProbability';
  /** SmoothGrad: the mean over so many copies with noise; 1, without noise, unless given. */
  readonly samples?: number;
  /** The noise's standard deviation, as a part of the difference of the image's largest and smallest value; 0.15 unless given. */
  readonly noise?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** Gradients with what they are of. */
export interface PixelGradients {
  /** As the images: (B, C, H, W). */
  readonly gradients: HostTensor;
  readonly targets: number[];
}

/** d score / d pixel. @throws where the targets aren't classes, or the network has no ReLU to be guided by. */
export async function pixelGradients(
  classifier: ImageClassifier,
  pixels: HostTensor,
  o: PixelGradientOptions = {},
): Promise<PixelGradients> {
  const { backward = 'gradient', of = 'logit', samples = 1, noise = 0.15, seed = 0, signal } = o;
  if (!Object.hasOwn(reluRules, backward))
    throw new Error(`pixelGradients: backward is ${JSON.stringify(backward)}; needs gradient, guided or deconvnet`);
  if (!(Number.isInteger(samples) && samples > 0))
    throw new Error(`pixelGradients: ${samples} samples; needs a whole number above 0`);
  if (!(noise >= 0)) throw new Error(`pixelGradients: the noise is ${noise}; needs a number from 0`);
  const targets = await classifier.targets(pixels, o.targets);
  const run = async (x: HostTensor): Promise<Float32Array> => {
    signal?.throwIfAborted();
    const out = await classifier.run(
      `gradients ${backward} ${of}`,
      x,
      ({ pixels: at, logits, layers }) => {
        if (backward !== 'gradient' && ![...layers.keys()].some((name) => name.includes('.relu')))
          throw new Error(
            `pixelGradients: ${backward} is a rule for ReLU, and behind the network's convolutions is none`,
          );
        const scores = of === 'logit' ? logits : logSoftmax(logits);
        const total = sum(pick(scores, targetInput(at)));
        return { gradient: gradients(total, [at], { rules: reluRules[backward] })[0]! };
      },
      { targets: targetFeed(targets) },
    );
    return out['gradient']!.data as Float32Array;
  };
  if (samples === 1) return { gradients: hostTensor(await run(pixels), pixels.shape), targets };
  const total = new Float64Array(pixels.data.length);
  for (let i = 0; i < samples; i++)
    (await run(noisy(pixels, noise, streamSeed(seed, `smooth ${i}`)))).forEach((g, p) => (total[p]! += g));
  return {
    gradients: hostTensor(
      Float32Array.from(total, (g) => g / samples),
      pixels.shape,
    ),
    targets,
  };
}

function noisy({ data, shape }: HostTensor, noise: number, seed: number): HostTensor {
  const draw = random(seed);
  const size = data.length / shape[0]!;
  const out = new Float32Array(data.length);
  for (let b = 0; b < shape[0]!; b++) {
    const image = (data as Float32Array).subarray(b * size, (b + 1) * size);
    let [low, high] = [Infinity, -Infinity];
    for (const x of image) [low, high] = [Math.min(low, x), Math.max(high, x)];
    image.forEach((x, i) => (out[b * size + i] = x + noise * (high - low) * draw.normal()));
  }
  return hostTensor(out, shape);
}
