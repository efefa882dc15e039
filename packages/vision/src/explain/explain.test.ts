import { Linear, ReLU, Sequential, random } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { expect, test } from 'vitest';
import { CifarResNet } from '../architectures/cifar-resnet.ts';
import { Conv2d } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { MaxPool2d } from '../max-pool-2d.ts';
import { deconvnet } from './deconvnet.ts';
import { enlarge } from './enlarge.ts';
import { featureMaps, gradCam } from './grad-cam.ts';
import { ImageClassifier } from './image-classifier.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { occlusion } from './occlusion.ts';
import { pixelGradients } from './pixel-gradients.ts';
import { images, smallClassifier, Steps, weightsOf } from './small-network.fixture.ts';

const draw = random(5);
const batch = images(3, [1, 12, 12], () => draw.uniform());
const numbers = (t: HostTensor): Float32Array => t.data as Float32Array;

test('the gradient of a logit is what finite differences say', async () => {
  const classifier = smallClassifier();
  const { gradients, targets } = await pixelGradients(classifier, batch, { targets: [0, 1, 2] });
  expect(targets).toEqual([0, 1, 2]);
  const at = async (b: number, i: number, h: number): Promise<number> => {
    const moved = hostTensor(Float32Array.from(numbers(batch)), batch.shape);
    numbers(moved)[b * 144 + i]! += h;
    return (await classifier.classify(moved)).logits[b]![b]!;
  };
  let largest = 0;
  for (const [b, i] of [
    [0, 0],
    [0, 77],
    [1, 13],
    [1, 143],
    [2, 60],
  ] as const) {
    const slope = ((await at(b, i, 1e-3)) - (await at(b, i, -1e-3))) / 2e-3;
    const found = numbers(gradients)[b * 144 + i]!;
    largest = Math.max(largest, Math.abs(found));
    // float32 logits near 0.1 differ by about 1e-8 / 1e-3, and a kink lies between now and then.
    expect(Math.abs(found - slope)).toBeLessThan(2e-3);
  }
  expect(largest).toBeGreaterThan(0.01);
});

test('the gradient of a log probability adds up to nothing over the classes', async () => {
  const classifier = smallClassifier();
  const { probabilities } = await classifier.classify(batch);
  const each = [];
  for (const target of [0, 1, 2])
    each.push(numbers((await pixelGradients(classifier, batch, { targets: target, of: 'logProbability' })).gradients));
  for (let i = 0; i < 3 * 144; i++) {
    const p = probabilities[Math.floor(i / 144)]!;
    expect(Math.abs(each.reduce((sum, g, c) => sum + p[c]! * g[i]!, 0))).toBeLessThan(1e-6);
  }
});

// One pixel, a weight of 1 and then one of -1: y = relu(-relu(x) + 2) of x = 1 is 1.
test('gradients, guided backpropagation and deconvnets differ in what ReLU hands back', async () => {
  const network = new Steps(
    [1, 1, 1],
    new Sequential(new Conv2d(1, 1, 1), new ReLU(), new Conv2d(1, 1, 1), new ReLU(), new Flatten(), new Linear(1, 1)),
  );
  const weights = new Map<string, HostTensor>([
    ['steps.0.weight', hostTensor(Float32Array.of(1), [1, 1, 1, 1])],
    ['steps.0.bias', hostTensor(Float32Array.of(0), [1])],
    ['steps.2.weight', hostTensor(Float32Array.of(-1), [1, 1, 1, 1])],
    ['steps.2.bias', hostTensor(Float32Array.of(2), [1])],
    ['steps.5.weight', hostTensor(Float32Array.of(1), [1, 1])],
    ['steps.5.bias', hostTensor(Float32Array.of(0), [1])],
  ]);
  const classifier = new ImageClassifier({ network, weights });
  const slopeAt = async (x: number, backward: 'gradient' | 'guided' | 'deconvnet'): Promise<number> =>
    numbers(
      (await pixelGradients(classifier, hostTensor(Float32Array.of(x), [1, 1, 1, 1]), { backward })).gradients,
    )[0]!;
  // At the first ReLU arrives -1: its gradient lets it through, the others don't.
  expect([await slopeAt(1, 'gradient'), await slopeAt(1, 'guided'), await slopeAt(1, 'deconvnet')]).toEqual([-1, 0, 0]);
  weights.set('steps.2.weight', hostTensor(Float32Array.of(1), [1, 1, 1, 1]));
  // Where the input was below 0, a deconvnet alone passes what is positive.
  expect([await slopeAt(-1, 'gradient'), await slopeAt(-1, 'guided'), await slopeAt(-1, 'deconvnet')]).toEqual([
    0, 0, 1,
  ]);
  expect([await slopeAt(1, 'gradient'), await slopeAt(1, 'guided'), await slopeAt(1, 'deconvnet')]).toEqual([1, 1, 1]);
});

