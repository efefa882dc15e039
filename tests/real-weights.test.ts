// Networks that others trained: read, run, and differentiated, they do what their sources say of them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fromOnnx } from '../packages/graph/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../packages/runtime/src/index.ts';
import { sharedPath } from './fixtures.ts';
import { readPng } from './png.ts';

const data = sharedPath('data');
const json = <T>(path: string): T => JSON.parse(readFileSync(join(data, path), 'utf8')) as T;
const largest = (values: ArrayLike<number>): number => Array.from(values).indexOf(Math.max(...Array.from(values)));
const float16 = (bits: number): number => {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
};
/** The float16 of a whole number below 2048, which has one. */
const halfOf = (value: number): number => {
  if (!value) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
};
const numbers = ({ data: values, dtype }: HostTensor): number[] =>
  Array.from(values as Float32Array, (v) => (dtype === 'float16' ? float16(v) : v));

describe.skipIf(!existsSync(join(data, 'mnist_onnx')))('digit networks (needs ../shared)', () => {
  const images = (): Float32Array => {
    const bytes = gunzipSync(readFileSync(join(data, 'mnist/t10k-first5000-images-idx3-ubyte.gz')));
    return Float32Array.from(bytes.subarray(16, 16 + 5000 * 784));
  };
  const labels = (): Uint8Array =>
    gunzipSync(readFileSync(join(data, 'mnist/t10k-first5000-labels-idx1-ubyte.gz'))).subarray(8);
  const { logits: expected } = existsSync(join(data, 'mnist_onnx'))
    ? json<{ logits: number[][] }>('mnist_onnx/expected.json')
    : { logits: [] };

  test('mnist-8 gives the logits of its source for a hundred digits, and reads 98% of a thousand', async () => {
    const program = await compile(join(data, 'mnist_onnx/mnist-8.onnx'));
    const all = images();
    let right = 0;
    for (let i = 0; i < 1000; i++) {
      const image = hostTensor(all.slice(i * 784, (i + 1) * 784), [1, 1, 28, 28]);
      const [out] = Object.values(await program.run({ Input3: image }));
      const logits = out!.data as Float32Array;
      right += Number(largest(logits) === labels()[i]);
      // The source's logits reach into the thousands; float32 keeps seven digits.
      if (i < expected.length) logits.forEach((v, k) => expect(Math.abs(v - expected[i]![k]!)).toBeLessThan(2e-2));
    }
    expect(expected).toHaveLength(100);
    expect(right).toBeGreaterThan(970);
    await program.dispose();
  });

  test('read into a graph of ours, it gives the same', async () => {
    const { inputs, outputs } = fromOnnx(join(data, 'mnist_onnx/mnist-8.onnx'));
    const program = await compile({ logits: Object.values(outputs)[0]! });
    const image = hostTensor(images().slice(0, 784), [1, 1, 28, 28]);
    const { logits } = await program.run({ [inputs[0]!.name!]: image });
    numbers(logits!).forEach((v, k) => expect(Math.abs(v - expected[0]![k]!)).toBeLessThan(2e-2));
    await program.dispose();
  });
});

describe.skipIf(!existsSync(join(data, 'squeezenet_fp16')))('SqueezeNet in float16 (needs ../shared)', () => {
  interface Case {
    readonly file: string;
    readonly label: number;
    readonly top5: readonly number[];
    readonly top5_prob: readonly number[];
  }
  test('names the photographs as its source does: 13 of 20 at first guess, 19 among five', async () => {
    const { cases, top1, top5 } = json<{ cases: Case[]; top1: number; top5: number }>(
      'imagenet_samples/expected_squeezenet.json',
    );
    const program = await compile(join(data, 'squeezenet_fp16/SqueezeNet_fp16.onnx'));
    const [spec] = program.inputs;
    const size = 224 * 224;
    let [first, five] = [0, 0];
    for (const { file, label, top5: expected, top5_prob } of cases) {
      const image = readPng(readFileSync(join(data, 'imagenet_samples', file)));
      expect([image.width, image.height]).toEqual([224, 224]);
      const pixels = new Uint16Array(3 * size);
      [104, 117, 123].forEach((mean, c) => {
        for (let i = 0; i < size; i++) pixels[c * size + i] = halfOf(image.data[3 * i + 2 - c]! - mean); // BGR
      });
      const [out] = Object.values(await program.run({ [spec!.name]: hostTensor(pixels, [1, 3, 224, 224], 'float16') }));
      const found = numbers(out!);
      const order = found.map((p, i) => [p, i] as const).toSorted((a, b) => b[0] - a[0]);
      expect(order[0]![1], file).toBe(expected[0]);
      // float16 has three digits.
      expect(Math.abs(order[0]![0] - top5_prob[0]!), file).toBeLessThan(5e-3);
      first += Number(order[0]![1] === label);
      five += Number(order.slice(0, 5).some(([, i]) => i === label));
    }
    expect([first, five]).toEqual([top1, top5]);
    await program.dispose();
  });
});
