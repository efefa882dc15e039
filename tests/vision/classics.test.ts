// The networks that led to today's: parameter counts and names of their published versions, shapes, values by PyTorch.
import { describe, expect, test } from 'vitest';
import { count, gradients, input, topologicalOrder } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, parameters, trainable, training, type Network } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import {
  AlexNet,
  ConvNet,
  LeNet5,
  LocalResponseNorm,
  ResNetForImageClassification,
  TorchvisionResNet,
  VGG,
} from '../../packages/vision/src/index.ts';

const sizeOf = (network: Network): number =>
  [...trainable(network).values()].reduce((sum, p) => sum + count(p.shape)!, 0);
const wave = (n: number, phase: number, scale = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => scale * Math.sin(0.7 * i + phase));

test.each([
  ['LeNet-5', () => new LeNet5(), 61_706],
  ['torchvision’s AlexNet', () => new AlexNet(), 61_100_840],
  // 60 million in the paper.
  ['the AlexNet of 2012', () => new AlexNet({ version: '2012' }), 60_965_224],
  ['VGG-11', () => new VGG({ depth: 11 }), 132_863_336],
  ['VGG-13', () => new VGG({ depth: 13 }), 133_047_848],
  ['VGG-16', () => new VGG(), 138_357_544],
  ['VGG-16 with batch norm', () => new VGG({ batchNorm: true }), 138_365_992],
  ['VGG-19', () => new VGG({ depth: 19 }), 143_667_240],
  ['ResNet-18', () => new TorchvisionResNet({ depth: 18 }), 11_689_512],
  ['ResNet-34', () => new TorchvisionResNet({ depth: 34 }), 21_797_672],
  ['ResNet-50', () => new TorchvisionResNet(), 25_557_032],
  ['ResNet-101', () => new TorchvisionResNet({ depth: 101 }), 44_549_160],
  ['ResNet-152', () => new TorchvisionResNet({ depth: 152 }), 60_192_808],
  // 3·32·9 + 32·64·9 + 64·128·9 weights, 2 for each channel's norm, 2048 by 10 and 10.
  ['the small one of three convolutions', () => new ConvNet(), 864 + 18_432 + 73_728 + 448 + 20_490],
])('%s has its number of parameters', (_, make, expected) => {
  expect(sizeOf(make())).toBe(expected);
});

test('names are torchvision’s', () => {
  const weights = (network: Network): string[] =>
    [...parameters(network).keys()].filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -7));
  const large = (...at: number[]): string[] => at.map((i) => `classifier.${i}`);
  const convolutions = (...at: number[]): string[] => at.map((i) => `features.${i}`);
  expect(weights(new AlexNet())).toEqual([...convolutions(0, 3, 6, 8, 10), ...large(1, 4, 6)]);
  expect(weights(new VGG({ depth: 11 }))).toEqual([...convolutions(0, 3, 6, 8, 11, 13, 16, 18), ...large(0, 3, 6)]);
  expect(weights(new VGG())).toEqual([
    ...convolutions(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    ...large(0, 3, 6),
  ]);
  expect(weights(new VGG({ depth: 11, batchNorm: true })).slice(0, 4)).toEqual(convolutions(0, 1, 4, 5));
  expect(weights(new TorchvisionResNet({ depth: 18 })).slice(0, 6)).toEqual([
    ...['conv1', 'bn1', 'layer1.0.conv1', 'layer1.0.bn1', 'layer1.0.conv2', 'layer1.0.bn2'],
  ]);
  expect(weights(new TorchvisionResNet({ depth: 18 }))).toContain('layer2.0.downsample.0');
  expect(weights(new TorchvisionResNet()).filter((name) => name.startsWith('layer1.0.'))).toEqual(
    ['conv1', 'bn1', 'conv2', 'bn2', 'conv3', 'bn3', 'downsample.0', 'downsample.1'].map((n) => `layer1.0.${n}`),
  );
  expect(weights(new TorchvisionResNet()).at(-1)).toBe('fc');
});

