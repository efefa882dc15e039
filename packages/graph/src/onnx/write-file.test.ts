import { fromBinary } from '@bufbuild/protobuf';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { constant, fromOnnx, input, mul, toOnnx, writeOnnx, type Tensor } from '../index.ts';
import { ModelProtoSchema } from './onnx_pb.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-write-'));
afterAll(() => rmSync(root, { recursive: true }));
const folder = (): string => mkdtempSync(join(root, 'f'));
const range = (n: number, from = 0): Tensor => constant(Float32Array.from({ length: n }, (_, i) => from + i));
const graph = (n = 3000): Record<string, Tensor> => ({
  y: mul(input('x', [n]), range(n))
    .add(range(n, 7))
    .add(constant(Float32Array.of(0.5))),
});
const always = { externalData: { limit: 0 } };

test('a small model is one file, the same as toOnnx gives', async () => {
  const at = folder();
  await writeOnnx(join(at, 'm.onnx'), graph(), { opset: 18 });
  expect(readdirSync(at)).toEqual(['m.onnx']);
  expect(Buffer.compare(readFileSync(join(at, 'm.onnx')), toOnnx(graph(), { opset: 18 }))).toBe(0);
});

test('above the limit, large constants are pages of a file beside the model; small ones stay', async () => {
  const at = folder();
  await writeOnnx(join(at, 'm.onnx'), graph(), always);
  expect(readdirSync(at).sort()).toEqual(['m.onnx', 'm.onnx.data']);
  const { initializer } = fromBinary(ModelProtoSchema, readFileSync(join(at, 'm.onnx'))).graph!;
  const places = initializer.map((t) => Object.fromEntries(t.externalData.map((e) => [e.key, e.value])));
  expect(places).toEqual([
    { location: 'm.onnx.data', offset: '0', length: '12000' },
    { location: 'm.onnx.data', offset: '12288', length: '12000' },
    {},
  ]);
  expect(initializer.map((t) => [t.dataLocation, t.rawData?.length])).toEqual([
    [1, undefined],
    [1, undefined],
    [0, 4],
  ]);
  expect(statSync(join(at, 'm.onnx.data')).size).toBe(12288 + 12000);
});

test('what was written is read back with the same values, and gives the same files again', async () => {
  const at = folder();
  const path = join(at, 'm.onnx');
  await writeOnnx(path, graph(), always);
  const files = (): Buffer[] => [readFileSync(path), readFileSync(`${path}.data`)];
  const before = files();
  const read = fromOnnx(path);
  const add = read.outputs['y']!.node!.inputs[0]!.node!;
  expect(add.inputs[1]!.data).toEqual(range(3000, 7).data);
  await writeOnnx(path, read.outputs, { ...always, inputs: read.inputs });
  expect(files()).toEqual(before);
});

test('constants are in the file once, however often they are used', async () => {
  const at = folder();
  const x = input('x', [3000]);
  await writeOnnx(join(at, 'm.onnx'), { y: mul(x, range(3000)), z: x.add(range(3000)) }, always);
  expect(statSync(join(at, 'm.onnx.data')).size).toBe(12000);
});

test('a model replaces one of before, data included', async () => {
  const path = join(folder(), 'm.onnx');
  await writeOnnx(path, graph(3000), always);
  await writeOnnx(path, graph(5000), always);
  expect(fromOnnx(path).inputs[0]!.shape).toEqual([5000]);
});

test('where writing fails, what was there stays and nothing is added', async () => {
  const at = folder();
  const path = join(at, 'm.onnx');
  writeFileSync(path, 'before');
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(writeOnnx(path, graph(), { ...always, signal: stop })).rejects.toThrow('enough');
  await expect(writeOnnx(path, {}, always)).rejects.toThrow(/no outputs/);
  await expect(writeOnnx(path, graph(), { externalData: { limit: -1 } })).rejects.toThrow(/limit is -1/);
  await expect(writeOnnx(join(at, 'gone', 'm.onnx'), graph(), always)).rejects.toThrow(/ENOENT/);
  expect(readdirSync(at)).toEqual(['m.onnx']);
  expect(readFileSync(path, 'utf8')).toBe('before');
});

test('stopped in the middle, it leaves what was there', async () => {
  const at = folder();
  const path = join(at, 'm.onnx');
  await writeOnnx(path, graph(3000), always);
  const before = readFileSync(`${path}.data`);
  // The signal's reason is asked for at every piece that is written; the third time is in the data.
  let asked = 0;
  const signal = { throwIfAborted: () => ++asked < 4 || fail() } as unknown as AbortSignal;
  const fail = (): never => {
    throw new Error('stopped');
  };
  await expect(writeOnnx(path, graph(5000), { ...always, signal })).rejects.toThrow('stopped');
  expect(readdirSync(at).sort()).toEqual(['m.onnx', 'm.onnx.data']);
  expect(readFileSync(`${path}.data`)).toEqual(before);
  expect(fromOnnx(path).inputs[0]!.shape).toEqual([3000]);
});