test('SmoothGrad is the gradient where there is no noise, and the same for the same seed', async () => {
  const classifier = smallClassifier();
  const plain = await pixelGradients(classifier, batch);
  const still = await pixelGradients(classifier, batch, { samples: 3, noise: 0 });
  expect(Math.max(...numbers(still.gradients).map((g, i) => Math.abs(g - numbers(plain.gradients)[i]!)))).toBeLessThan(
    1e-6,
  );
  const one = await pixelGradients(classifier, batch, { samples: 3, seed: 4 });
  const same = await pixelGradients(classifier, batch, { samples: 3, seed: 4 });
  const other = await pixelGradients(classifier, batch, { samples: 3, seed: 5 });
  expect(numbers(one.gradients)).toEqual(numbers(same.gradients));
  expect(numbers(one.gradients)).not.toEqual(numbers(other.gradients));
});

test('integrated gradients add up to the difference of the scores', async () => {
  const classifier = smallClassifier();
  for (const of of ['logit', 'logProbability'] as const) {
    const { attributions, gaps, targets } = await integratedGradients(classifier, batch, { of, steps: 200 });
    const black = await classifier.classify(hostTensor(new Float32Array(batch.data.length), batch.shape));
    const here = await classifier.classify(batch);
    const score = ({ logits, probabilities }: typeof here, b: number): number =>
      of === 'logit' ? logits[b]![targets[b]!]! : Math.log(probabilities[b]![targets[b]!]!);
    for (let b = 0; b < 3; b++) {
      const sum = numbers(attributions)
        .subarray(b * 144, (b + 1) * 144)
        .reduce((a, v) => a + v, 0);
      // The way has kinks, where ReLU begins; 200 parts leave a thousandth.
      expect(Math.abs(sum - (score(here, b) - score(black, b)))).toBeLessThan(2e-3);
      expect(Math.abs(gaps[b]!)).toBeLessThan(2e-3);
    }
  }
});

test('Grad-CAM is the maps weighted by their mean slopes, what is below 0 left out', async () => {
  const classifier = smallClassifier(3);
  const layer = 'steps.3.relu';
  const { small, maps, targets } = await gradCam(classifier, batch, { layer, targets: 1 });
  expect([small.shape, maps.shape, targets]).toEqual([
    [3, 4, 4],
    [3, 12, 12],
    [1, 1, 1],
  ]);
  const { [layer]: features } = await featureMaps(classifier, batch, [layer]);
  // Behind this layer the network is linear: the slopes are the rows of its weight.
  const w = classifier.weights.get('steps.6.weight')!.data as Float32Array;
  for (let b = 0; b < 3; b++)
    for (let p = 0; p < 16; p++) {
      let sum = 0;
      for (let k = 0; k < 6; k++) {
        const slope = w.subarray(96 + k * 16, 96 + (k + 1) * 16).reduce((a, v) => a + v, 0) / 16;
        sum += slope * Number(features!.data[(b * 6 + k) * 16 + p]);
      }
      expect(numbers(small)[b * 16 + p]).toBeCloseTo(Math.max(0, sum), 6);
    }
});