test.each([
  ['AlexNet', () => new AlexNet(), 'classifier.1.weight', [256, 6, 6]],
  ['AlexNet of 2012', () => new AlexNet({ version: '2012' }), 'classifier.1.weight', [256, 6, 6]],
  ['VGG-11', () => new VGG({ depth: 11, batchNorm: true }), 'classifier.0.weight', [512, 7, 7]],
] as const)('%s: from images to scores, for any batch and in training', (_, make, first, shape) => {
  const network = make();
  const outputs = network.trace({ pixel_values: input('pixel_values', ['B', 3, 224, 224]) }, evaluating());
  const logits = outputs['logits']!();
  expect(logits.shape).toEqual(['B', 1000]);
  const shapes = topologicalOrder([logits]).flatMap((node) => node.outputs.map((t) => t.shape.slice(1).join()));
  expect(shapes).toContain(shape.join());
  const inputs = { pixel_values: input('pixel_values', [2, 3, 224, 224]), labels: input('labels', [2], 'int64') };
  const weight = parameters(network).get(first)!;
  const [slope] = gradients(network.trace(inputs, training())['loss']!(), [weight]);
  expect(slope!.shape).toEqual(weight.shape);
});

describe('values', () => {
  test('LeNet-5: PyTorch’s logits, and a loss that falls against its gradient', async () => {
    const network = new LeNet5();
    const weights = new Map(
      [...parameters(network)]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, p], k): [string, HostTensor] => [
          name,
          hostTensor(wave(count(p.shape)!, k, 0.3), p.shape as number[]),
        ]),
    );
    const given = { pixel_values: input('pixel_values', [2, 1, 28, 28]), labels: input('labels', [2], 'int64') };
    const outputs = network.trace(given, evaluating());
    const loss = outputs['loss']!();
    const known = [...trainable(network).values()];
    const slopes = Object.fromEntries(gradients(loss, known).map((g, i) => [`grad.${known[i]!.name!}`, g]));
    const program = await compile({ logits: outputs['logits']!(), loss, ...slopes });
    const feeds = new Map([
      ...weights,
      ['pixel_values', hostTensor(wave(2 * 784, 0.5), [2, 1, 28, 28])],
      ['labels', hostTensor(BigInt64Array.of(3n, 9n))],
    ] as const);
    const out = await program.run(feeds);
    // PyTorch 1.13 in float64, with weights 0.3 sin(0.7 i + k) for the k-th by name and images sin(0.7 i + 0.5).
    const expected = [
      0.574201, 2.134738, -4.096963, 2.374595, 0.95636, -3.164806, 3.810865, -0.844004, -2.329685, 3.629912, 0.559924,
      2.188831, -4.150759, 2.388199, 0.993037, -3.224564, 3.849389, -0.832725, -2.382402, 3.684973,
    ];
    expected.forEach((v, i) => expect(Math.abs(Number(out['logits']!.data[i]) - v)).toBeLessThan(1e-4));
    const moved = new Map(
      [...weights].map(([name, { data, shape }]): [string, HostTensor] => {
        const slope = out[`grad.${name}`]!.data as Float32Array;
        return [
          name,
          hostTensor(
            (data as Float32Array).map((v, i) => v - 0.01 * slope[i]!),
            shape,
          ),
        ];
      }),
    );
    const after = await program.run(new Map([...feeds, ...moved]));
    expect(Number(after['loss']!.data[0])).toBeLessThan(Number(out['loss']!.data[0]) - 1e-3);
    await program.dispose();
  });

  test.each([18, 50])('ResNet-%i under torchvision’s names gives what it gives under Hugging Face’s', async (depth) => {
    const ours = new TorchvisionResNet({ depth, labels: 5 });
    const other = new ResNetForImageClassification({
      layer_type: depth < 50 ? 'basic' : 'bottleneck',
      depths: depth < 50 ? [2, 2, 2, 2] : [3, 4, 6, 3],
      hidden_sizes: depth < 50 ? [64, 128, 256, 512] : [256, 512, 1024, 2048],
      num_labels: 5,
    });
    const renamed = (name: string): string =>
      name
        .replace(/^conv1\./, 'resnet.embedder.embedder.convolution.')
        .replace(/^bn1\./, 'resnet.embedder.embedder.normalization.')
        .replace(/^fc\./, 'classifier.1.')
        .replace(/^layer(\d)\.(\d+)\./, (_, s, b) => `resnet.encoder.stages.${Number(s) - 1}.layers.${b}.`)
        .replace(/\.downsample\.0\./, '.shortcut.convolution.')
        .replace(/\.downsample\.1\./, '.shortcut.normalization.')
        .replace(/\.conv(\d)\./, (_, i) => `.layer.${Number(i) - 1}.convolution.`)
        .replace(/\.bn(\d)\./, (_, i) => `.layer.${Number(i) - 1}.normalization.`);
    const values = initialize(ours, 3);
    for (const [name, { data }] of values)
      if (name.endsWith('running_var')) (data as Float32Array).forEach((_, i) => (data[i] = 0.5 + (i % 7) / 7));
    const under = new Map([...values].map(([name, value]) => [renamed(name), value]));
    expect([...under.keys()].toSorted()).toEqual([...parameters(other).keys()].toSorted());
    const pixels = hostTensor(wave(2 * 3 * 64 * 64, 0.5), [2, 3, 64, 64]);
    const logits = async (network: Network, weights: ReadonlyMap<string, HostTensor>): Promise<Float32Array> => {
      const x = input('pixel_values', ['B', 3, 64, 64]);
      const program = await compile({ y: network.trace({ pixel_values: x }, evaluating())['logits']!() });
      const own = [...weights].filter(([name]) => program.inputs.some((i) => i.name === name));
      const { y } = await program.run(new Map([...own, ['pixel_values', pixels]]));
      await program.dispose();
      return y!.data as Float32Array;
    };
    const [a, b] = [await logits(ours, values), await logits(other, under)];
    // The same operators in the same order.
    a.forEach((v, i) => expect(Math.abs(v - b[i]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(v))));
    expect(a.some((v) => Math.abs(v) > 1e-3)).toBe(true);
  });

  test('the AlexNet of 2012 divides by (2 + 1e-4 · sum of 5 squares)^0.75', async () => {
    const step = new AlexNet({ version: '2012' }).features[2] as LocalResponseNorm;
    const program = await compile({ y: step.forward(input('x', [2, 7, 2, 2])) });
    const { y } = await program.run({ x: hostTensor(wave(56, 0.5, 20), [2, 7, 2, 2]) });
    // torch.nn.functional.local_response_norm(x, 5, 5e-4, 0.75, 2)
    const expected = [5.676863, 10.81165, 10.806663, 5.974415, -1.8609, -8.775037, -11.324323, -8.828329];
    expected.forEach((v, i) => expect(Math.abs(Number(y!.data[i]) - v)).toBeLessThan(1e-4));
    await program.dispose();
  });

  test('first values of the convolutions of 2012 are small, with biases of 0', () => {
    const network = new AlexNet({ version: '2012' });
    const first = initialize(network.features[0]!);
    expect(first.get('bias')!.data.every((v) => v === 0)).toBe(true);
    const { data } = first.get('weight')!;
    expect(Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length)).toBeCloseTo(0.01, 3);
  });
});

test('what isn’t there is refused', () => {
  expect(() => new VGG({ depth: 12 })).toThrow('the depth is 12; known are 11, 13, 16, 19');
  expect(() => new TorchvisionResNet({ depth: 20 })).toThrow('the depth is 20; known are 18, 34, 50, 101, 152');
  expect(() => new ConvNet({ size: 4 })).toThrow('3 convolutions for 4 by 4 pixels');
  expect(() => new AlexNet({ version: '2013' as never })).toThrow('the version is "2013"');
});
