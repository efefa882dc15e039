import { expect, test } from 'vitest';
import {
  apply,
  constant,
  float,
  fromOnnx,
  input,
  layerNorm,
  mul,
  override,
  printGraph,
  softmax,
  sum,
  toOnnx,
  type Op,
  type Tensor,
} from './index.ts';

const lines = (outputs: Record<string, Tensor>, o?: { limit: number }): string[] =>
  printGraph(outputs, o).trimEnd().split('\n');

test('one line per value, with type, shape, inputs and attributes', () => {
  const x = input('x', ['B', 64]);
  expect(lines({ y: softmax(mul(x, 2)) })).toEqual([
    'input    %x: float32(B, 64)',
    'constant %constant_0: float32() = 2',
    '         %mul_0: float32(B, 64) = Mul(%x, %constant_0)',
    'output   %y: float32(B, 64) = Softmax(%mul_0) {axis: 1}',
  ]);
});

test('the names are those of the ONNX file', () => {
  const x = input('x', [4]);
  const y = sum(mul(x, 3).neg().mul(x));
  const read = fromOnnx(toOnnx({ y }));
  expect(lines({ y })).toEqual(
    lines(read.outputs).map((s) => s.replace(': ?', ': float32(4)').replace(': ?', ': float32(4)')),
  );
});

test('long constants are cut, halves decoded, and every kind shown', () => {
  const x = input('x', [1]);
  const list: Tensor[] = [
    constant(Float32Array.from({ length: 1000 }, (_, i) => i / 10)),
    constant(Uint16Array.of(0x3c00, 0xc000, 0x7c00, 0x0001), [4], 'float16'),
    constant(Uint16Array.of(0x3f80, 0xc040), [2], 'bfloat16'),
    constant(Uint8Array.of(1, 0), [2], 'bool'),
    constant(BigInt64Array.of(-5n), [1]),
    constant(new Float32Array(0)),
    constant(Float32Array.of(0.1), []),
  ];
  const all: Op<object> = { name: 'All', infer: () => [[1]] };
  const shown = lines({ y: apply(all, [x, ...list], {}) }).filter((s) => s.startsWith('constant'));
  expect(shown.map((s) => s.replace(/^constant %constant_\d: /, ''))).toEqual([
    'float32(1000) = [0, 0.1, 0.2, 0.3, 0.4, 0.5, … 1000 in all]',
    'float16(4) = [1, -2, Infinity, 5.960464e-8]',
    'bfloat16(2) = [1, -3]',
    'bool(2) = [true, false]',
    'int64(1) = [-5]',
    'float32(0) = []',
    'float32() = 0.1',
  ]);
});

test('nodes with several outputs, left-out inputs and domains', () => {
  const op: Op<object> = {
    name: 'Foo',
    domain: 'com.microsoft',
    infer: ([x]) => [x!.shape, { shape: [], dtype: 'bool' }],
    onnx: () => ({ mode: 'a"b', scale: float(0.1), perm: [2, 0, 1] }),
  };
  const x = input('x', [3]);
  expect(lines({ y: apply(op, [x], {}) }).at(-1)).toBe(
    'output   %y: float32(3), %foo_0: bool() = com.microsoft.Foo(%x) {mode: "a\\"b", scale: 0.1, perm: [2, 0, 1]}',
  );
});

test('a value asked for twice is an output twice; what only carries a gradient isn’t shown', () => {
  const x = input('x', [2]);
  const y = override(x.neg(), [x], (g) => [g]);
  expect(lines({ a: y, b: y }).slice(1)).toEqual(['output   %a: float32(2) = Neg(%x)', 'output   %b: float32(2) = %a']);
});

test('a limit cuts the nodes and says how many are left', () => {
  let y = input('x', [1]);
  for (let i = 0; i < 10; i++) y = y.mul(i);
  const cut = lines({ y }, { limit: 3 });
  expect(cut.filter((s) => s.includes('Mul(')).length).toBe(3);
  expect(cut.filter((s) => s.startsWith('constant')).length).toBe(3);
  expect(cut.at(-1)).toContain('… 7 more of 10 nodes');
});

test('names with spaces, quotes and line breaks stay on their line', () => {
  const x = input('a "b"\nc', [1]);
  expect(lines({ y: x.neg() })).toEqual([
    'input    %"a \\"b\\"\\nc": float32(1)',
    'output   %y: float32(1) = Neg(%"a \\"b\\"\\nc")',
  ]);
});

test('the same program prints the same', () => {
  const program = (): string => printGraph({ y: layerNorm(input('x', ['B', 4]), input('w', [4]), input('b', [4])) });
  expect(program()).toBe(program());
});
