// Models of others, read and written again, compute what they did before, bit for bit; and files of every layout run.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  constant,
  fromOnnx,
  input,
  max,
  mul,
  softmax,
  sum,
  toOnnx,
  writeOnnx,
  type Data,
  type OnnxModel,
  type Tensor,
} from '../packages/graph/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../packages/runtime/src/index.ts';
import { sharedPath } from './fixtures.ts';
import { untar } from './tar.ts';

const again = (m: OnnxModel): Uint8Array => toOnnx(m.outputs, { inputs: m.inputs, metadata: m.metadata });
const bits = ({ data, shape, dtype }: HostTensor): string =>
  `${dtype} ${shape.join()} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')}`;

async function run(
  model: Uint8Array | string | Record<string, Tensor>,
  feeds: Record<string, HostTensor>,
): Promise<Record<string, HostTensor>> {
  const program = await compile(model, { threads: 1 });
  try {
    return await program.run(feeds);
  } finally {
    await program.dispose();
  }
}
const sameBits = (a: Record<string, HostTensor>, b: Record<string, HostTensor>): void => {
  expect(Object.keys(b).sort()).toEqual(Object.keys(a).sort());
  for (const [name, value] of Object.entries(a)) expect(bits(b[name]!), name).toBe(bits(value));
};

/** A stored TensorProto, by way of a model that has it as its only constant. */
function stored(pb: Uint8Array): HostTensor | null {
  const field = (number: number, inside: Uint8Array): Buffer => {
    const size: number[] = [];
    let n = inside.length;
    for (; n > 127; n >>>= 7) size.push((n & 127) | 128);
    return Buffer.concat([Buffer.of((number << 3) | 2, ...size, n), inside]);
  };
  const name = field(1, Buffer.from('t'));
  const named = Buffer.concat([pb, field(8, Buffer.from('t'))]);
  const graph = field(7, Buffer.concat([field(5, named), field(12, name)]));
  const { data, shape, dtype } = fromOnnx(Buffer.concat([graph, field(8, Buffer.of(16, 20))])).outputs['t']!;
  return data && hostTensor(data, shape as number[], dtype);
}

const mnist = sharedPath('data/mnist_onnx');
describe.skipIf(!existsSync(mnist))('MNIST of others (needs ../shared)', () => {
  test.each(['mnist-8.onnx', 'mnist-winml.onnx'])('%s gives the same logits read and written again', async (name) => {
    const bytes = readFileSync(join(mnist, name));
    const image = Float32Array.from({ length: 784 }, (_, i) => (i * 37) % 256);
    const feeds = { Input3: hostTensor(image, [1, 1, 28, 28]) };
    const written = again(fromOnnx(bytes));
    sameBits(await run(bytes, feeds), await run(written, feeds));
    expect(Buffer.compare(again(fromOnnx(written)), written)).toBe(0);
  });
});

const archive = sharedPath('data/onnx_node_tests/node.tar.gz');
describe.skipIf(!existsSync(archive))('the ONNX project’s own cases (needs ../shared)', () => {
  const files = existsSync(archive) ? untar(readFileSync(archive)) : new Map<string, Uint8Array>();
  const cases = [...files.keys()]
    .filter((f) => f.endsWith('/model.onnx'))
    .map((f) => f.slice(0, -'/model.onnx'.length));
  const usable = (x: Tensor): boolean => {
    try {
      return Boolean(x.dtype && x.shape);
    } catch {
      return false; // strings, sequences, optional values
    }
  };

  test('all are read, and written to bytes that are read to the same bytes', () => {
    expect(cases.length).toBeGreaterThan(700);
    for (const name of cases) {
      const written = again(fromOnnx(files.get(`${name}/model.onnx`)!));
      expect(Buffer.compare(again(fromOnnx(written)), written), name).toBe(0);
    }
  });

  // All but those that make random numbers, that the engine doesn't have, or that take or give no tensors of numbers.
  const skip = /bernoulli|random|dropout|adagrad|adam|momentum|gradient/;
  const chosen = cases.filter((name) => {
    if (skip.test(name)) return false;
    const { inputs, outputs } = fromOnnx(files.get(`${name}/model.onnx`)!);
    return [...inputs, ...Object.values(outputs)].every(usable);
  });
  test('nearly all of them run', () => expect(chosen.length).toBeGreaterThan(640));
  test.each(chosen)('%s computes the same', async (name) => {
    const bytes = files.get(`${name}/model.onnx`)!;
    const model = fromOnnx(bytes);
    const feeds: Record<string, HostTensor> = {};
    model.inputs.forEach((x, i) => {
      feeds[x.name!] = stored(files.get(`${name}/test_data_set_0/input_${i}.pb`)!)!;
    });
    sameBits(await run(bytes, feeds), await run(again(model), feeds));
  });
});

