import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  absent,
  apply,
  constant,
  float,
  input,
  max,
  mul,
  override,
  softmax,
  sum,
  toOnnx,
  type Attribute,
  type Op,
  type Tensor,
} from '../index.ts';
import { ModelProtoSchema, type GraphProto, type ModelProto } from './onnx_pb.ts';

const read = (bytes: Uint8Array): ModelProto => fromBinary(ModelProtoSchema, bytes);
const graph = (outputs: Record<string, Tensor>): GraphProto => read(toOnnx(outputs)).graph!;
const op = (attrs: Record<string, Attribute>): Op<object> => ({
  name: 'Foo',
  infer: ([x]) => [x!.shape],
  onnx: () => attrs,
});

test('a graph is written with its nodes in order, its inputs and outputs with types and shapes', () => {
  const x = input('x', ['B', 3]);
  const y = softmax(x.matmul(input('w', [3, 4])));
  const model = read(toOnnx({ y }, { opset: 18, name: 'small', metadata: { made: 'here' } }));
  expect(model.opsetImport.map((o) => [o.domain, o.version])).toEqual([['', 18n]]);
  expect(model.metadataProps.map((m) => [m.key, m.value])).toEqual([['made', 'here']]);
  const g = model.graph!;
  expect(g.name).toBe('small');
  expect(g.node.map((n) => [n.opType, n.input, n.output])).toEqual([
    ['MatMul', ['x', 'w'], ['matmul_0']],
    ['Softmax', ['matmul_0'], ['y']],
  ]);
  const type = g.output[0]!.type!.value;
  if (type.case !== 'tensorType') throw new Error('no tensor');
  expect(type.value.elemType).toBe(1);
  expect(type.value.shape!.dim.map((d) => d.value.value)).toEqual(['B', 4n]);
  expect(g.input.map((i) => i.name)).toEqual(['x', 'w']);
});

test('whole numbers, reals, strings and lists are attributes of their ONNX types, zero included', () => {
  const attrs = { axis: 0, alpha: float(0), beta: float(0.5), mode: 'edge', perm: [1, -2], none: [] };
  const [node] = graph({ y: apply(op(attrs), [input('x', [2])], {}) }).node;
  const found = node!.attribute.map((a) => [
    a.name,
    a.type,
    a.i ?? a.f ?? (a.s ? new TextDecoder().decode(a.s) : a.ints),
  ]);
  expect(found).toEqual([
    ['axis', 2, 0n],
    ['alpha', 1, 0],
    ['beta', 1, 0.5],
    ['mode', 3, 'edge'],
    ['perm', 7, [1n, -2n]],
    ['none', 7, []],
  ]);
});

