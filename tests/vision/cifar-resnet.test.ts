// A ResNet-20 that others trained on CIFAR-10: read by the names that PyTorch gave its weights, it gives the logits of its
// source; and the networks of the paper's table 6 have the numbers of parameters that it states.
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { count, input } from '../../packages/graph/src/index.ts';
import { evaluating, parameters, trainable } from '../../packages/nn/src/index.ts';
import { assignWeights, compile, hostTensor, readSafetensors } from '../../packages/runtime/src/index.ts';
import { CifarResNet } from '../../packages/vision/src/index.ts';
import { sharedPath } from '../fixtures.ts';

const folder = sharedPath('data/resnet20_cifar');
const images = sharedPath('data/cifar10_subset/val_1000.bin.gz');

describe.skipIf(!existsSync(folder) || !existsSync(images))('ResNet-20 (needs ../shared)', () => {
  test('gives the logits of its source for a hundred images, and names nearly all of a thousand', async () => {
    const { logits: expected } = JSON.parse(readFileSync(`${folder}/expected_logits.json`, 'utf8')) as {
      logits: number[][];
    };
    const network = new CifarResNet({ counted: false });
    const { tensors } = await readSafetensors(`${folder}/resnet20.safetensors`);
    const weights = assignWeights(parameters(network), tensors);
    const program = await compile({
      logits: network.trace({ pixel_values: input('pixel_values', ['B', 3, 32, 32]) }, evaluating())['logits']!(),
    });
    // A label and three planes of 32 by 32 for each image.
    const bytes = gunzipSync(readFileSync(images));
    const [mean, deviation] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    const [size, batch, all] = [3072, 100, 1000];
    let right = 0;
    for (let start = 0; start < all; start += batch) {
      const pixels = Float32Array.from({ length: batch * size }, (_, i) => {
        const channel = Math.floor((i % size) / 1024);
        const byte = bytes[(start + Math.floor(i / size)) * (size + 1) + 1 + (i % size)]!;
        return (byte / 255 - mean[channel]!) / deviation[channel]!;
      });
      const { logits } = await program.run(
        new Map([...weights, ['pixel_values', hostTensor(pixels, [batch, 3, 32, 32])]]),
      );
      for (let i = 0; i < batch; i++) {
        const row = [...(logits!.data as Float32Array).subarray(10 * i, 10 * i + 10)];
        right += Number(row.indexOf(Math.max(...row)) === bytes[(start + i) * (size + 1)]);
        if (start === 0) row.forEach((v, k) => expect(Math.abs(v - expected[i]![k]!)).toBeLessThan(1e-4));
      }
    }
    expect(expected).toHaveLength(100);
    // They are of the images that it learned from, not of the test set.
    expect(right).toBeGreaterThan(970);
    await program.dispose();
  });
});

// 0.27, 0.46, 0.66, 0.85 and 1.7 million in the paper; those of the source of the weights above, to the last.
test.each([
  [20, 269_722],
  [32, 464_154],
  [44, 658_586],
  [56, 853_018],
  [110, 1_727_962],
])('ResNet-%i has %i parameters', (depth, expected) => {
  const sizes = [...trainable(new CifarResNet({ depth })).values()].map((p) => count(p.shape)!);
  expect(sizes.reduce((a, b) => a + b)).toBe(expected);
});

test('a depth that is not 6n + 2 is refused', () => {
  expect(() => new CifarResNet({ depth: 18 })).toThrow('the depth is 18; needs 6n + 2');
});
