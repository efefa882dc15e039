import { expect, test } from 'vitest';
import type { Data, DType } from '@brickwork/graph';
import { hostTensor } from './host-tensor.ts';

test('the type follows the array, and the shape its length', () => {
  const types: [Data, DType][] = [
    [new Float64Array(2), 'float64'],
    [new Float32Array(2), 'float32'],
    [new BigInt64Array(2), 'int64'],
    [new Int32Array(2), 'int32'],
    [new Int16Array(2), 'int16'],
    [new Int8Array(2), 'int8'],
    [new BigUint64Array(2), 'uint64'],
    [new Uint32Array(2), 'uint32'],
    [new Uint16Array(2), 'uint16'],
    [new Uint8Array(2), 'uint8'],
  ];
  for (const [data, dtype] of types) expect(hostTensor(data)).toEqual({ data, shape: [2], dtype });
});

test('types that share an array have to be named', () => {
  expect(hostTensor(new Uint16Array(1), [], 'bfloat16').dtype).toBe('bfloat16');
  expect(hostTensor(new Uint8Array(1), [1], 'bool').dtype).toBe('bool');
});

test('the values are not copied', () => {
  const data = new Float32Array(6);
  expect(hostTensor(data, [2, 3]).data).toBe(data);
});

test.each<[string, unknown[], string]>([
  ['too few values', [new Float32Array(5), [2, 3]], "hostTensor: 5 values don't fill (2, 3), which holds 6"],
  ['two values for a scalar', [new Float32Array(2), []], "2 values don't fill (), which holds 1"],
  ['a negative axis', [new Float32Array(6), [-2, -3]], '(-2, -3) has the axis -2; axes are whole numbers'],
  ['half an axis', [new Float32Array(6), [1.5, 4]], 'has the axis 1.5'],
  ['no axis', [new Float32Array(6), [NaN]], 'has the axis NaN'],
  ['a shape that is a number', [new Float32Array(6), 6], 'the shape is 6; needs an array'],
  ['a plain array', [[1, 2]], 'hostTensor: the data is Array; needs a typed array of numbers'],
  ['a plain array with a type', [[1, 2], [2], 'float32'], 'the data is Array; float32 needs Float32Array'],
  ['nothing', [null, [1]], 'the data is object; needs a typed array of numbers'],
  ['a DataView', [new DataView(new ArrayBuffer(4)), [4]], 'the data is DataView'],
  [
    'another array than the type’s',
    [new Int32Array(1), [1], 'int64'],
    'the data is Int32Array; int64 needs BigInt64Array',
  ],
  ['an unknown type', [new Int32Array(1), [1], 'toString'], 'the type toString is unknown; there are float64, float32'],
])('%s is refused', (_, args, message) =>
  expect(() => (hostTensor as (...a: unknown[]) => unknown)(...args)).toThrow(message),
);