test.each([
  [{ p: 0.5 }, /Foo's attribute p is 0.5; needs a whole number, or float\(\)/],
  [{ p: [1, 2.5] }, /attribute p is 2.5/],
  [{ p: NaN }, /attribute p is NaN/],
  [{ p: float(1e300) }, /beyond float32/],
])('an attribute that ONNX would round is refused: %j', (attrs, message) => {
  expect(() => toOnnx({ y: apply(op(attrs), [input('x', [2])], {}) })).toThrow(message);
});

test('a left-out input has an empty name, and none where nothing follows it', () => {
  const x = input('x', [2]);
  const g = graph({ y: apply(op({}), [x, absent, x], {}), z: apply(op({}), [x, absent, absent], {}) });
  expect(g.node.map((n) => n.input)).toEqual([['x', '', 'x'], ['x']]);
  expect(g.input.length).toBe(1);
});

test('constants of equal type, shape and bytes are written once; others are kept apart', () => {
  const x = input('x', [4]);
  const long = (last: number): Tensor =>
    constant(Float32Array.from({ length: 100_000 }, (_, i) => (i === 99_999 ? last : 0)));
  const zeros = [constant(new Float32Array(4)), constant(new Int32Array(4)), constant(new Float32Array(4), [2, 2])];
  const parts = [
    mul(x, constant(new Float32Array(4))),
    ...zeros,
    long(1),
    long(1),
    long(2),
    constant(Float32Array.of(-0, 0, 0, 0)),
  ];
  const g = graph(Object.fromEntries(parts.map((p, i) => [`out${i}`, p])));
  expect(g.initializer.map((t) => [t.dataType, t.dims, t.rawData!.length])).toEqual([
    [1, [4n], 16],
    [6, [4n], 16],
    [1, [2n, 2n], 16],
    [1, [100_000n], 400_000],
    [1, [100_000n], 400_000],
    [1, [4n], 16],
  ]);
});

test('an output takes its name without a copy; one asked for twice, an input and a constant get a copy', () => {
  const x = input('x', [2]);
  const y = x.neg();
  const g = graph({ a: y, b: y, c: x, d: constant(Float32Array.of(1)) });
  expect(g.node.map((n) => [n.opType, n.input[0], n.output[0]])).toEqual([
    ['Neg', 'x', 'a'],
    ['Identity', 'a', 'b'],
    ['Identity', 'x', 'c'],
    ['Identity', 'constant_0', 'd'],
  ]);
});

test('an input is an output of the same name without a copy', () => {
  const x = input('x', [2]);
  const g = graph({ x, y: x.neg() });
  expect(g.node.map((n) => n.opType)).toEqual(['Neg']);
  expect([g.input.length, g.output.length]).toEqual([1, 2]);
});

test('inner values never take the name of an input or output', () => {
  const x = input('neg_0', [2]);
  const y = x.neg().neg();
  const g = graph({ neg_1: y.neg(), constant_0: mul(y, 3) });
  const made = [...g.node.flatMap((n) => n.output), ...g.initializer.map((t) => t.name), ...g.input.map((i) => i.name)];
  expect(new Set(made).size).toBe(made.length);
});

test('what only carries a gradient of its own leaves no node', () => {
  const x = input('x', [2]);
  const y = override(x.neg(), [x], (g) => [g]);
  expect(graph({ y: override(y, [x], (g) => [g]) }).node.map((n) => [n.opType, n.output])).toEqual([['Neg', ['y']]]);
});

test('only what the outputs need is written', () => {
  const x = input('x', [2]);
  const unused = input('unused', [2]);
  mul(unused, 5);
  const g = graph({ y: x.neg() });
  expect([g.node.length, g.input.length, g.initializer.length]).toEqual([1, 1, 0]);
});

test('declared inputs come first and stay, read or not', () => {
  const [x, y, z] = ['x', 'y', 'z'].map((n) => input(n, [2])) as [Tensor, Tensor, Tensor];
  const g = read(toOnnx({ out: x.add(y) }, { inputs: [z, y] })).graph!;
  expect(g.input.map((i) => i.name)).toEqual(['z', 'y', 'x']);
  expect(() => toOnnx({ out: x }, { inputs: [x.neg()] })).toThrow(/listed as an input but isn't one/);
});

test('the same program gives the same bytes', () => {
  const program = (): Uint8Array => {
    const x = input('x', ['B', 8]);
    const y = softmax(mul(x, 2).matmul(input('w', [8, 8])));
    return toOnnx({ y, loss: sum(mul(y, 2)) }, { metadata: { a: 'b' } });
  };
  expect(Buffer.compare(program(), program())).toBe(0);
});

test('an operator of the engine’s own set imports it', () => {
  const own: Op<object> = { name: 'FastGelu', domain: 'com.microsoft', infer: ([x]) => [x!.shape] };
  const model = read(toOnnx({ y: apply(own, [input('x', [2])], {}) }));
  expect(model.opsetImport.map((o) => [o.domain, o.version])).toEqual([
    ['', 20n],
    ['com.microsoft', 1n],
  ]);
  expect(model.graph!.node[0]!.domain).toBe('com.microsoft');
});

test('opset 17 has the axes of a maximum as an attribute, later ones as an input', () => {
  const y = max(input('x', [2, 3]), [1]);
  const [before] = read(toOnnx({ y }, { opset: 17 })).graph!.node;
  expect([before!.input, before!.attribute.find((a) => a.name === 'axes')!.ints]).toEqual([['x'], [1n]]);
  const [after] = read(toOnnx({ y }, { opset: 18 })).graph!.node;
  expect([after!.input.length, after!.attribute.map((a) => a.name)]).toEqual([2, ['keepdims']]);
});

describe('what can’t be written says why', () => {
  const x = input('x', [2]);
  const xor: Op<object> = { name: 'BitwiseXor', infer: ([a]) => [a!.shape] };
  const unnamed = input('', [3, 4]);
  test.each<[string, () => unknown, RegExp]>([
    ['no outputs', () => toOnnx({}), /no outputs/],
    ['an output without a name', () => toOnnx({ '': x }), /empty name/],
    ['the left-out input as output', () => toOnnx({ y: absent }), /left-out/],
    ['an unnamed input', () => toOnnx({ y: unnamed.neg() }), /input \(3, 4\) has no name/],
    ['two inputs of one name', () => toOnnx({ y: x.add(input('x', [2])) }), /two inputs are called x/],
    ['an output called like another input', () => toOnnx({ x: x.neg() }), /an input and an output are both called x/],
    ['an early opset', () => toOnnx({ y: x.neg() }, { opset: 16 }), /opset 16/],
    ['half an opset', () => toOnnx({ y: x.neg() }, { opset: 17.5 }), /opset 17.5/],
    ['an operator of a later opset', () => toOnnx({ y: apply(xor, [x, x], {}) }, { opset: 17 }), /BitwiseXor needs 18/],
  ])('%s', (_, write, message) => expect(write).toThrow(message));
});

test('a deep graph is written without overflowing the stack', () => {
  let y = input('x', [1]);
  for (let i = 0; i < 50_000; i++) y = i % 2 ? y.neg() : override(y, [], () => []);
  expect(graph({ y }).node.length).toBe(25_000);
});