test('a small map is enlarged between the middles of its cells', () => {
  const { data, shape } = enlarge(hostTensor(Float32Array.of(0, 4), [1, 1, 2]), [1, 8]);
  expect(shape).toEqual([1, 1, 8]);
  // torch.nn.functional.interpolate(mode='bilinear', align_corners=False).
  expect([...(data as Float32Array)]).toEqual([0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4]);
});

test('occlusion finds the place that a network looks at', async () => {
  // The score is the sum of a square of 3 by 3 pixels.
  const network = new Steps([1, 9, 9], new Sequential(new Flatten(), new Linear(81, 2)));
  const weights = weightsOf(network, 0);
  const w = new Float32Array(162);
  for (let y = 3; y < 6; y++) for (let x = 0; x < 3; x++) w[y * 9 + x] = 1;
  weights.set('steps.1.weight', hostTensor(w, [2, 81]));
  weights.set('steps.1.bias', hostTensor(new Float32Array(2), [2]));
  const classifier = new ImageClassifier({ network, weights });
  const white = images(1, [1, 9, 9], () => 1);
  const { maps, targets } = await occlusion(classifier, white, { window: 3, stride: 3 });
  expect(targets).toEqual([0]);
  const sigmoid = 1 / (1 + Math.exp(-9));
  numbers(maps).forEach((fall, p) => {
    const isInside = Math.floor(p / 9) >= 3 && Math.floor(p / 9) < 6 && p % 9 < 3;
    expect(fall).toBeCloseTo(isInside ? sigmoid - 0.5 : 0, 6);
  });
});

test('occlusion looks at every pixel, also where squares don’t divide the image', async () => {
  const { maps } = await occlusion(smallClassifier(), batch, { window: [5, 7], stride: [4, 5], batchSize: 3 });
  expect(numbers(maps).every(Number.isFinite)).toBe(true);
  await expect(occlusion(smallClassifier(), batch, { window: 3, stride: 4 })).rejects.toThrow('steps no larger');
  await expect(occlusion(smallClassifier(), batch, { window: 13 })).rejects.toThrow('a window that fits');
});

// Filters that hand every channel on as it is.
function identity(channels: number, kernel: number): HostTensor {
  const w = new Float32Array(channels * channels * kernel * kernel);
  const middle = (kernel * kernel - 1) / 2;
  for (let c = 0; c < channels; c++) w[(c * channels + c) * kernel * kernel + middle] = 1;
  return hostTensor(w, [channels, channels, kernel, kernel]);
}

test('the deconvnet of a network that changes nothing gives back the image', async () => {
  const steps = new Sequential(
    new Conv2d(2, 2, 3, { padding: 1, bias: false }),
    new ReLU(),
    new Conv2d(2, 2, 5, { padding: 2, bias: false }),
    new ReLU(),
    new Flatten(),
    new Linear(2 * 36, 2),
  );
  const network = new Steps([2, 6, 6], steps);
  const weights = weightsOf(network, 0);
  weights.set('steps.0.weight', identity(2, 3));
  weights.set('steps.2.weight', identity(2, 5));
  const classifier = new ImageClassifier({ network, weights });
  const x = images(2, [2, 6, 6], () => draw.uniform());
  const whole = await deconvnet(classifier, x, { layer: 'steps.2.relu', unit: 1, at: 'all' });
  numbers(whole.reconstructions).forEach((v, i) => {
    const channel = Math.floor(i / 36) % 2;
    expect(v).toBe(channel === 1 ? numbers(x)[i] : 0);
  });
  const one = await deconvnet(classifier, x, {
    layer: 'steps.2.relu',
    unit: 0,
    at: [
      [2, 3],
      [5, 0],
    ],
  });
  expect(one.activations).toEqual([numbers(x)[15], numbers(x)[72 + 30]]);
  expect(one.regions).toEqual([
    { left: 3, top: 2, width: 1, height: 1 },
    { left: 0, top: 5, width: 1, height: 1 },
  ]);
  expect(numbers(one.reconstructions).filter((v) => v !== 0)).toEqual(Float32Array.of(...one.activations));
});

