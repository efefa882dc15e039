import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { absent, fromOnnx, gradients, input, mul, OnnxError, softmax, sum, toOnnx, type Tensor } from '../index.ts';
import { ModelProtoSchema, type GraphProto } from './onnx_pb.ts';

const shared = new URL('../../../../../shared/', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'brickwork-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Messages as plain objects, without those that are already made.
type Plain<T> = Exclude<NonNullable<T>, { $typeName: string }>;
type Init = Plain<MessageInitShape<typeof ModelProtoSchema>>;
type GraphInit = Plain<Init['graph']>;
type NodeInit = Plain<NonNullable<GraphInit['node']>[number]>;
type InfoInit = Plain<NonNullable<GraphInit['input']>[number]>;
type TensorInit = Plain<NonNullable<GraphInit['initializer']>[number]>;
const opsetImport = [{ domain: '', version: 20n }];
const encode = (model: Init): Uint8Array => toBinary(ModelProtoSchema, create(ModelProtoSchema, model));
const model = (graph: GraphInit, more: Init = {}): Uint8Array =>
  encode({ irVersion: 10n, opsetImport, graph, ...more });
const info = (name: string, dims?: readonly (bigint | string)[], elemType = 1): InfoInit => ({
  name,
  type: {
    value: {
      case: 'tensorType',
      value: {
        elemType,
        ...(dims && {
          shape: {
            dim: dims.map((d) => ({
              value:
                typeof d === 'bigint'
                  ? { case: 'dimValue', value: d }
                  : d
                    ? { case: 'dimParam', value: d }
                    : { case: undefined },
            })),
          },
        }),
      },
    },
  },
});
const node = (opType: string, inputs: string[], outputs: string[]): NodeInit => ({
  opType,
  input: inputs,
  output: outputs,
});
const copy = (m: { outputs: Readonly<Record<string, Tensor>>; inputs: readonly Tensor[] }): GraphProto =>
  fromBinary(ModelProtoSchema, toOnnx(m.outputs, { inputs: m.inputs })).graph!;
/** A model whose only value is one tensor. */
const one = (t: TensorInit, more: Init = {}): Uint8Array =>
  model({ initializer: [{ name: 'w', ...t }], node: [node('Identity', ['w'], ['y'])], output: [info('y')] }, more);
const dataOf = (bytes: Uint8Array, o?: { folder: string }): Tensor => fromOnnx(bytes, o).outputs['y']!.node!.inputs[0]!;

describe('what toOnnx wrote is read', () => {
  const x = input('x', ['B', 8]);
  const y = softmax(mul(x, 2).matmul(input('w', [8, 8])));
  const bytes = toOnnx({ y, loss: sum(y) }, { opset: 18, name: 'small', metadata: { made: 'here', __proto__x: '1' } });
  const read = fromOnnx(bytes);

  test('names, shapes, types, operator set and metadata', () => {
    expect(read.inputs.map((t) => [t.name, t.shape, t.dtype])).toEqual([
      ['x', ['B', 8], 'float32'],
      ['w', [8, 8], 'float32'],
    ]);
    expect(Object.keys(read.outputs)).toEqual(['y', 'loss']);
    expect(read.outputs['y']!.shape).toEqual(['B', 8]);
    expect([read.opset, read.name]).toEqual([18, 'small']);
    expect(read.metadata).toEqual({ made: 'here', __proto__x: '1' });
  });

  test('and gives the same bytes when it is written again', () => {
    const again = toOnnx(read.outputs, { inputs: read.inputs, name: read.name, metadata: read.metadata });
    expect(Buffer.compare(again, bytes)).toBe(0);
  });

  test('an operator without a gradient is named when it is differentiated', () => {
    expect(() => gradients(read.outputs['loss']!, [...read.inputs])).toThrow(/ReduceSum has no gradient/);
  });

  test('it can be built upon', () => {
    const g = copy({ inputs: read.inputs, outputs: { z: read.outputs['y']!.mul(3) } });
    expect(g.node.map((n) => n.opType)).toEqual(['Mul', 'MatMul', 'Softmax', 'Mul']);
  });

  test('but only with the operator set of its file', () => {
    expect(() => toOnnx(read.outputs, { opset: 20 })).toThrow(/nodes from a file of opset 18/);
    const other = fromOnnx(toOnnx({ y }, { opset: 20 }));
    const w = other.outputs['y']!;
    expect(() => toOnnx({ a: read.outputs['y']!, b: w })).toThrow(/opsets 18 and 20|two inputs/);
  });
});

test('an old file keeps its operator set, and operators of this package can’t join it', () => {
  const bytes = model(
    { input: [info('x', [2n])], node: [node('Relu', ['x'], ['y'])], output: [info('y', [2n])] },
    { opsetImport: [{ domain: 'ai.onnx', version: 8n }], irVersion: 3n },
  );
  const read = fromOnnx(bytes);
  expect(read.opset).toBe(8);
  expect(fromBinary(ModelProtoSchema, toOnnx(read.outputs)).opsetImport[0]!.version).toBe(8n);
  expect(() => toOnnx({ z: read.outputs['y']!.neg() })).toThrow(/opset 8, but Neg needs 17/);
});

test('an input with a default is a constant', () => {
  const w: TensorInit = { name: 'w', dims: [2n], dataType: 1, floatData: [1, 2] };
  const read = fromOnnx(
    model({
      input: [info('x', [2n]), info('w', [2n])],
      initializer: [w],
      node: [node('Mul', ['x', 'w'], ['y'])],
      output: [info('y', [2n])],
    }),
  );
  expect(read.inputs.map((t) => t.name)).toEqual(['x']);
  expect(read.outputs['y']!.node!.inputs[1]!.data).toEqual(Float32Array.of(1, 2));
});

test('nodes in any order are sorted; left-out inputs and outputs stay left out', () => {
  const read = fromOnnx(
    model({
      input: [info('x', [2n])],
      node: [node('B', ['', 'm', ''], ['', 'y']), node('A', ['x'], ['m'])],
      output: [info('y', [2n])],
    }),
  );
  expect(read.outputs['y']!.node!.inputs[0]).toBe(absent);
  expect(copy(read).node.map((n) => [n.opType, n.input, n.output])).toEqual([
    ['A', ['x'], ['m']],
    ['B', ['', 'm'], ['', 'y']],
  ]);
});

test('an operator that happens to be called Alias is written like any other', () => {
  const read = fromOnnx(
    model(
      {
        input: [info('x', [2n])],
        node: [{ ...node('Alias', ['x'], ['y']), domain: 'my.own' }],
        output: [info('y', [2n])],
      },
      { opsetImport: [...opsetImport, { domain: 'my.own', version: 3n }] },
    ),
  );
  const again = fromBinary(ModelProtoSchema, toOnnx(read.outputs));
  expect(again.graph!.node.map((n) => [n.opType, n.domain])).toEqual([['Alias', 'my.own']]);
  expect(again.opsetImport.map((o) => [o.domain, o.version])).toEqual([
    ['', 20n],
    ['my.own', 3n],
  ]);
});

test('axes of unknown size get a name each; unknown shapes and types throw when asked for', () => {
  const read = fromOnnx(
    model({
      input: [info('x', ['', 3n, '', 'T', -1n]), info('any'), info('text', [2n], 8)],
      node: [node('Foo', ['x', 'any', 'text'], ['m']), node('Foo', ['m'], ['y'])],
      output: [info('y', [2n])],
    }),
  );
  const [x, any, text] = read.inputs as [Tensor, Tensor, Tensor];
  expect(x.shape).toEqual(['?0', 3, '?1', 'T', '?2']);
  expect(() => any.neg()).toThrow(/shape can't be known/);
  expect(() => text.dtype).toThrow(/text .*dtype can't be known/);
  const middle = read.outputs['y']!.node!.inputs[0]!;
  expect(() => middle.matmul(middle)).toThrow(/m has no type in the ONNX file/);
  // It is an output all the same; the engine finds its type.
  expect(copy({ inputs: read.inputs, outputs: { m: middle } }).output[0]!.type).toBeUndefined();
});

describe('constants of every kind', () => {
  const raw = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
  test.each<[string, TensorInit, Tensor['data'], string]>([
    ['float32 in a list', { dataType: 1, dims: [2n], floatData: [1.5, -0] }, Float32Array.of(1.5, -0), 'float32'],
    ['float32 raw', { dataType: 1, dims: [1n], rawData: raw(0, 0, 192, 63) }, Float32Array.of(1.5), 'float32'],
    ['float64', { dataType: 11, dims: [1n], doubleData: [1e300] }, Float64Array.of(1e300), 'float64'],
    ['int64', { dataType: 7, dims: [2n], int64Data: [-(2n ** 63n), 5n] }, BigInt64Array.of(-(2n ** 63n), 5n), 'int64'],
    ['uint64', { dataType: 13, dims: [1n], uint64Data: [2n ** 64n - 1n] }, BigUint64Array.of(2n ** 64n - 1n), 'uint64'],
    ['uint32', { dataType: 12, dims: [1n], uint64Data: [4294967295n] }, Uint32Array.of(4294967295), 'uint32'],
    ['int32', { dataType: 6, dims: [1n], int32Data: [-7] }, Int32Array.of(-7), 'int32'],
    ['int8', { dataType: 3, dims: [1n], int32Data: [-128] }, Int8Array.of(-128), 'int8'],
    ['uint8', { dataType: 2, dims: [1n], int32Data: [255] }, Uint8Array.of(255), 'uint8'],
    ['int16', { dataType: 5, dims: [1n], rawData: raw(1, 255) }, Int16Array.of(-255), 'int16'],
    ['uint16', { dataType: 4, dims: [1n], int32Data: [65535] }, Uint16Array.of(65535), 'uint16'],
    ['bool', { dataType: 9, dims: [2n], int32Data: [1, 0] }, Uint8Array.of(1, 0), 'bool'],
    ['float16 as bits', { dataType: 10, dims: [1n], int32Data: [0x3c00] }, Uint16Array.of(0x3c00), 'float16'],
    ['bfloat16 as bits', { dataType: 16, dims: [1n], rawData: raw(0x80, 0x3f) }, Uint16Array.of(0x3f80), 'bfloat16'],
    ['a scalar', { dataType: 1, floatData: [3] }, Float32Array.of(3), 'float32'],
    ['nothing', { dataType: 1, dims: [0n, 5n] }, new Float32Array(), 'float32'],
    ['nothing, of a size beyond all', { dataType: 1, dims: [0n, 2n ** 52n, 2n ** 52n] }, new Float32Array(), 'float32'],
  ])('%s', (_, t, data, dtype) => {
    const w = dataOf(one(t));
    expect(w.data).toEqual(data);
    expect(w.dtype).toBe(dtype);
    expect(w.shape).toEqual((t.dims ?? []).map(Number));
  });

  test('changing the bytes that were read doesn’t change the constant', () => {
    const bytes = one({ dataType: 2, dims: [4n], rawData: raw(1, 2, 3, 4) });
    const w = dataOf(bytes);
    bytes.fill(0);
    expect(w.data).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  test('strings, 4-bit and complex numbers pass through', () => {
    const text = new TextEncoder().encode('héllo');
    const list: TensorInit[] = [
      { name: 'a', dataType: 8, dims: [1n], stringData: [text] },
      { name: 'b', dataType: 22, dims: [3n], int32Data: [0x21, 3] },
      { name: 'c', dataType: 21, dims: [3n], rawData: raw(0x21, 3) },
      { name: 'd', dataType: 14, dims: [1n], floatData: [1, 2] },
    ];
    const read = fromOnnx(
      model({ initializer: list, node: [node('Foo', ['a', 'b', 'c', 'd'], ['y'])], output: [info('y')] }),
    );
    const again = copy(read).node.flatMap((n) => n.attribute.map((a) => a.t!));
    expect(again.map((t) => t.dataType)).toEqual([8, 22, 21, 14]);
    expect([again[0]!.stringData, again[1]!.int32Data, again[3]!.floatData]).toEqual([[text], [0x21, 3], [1, 2]]);
  });

  test('Constant nodes of numbers are constants', () => {
    const attribute = [
      { name: 'value_int', type: 2, i: 0n },
      { name: 'value_float', type: 1, f: 0.5 },
      { name: 'value_ints', type: 7, ints: [3n, 4n] },
      { name: 'value', type: 4, t: { dataType: 9, dims: [1n], int32Data: [1] } },
    ];
    const names = attribute.map((a) => a.name);
    const constants = attribute.map((a) => ({ ...node('Constant', [], [a.name]), attribute: [a] }));
    const read = fromOnnx(model({ node: [...constants, node('Foo', names, ['y'])], output: [info('y')] }));
    const found = read.outputs['y']!.node!.inputs.map((t) => [t.dtype, t.shape, ...t.data!]);
    expect(found).toEqual([
      ['int64', [], 0n],
      ['float32', [], 0.5],
      ['int64', [2], 3n, 4n],
      ['bool', [1], 1],
    ]);
  });
});

test('a subgraph’s own names hide nothing outside, and what it reads from outside follows its new name', () => {
  const branch = (name: string): GraphInit => ({
    name,
    node: [node('Neg', ['x'], ['inner']), node('Add', ['inner', 'm'], ['result'])],
    output: [info('result')],
  });
  const attribute = [
    { name: 'then_branch', type: 5, g: branch('then') },
    { name: 'else_branch', type: 5, g: branch('else') },
  ];
  const read = fromOnnx(
    model({
      input: [info('x', [2n]), info('c', [], 9)],
      // The node that gives m comes after the one whose branches read it.
      node: [{ ...node('If', ['c'], ['y']), attribute }, node('Abs', ['x'], ['m'])],
      output: [info('y', [2n])],
    }),
  );
  const g = copy({ inputs: read.inputs, outputs: { result: read.outputs['y']!, inner: read.inputs[0]!.neg() } });
  expect(g.node.map((n) => n.opType)).toEqual(['Abs', 'If', 'Neg']);
  const [abs, choice] = g.node;
  const made = [...g.node.flatMap((n) => n.output), ...g.input.map((i) => i.name)];
  for (const { g: b } of choice!.attribute) {
    expect(b!.node[0]!.input).toEqual(['x']);
    expect(b!.node[1]!.input).toEqual([b!.node[0]!.output[0], abs!.output[0]]);
    expect(b!.output[0]!.name).toBe(b!.node[1]!.output[0]);
    made.push(...b!.node.flatMap((n) => n.output));
  }
  expect(new Set(made).size).toBe(made.length);
});

test('functions that the file defines are written again', () => {
  const bytes = model(
    { input: [info('x', [2n])], node: [{ ...node('Twice', ['x'], ['y']), domain: 'own' }], output: [info('y', [2n])] },
    {
      opsetImport: [...opsetImport, { domain: 'own', version: 1n }],
      functions: [
        {
          name: 'Twice',
          domain: 'own',
          input: ['a'],
          output: ['b'],
          node: [node('Add', ['a', 'a'], ['b'])],
          opsetImport,
        },
      ],
    },
  );
  const again = fromBinary(ModelProtoSchema, toOnnx(fromOnnx(bytes).outputs));
  expect(again.functions.map((f) => [f.domain, f.name, f.node[0]!.opType])).toEqual([['own', 'Twice', 'Add']]);
});

describe('constants in files beside the model', () => {
  writeFileSync(
    join(folder, 'weights.bin'),
    Uint8Array.from({ length: 64 }, (_, i) => i),
  );
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'sub', 'w.bin'), Uint8Array.of(9, 8));
  const external = (entries: Record<string, string>, t: TensorInit = {}): Uint8Array =>
    one({
      dataType: 2,
      dims: [4n],
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
      ...t,
    });

  test('are read from their place, also in a folder below', () => {
    const w = dataOf(external({ location: 'weights.bin', offset: '10', length: '4', checksum: 'x' }), { folder });
    expect(w.data).toEqual(Uint8Array.of(10, 11, 12, 13));
    expect(dataOf(external({ location: 'sub/w.bin' }, { dims: [2n] }), { folder }).data).toEqual(Uint8Array.of(9, 8));
    const path = join(folder, 'm.onnx');
    writeFileSync(path, external({ location: 'weights.bin', offset: '4', length: '8' }, { dataType: 1, dims: [2n] }));
    expect(fromOnnx(path).outputs['y']!.node!.inputs[0]!.data!.byteLength).toBe(8);
  });

  test('are read in attributes and subgraphs too', () => {
    const t = { dataType: 2, dims: [2n], dataLocation: 1, externalData: [{ key: 'location', value: 'sub/w.bin' }] };
    const body = { initializer: [{ ...t, name: 'k' }], output: [info('k')] };
    const attribute = [
      { name: 'value', type: 4, t },
      { name: 'body', type: 5, g: body },
    ];
    const read = fromOnnx(model({ node: [{ ...node('Foo', [], ['y']), attribute }], output: [info('y')] }), { folder });
    const [a, b] = copy(read).node[0]!.attribute;
    expect([a!.t!.rawData, b!.g!.initializer[0]!.rawData]).toEqual([Uint8Array.of(9, 8), Uint8Array.of(9, 8)]);
  });

  test.each<[string, Record<string, string>, TensorInit, RegExp]>([
    ['an absolute path', { location: '/etc/passwd' }, {}, /outside the model's folder/],
    ['a path upwards', { location: 'sub/../../secret' }, {}, /outside the model's folder/],
    ['a Windows path upwards', { location: 'sub\\..\\..\\secret' }, {}, /outside the model's folder/],
    ['a drive', { location: 'C:secret' }, {}, /outside the model's folder/],
    ['a zero in the path', { location: 'a\0b' }, {}, /outside the model's folder/],
    ['no location', { offset: '0' }, {}, /without a location/],
    ['a file that isn’t there', { location: 'gone.bin' }, {}, /can't read .*gone.bin/],
    ['a folder', { location: 'sub' }, {}, /no plain file/],
    ['an offset past the end', { location: 'weights.bin', offset: '61', length: '4' }, {}, /past the end/],
    ['an offset far past the end', { location: 'weights.bin', offset: '9007199254740991' }, {}, /needs 4 bytes, but 0/],
    ['a negative offset', { location: 'weights.bin', offset: '-4', length: '4' }, {}, /external offset is "-4"/],
    ['an offset in words', { location: 'weights.bin', offset: '1e1', length: '4' }, {}, /external offset is "1e1"/],
    ['another length', { location: 'weights.bin', length: '5' }, {}, /needs 4 bytes, but 5/],
    ['2^50 values', { location: 'weights.bin', length: String(2 ** 50) }, { dims: [2n ** 50n] }, /past the end/],
    [
      'values in both places',
      { location: 'weights.bin', length: '4' },
      { int32Data: [1] },
      /in the model and in another/,
    ],
    ['strings', { location: 'weights.bin' }, { dataType: 8 }, /strings in another file/],
  ])('%s is refused', (_, entries, t, message) => {
    expect(() => fromOnnx(external(entries, t), { folder })).toThrow(message);
    expect(() => fromOnnx(external(entries, t), { folder })).toThrow(OnnxError);
  });

  test.skipIf(process.platform === 'win32')('a named pipe is refused at once', () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(() => fromOnnx(external({ location: 'pipe' }), { folder })).toThrow(/no plain file/);
    expect(() => fromOnnx(join(folder, 'pipe'))).toThrow(/no plain file/);
  });

  test('need the model’s folder', () => {
    expect(() => fromOnnx(external({ location: 'weights.bin' }))).toThrow(
      /give fromOnnx the model's path, or its folder/,
    );
  });
});

describe('a damaged or hostile model is refused with a clear error:', () => {
  const y = [info('y', [2n])];
  const x = [info('x', [2n])];
  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /has no graph/],
    ['text', new TextEncoder().encode('{"not": "a model"}'), /isn't an ONNX model/],
    [
      'a length past the end',
      Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1),
      /isn't an ONNX model, or not all of it/,
    ],
    ['no outputs', model({ input: x }), /without outputs/],
    [
      'no operator set',
      encode({ irVersion: 8n, graph: { input: x, node: [node('A', ['x'], ['y'])], output: y } }),
      /no version/,
    ],
    [
      'an operator set twice',
      model({ output: x, input: x }, { opsetImport: [...opsetImport, ...opsetImport] }),
      /twice/,
    ],
    ['version -1', model({ output: x, input: x }, { opsetImport: [{ version: -1n }] }), /version -1/],
    [
      'an unknown domain',
      model({ input: x, node: [{ ...node('A', ['x'], ['y']), domain: 'z' }], output: y }),
      /no version of z/,
    ],
    ['no operator', model({ input: x, node: [node('', ['x'], ['y'])], output: y }), /names no operator/],
    [
      'a dangling input',
      model({ input: x, node: [node('A', ['q'], ['y'])], output: y }),
      /A "y" reads "q", which nothing/,
    ],
    ['a dangling output', model({ input: x, output: y }), /output "y", which nothing/],
    ['a value twice', model({ input: x, node: [node('A', ['x'], ['y', 'y'])], output: y }), /defines "y" twice/],
    ['an input twice', model({ input: [...x, ...x], output: x }), /defines "x" twice/],
    ['an input without a name', model({ input: [info('')], output: x }), /input without a name/],
    ['an input computed again', model({ input: x, node: [node('A', ['x'], ['x'])], output: x }), /defines "x" twice/],
    ['an output twice', model({ input: x, output: [...x, ...x] }), /two outputs "x"/],
    ['a node that reads itself', model({ node: [node('A', ['y'], ['y'])], output: y }), /cycle: A "y"/],
    [
      'nodes in a circle',
      model({ node: [node('A', ['b'], ['a']), node('B', ['a'], ['b']), node('C', ['b'], ['y'])], output: y }),
      /cycle: A "a", which reads B "b", which reads the first again/,
    ],
    ['a negative dim', one({ dataType: 1, dims: [-1n], rawData: new Uint8Array(4) }), /dims \[-1\]/],
    ['dims that overflow', one({ dataType: 1, dims: [2n ** 40n, 2n ** 40n] }), /more than any file holds/],
    [
      'dims that wrap to a small number',
      one({ dataType: 1, dims: [2n ** 32n, 2n ** 32n], rawData: new Uint8Array(4) }),
      /more than/,
    ],
    [
      'too many dims for the data',
      one({ dataType: 1, dims: [2n ** 40n], rawData: new Uint8Array(4) }),
      /needs 4398046511104 bytes/,
    ],
    [
      'raw data too short',
      one({ dataType: 1, dims: [2n], rawData: new Uint8Array(7) }),
      /needs 8 bytes of raw data, and has 7/,
    ],
    [
      'raw data too long',
      one({ dataType: 1, dims: [2n], rawData: new Uint8Array(9) }),
      /needs 8 bytes of raw data, and has 9/,
    ],
    ['a list too short', one({ dataType: 1, dims: [2n], floatData: [1] }), /needs 2 values, and has 1/],
    ['no data', one({ dataType: 1, dims: [2n] }), /needs 2 values, and has 0/],
    ['data twice', one({ dataType: 1, dims: [1n], floatData: [1], rawData: new Uint8Array(4) }), /twice/],
    ['data in the wrong list', one({ dataType: 1, dims: [1n], int32Data: [1] }), /in int32Data/],
    ['a byte of 300', one({ dataType: 2, dims: [1n], int32Data: [300] }), /value 300, which is no uint8/],
    ['an unknown element type', one({ dataType: 99, dims: [1n] }), /element type 99/],
    ['an unknown place', one({ dataType: 1, dims: [1n], dataLocation: 2, floatData: [1] }), /data location 2/],
    ['segments', one({ dataType: 1, dims: [1n], segment: { begin: 0n, end: 1n }, floatData: [1] }), /segments/],
    ['raw strings', one({ dataType: 8, dims: [1n], rawData: new Uint8Array(4) }), /raw strings/],
    [
      'an axis beyond numbers',
      model({ input: [info('x', [2n ** 60n])], output: [info('x')] }),
      /axis of 1152921504606846976/,
    ],
    [
      'half a sparse tensor',
      model({ sparseInitializer: [{ values: { name: 'w' } }], input: x, output: x }),
      /sparse tensor without/,
    ],
    [
      'a bad tensor in a subgraph',
      model({
        input: x,
        node: [
          {
            ...node('If', ['x'], ['y']),
            attribute: [{ name: 'b', g: { initializer: [{ name: 't', dataType: 1, dims: [9n] }] } }],
          },
        ],
        output: y,
      }),
      /tensor "t" \[9\] needs 9 values/,
    ],
    [
      'a dangling name in a subgraph',
      model({
        input: x,
        node: [{ ...node('If', ['x'], ['y']), attribute: [{ name: 'b', g: { node: [node('A', ['gone'], ['r'])] } }] }],
        output: y,
      }),
      /reads "gone"/,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => fromOnnx(bytes)).toThrow(message);
    expect(() => fromOnnx(bytes)).toThrow(OnnxError);
    expect(() => fromOnnx(bytes)).toThrow(/^fromOnnx: a model of \d+ bytes: /);
  });

  test('subgraphs nested a thousand deep', () => {
    // As bytes, innermost first: graph { node { attribute { graph } } }.
    let bytes: number[] = [];
    const field = (tag: number, inside: number[]): number[] => {
      const size: number[] = [];
      for (let n = inside.length; ; n >>>= 7) {
        size.push(n > 127 ? (n & 127) | 128 : n);
        if (n <= 127) break;
      }
      return [tag, ...size, ...inside];
    };
    for (let i = 0; i < 1000; i++) bytes = field(0x0a, field(0x2a, field(0x32, bytes)));
    expect(() => fromOnnx(Uint8Array.from(field(0x3a, bytes)))).toThrow(/not all of it: .*recursion depth/);
  });

  test('a file that isn’t there, and a folder', () => {
    expect(() => fromOnnx(join(folder, 'gone.onnx'))).toThrow(/fromOnnx: .*gone.onnx: can't be read/);
    expect(() => fromOnnx(folder)).toThrow(/no plain file/);
  });
});

const whole = ((): Uint8Array => {
  const x = input('x', ['B', 4]);
  const y = softmax(
    mul(x, 2)
      .matmul(input('w', [4, 4]))
      .reshape([-1, 2, 2]),
  );
  return toOnnx({ y, loss: sum(y) }, { metadata: { a: 'b' } });
})();
/** Reads, and where that works writes; anything but a result or an OnnxError is a failure. */
function survives(bytes: Uint8Array): 'read' | 'refused' {
  try {
    const read = fromOnnx(bytes);
    toOnnx(read.outputs, { inputs: read.inputs });
    return 'read';
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error;
    return 'refused';
  }
}

describe('whatever the bytes are, a model is read or refused with an OnnxError:', () => {
  test('cut short anywhere, it is refused unless only its metadata is missing', () => {
    // Fields in order: version, producer, graph, operator sets, metadata. Without the first metadata entry all is there.
    const metadata = encode({ metadataProps: [{ key: 'a', value: 'b' }] }).length;
    const read = Array.from({ length: whole.length }, (_, n) => n).filter(
      (n) => survives(whole.subarray(0, n)) === 'read',
    );
    expect(read).toEqual([whole.length - metadata]);
  });
  test('random', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void survives(bytes)),
      { numRuns: 2000 },
    );
  });
  test('a model with bytes changed', () => {
    const at = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(at, (changes) => {
        const bytes = whole.slice();
        for (const [i, value] of changes) bytes[i] = value;
        survives(bytes);
      }),
      { numRuns: 3000 },
    );
  });
  test('a model with a part taken out, doubled or moved', () => {
    const n = fc.nat(whole.length);
    fc.assert(
      fc.property(n, n, n, (a, b, c) => {
        const part = whole.subarray(Math.min(a, b), Math.max(a, b));
        survives(Buffer.concat([whole.subarray(0, c), part, whole.subarray(c)]));
        survives(Buffer.concat([whole.subarray(0, Math.min(a, b)), whole.subarray(Math.max(a, b))]));
      }),
      { numRuns: 1000 },
    );
  });
});

const mnist = new URL('data/mnist_onnx/', shared);
describe.skipIf(!existsSync(mnist))('MNIST models of others (needs ../shared)', () => {
  test.each([
    ['mnist-8.onnx', 8],
    ['mnist-winml.onnx', 7],
  ])('%s is read, and cut anywhere refused', (name, opset) => {
    const path = new URL(name, mnist);
    const bytes = readFileSync(path);
    const read = fromOnnx(bytes);
    expect(read.opset).toBe(opset);
    expect(read.inputs.map((x) => x.name)).toEqual(['Input3']);
    expect(read.outputs['Plus214_Output_0']!.shape).toEqual([1, 10]);
    for (let n = 0; n < bytes.length - 1000; n += 997) expect(survives(bytes.subarray(0, n))).toBe('refused');
  });
});