describe('what is written runs:', () => {
  const folder = mkdtempSync(join(tmpdir(), 'brickwork-roundtrip-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const x = input('x', ['B', 2048]);
  const values = hostTensor(
    Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i)),
    [2, 2048],
  );
  const wave = (f: number): Tensor => constant(Float32Array.from({ length: 2048 }, (_, i) => Math.cos(f * i)));
  const outputs = { y: softmax(mul(x, wave(1)).add(wave(2))), top: max(x, [1]), total: sum(x) };

  test.each([17, 18, 19, 20, 21, 22, 23])('opset %i', async (opset) => {
    sameBits(await run(outputs, { x: values }), await run(toOnnx(outputs, { opset }), { x: values }));
  });

  test('constants in a file beside the model, read by the engine and by fromOnnx', async () => {
    const path = join(folder, 'm.onnx');
    await writeOnnx(path, outputs, { externalData: { limit: 0 } });
    expect(statSync(`${path}.data`).size).toBe(2 * 8192);
    const expected = await run(outputs, { x: values });
    sameBits(expected, await run(path, { x: values }));
    const read = fromOnnx(path);
    expect(read.outputs['y']!.shape).toEqual(['B', 2048]);
    sameBits(expected, await run(again(read), { x: values }));
  });

  test('an input that is an output, a value that is two outputs, a constant output, and an input nobody reads', async () => {
    const y = x.neg();
    const unread = input('unread', [1]);
    const model = toOnnx({ x, y, again: y, one: constant(Int32Array.of(5)) }, { inputs: [unread, x] });
    const out = await run(model, { x: values, unread: hostTensor(Float32Array.of(0)) });
    expect(bits(out['x']!)).toBe(bits(values));
    expect(bits(out['y']!)).toBe(bits(out['again']!));
    expect(out['one']!.data).toEqual(Int32Array.of(5));
  });

  test('constants of all element types keep their bits', async () => {
    const list: [Data, Parameters<typeof constant>[2]?][] = [
      [Float64Array.of(1e300, NaN)],
      [Int8Array.of(-128, 127)],
      [Uint8Array.of(0, 255)],
      [Int16Array.of(-32768, 1)],
      [Uint16Array.of(65535, 1)],
      [Uint32Array.of(2 ** 32 - 1, 1)],
      [BigInt64Array.of(-(2n ** 63n), 1n)],
      [BigUint64Array.of(2n ** 64n - 1n, 1n)],
      [Uint8Array.of(1, 0), 'bool'],
      [Uint16Array.of(0x3c00, 0x7e00), 'float16'],
    ];
    const constants = list.map(([data, dtype]) => constant(data, [2], dtype));
    const out = await run({ y: x.neg(), ...Object.fromEntries(constants.map((c, i) => [`c${i}`, c])) }, { x: values });
    constants.forEach(({ data, dtype }, i) => {
      const found = out[`c${i}`]!;
      const raw = (d: ArrayBufferView): Buffer => Buffer.from(d.buffer, d.byteOffset, d.byteLength);
      expect([found.dtype, raw(found.data).toString('hex')]).toEqual([dtype, raw(data!).toString('hex')]);
    });
  });
});