test('a deconvnet puts each maximum back where it stood, and gives the region that a unit sees', async () => {
  const steps = new Sequential(
    new Conv2d(1, 1, 1, { bias: false }),
    new ReLU(),
    new MaxPool2d(2),
    new Conv2d(1, 1, 3, { bias: false }),
    new ReLU(),
    new Flatten(),
    new Linear(4, 2),
  );
  const network = new Steps([1, 8, 8], steps);
  const weights = weightsOf(network, 0);
  weights.set('steps.0.weight', hostTensor(Float32Array.of(1), [1, 1, 1, 1]));
  weights.set('steps.3.weight', hostTensor(new Float32Array(9).fill(1), [1, 1, 3, 3]));
  const classifier = new ImageClassifier({ network, weights });
  const x = images(1, [1, 8, 8], () => 0.1 + draw.uniform());
  const { reconstructions, activations, regions, at } = await deconvnet(classifier, x, {
    layer: 'steps.3.relu',
    unit: 0,
  });
  // Of each window of 2 by 2 below the strongest place its maximum has the activation, all else is zero.
  const expected = new Float32Array(64);
  for (let r = at[0]![0]; r < at[0]![0] + 3; r++)
    for (let c = at[0]![1]; c < at[0]![1] + 3; c++) {
      const window = [0, 1, 8, 9].map((d) => 2 * r * 8 + 2 * c + d);
      expected[window.toSorted((a, b) => numbers(x)[b]! - numbers(x)[a]!)[0]!] = activations[0]!;
    }
  expect(numbers(reconstructions)).toEqual(expected);
  const { top, left, width, height } = regions[0]!;
  const [bottom, right] = [top + height, left + width];
  expect(
    top >= 2 * at[0]![0] && bottom <= 2 * at[0]![0] + 6 && left >= 2 * at[0]![1] && right <= 2 * at[0]![1] + 6,
  ).toBe(true);
});

test('layers of a network with shortcuts have its weights’ names', () => {
  const network = new CifarResNet({ depth: 8 });
  const layers = new ImageClassifier({ network, weights: weightsOf(network, 0) }).layers();
  expect(layers).toContain('layer2.0.conv2.relu');
  expect(layers.filter((name) => name.startsWith('conv1'))).toEqual(['conv1', 'conv1.relu']);
  expect(new Set(layers).size).toBe(layers.length);
});

test('what can’t be explained is told', async () => {
  const classifier = smallClassifier();
  await expect(gradCam(classifier, batch, { layer: 'steps.9' })).rejects.toThrow(
    'there is no layer steps.9; there are steps.0',
  );
  await expect(pixelGradients(classifier, batch, { targets: 3 })).rejects.toThrow(
    'the target class is 3; the network tells 0 to 2',
  );
  await expect(pixelGradients(classifier, batch, { targets: [0] })).rejects.toThrow('1 target classes for 3 images');
  await expect(deconvnet(classifier, batch, { layer: 'steps.0', unit: 4 })).rejects.toThrow(
    'the unit is 4; steps.0 has 0 to 3',
  );
  const nan = hostTensor(new Float32Array(144).fill(NaN), [1, 1, 12, 12]);
  await expect(classifier.classify(nan)).rejects.toThrow('the pixels have NaN at 0');
  await expect(classifier.classify(images(1, [3, 12, 12], () => 0))).rejects.toThrow(
    'the network needs (B, 1, 12, 12)',
  );
  await expect(integratedGradients(classifier, batch, { baseline: images(1, [1, 2, 2], () => 0) })).rejects.toThrow(
    'the baseline is',
  );
});
