// What an ONNX type says in this package's terms.
import type { Dim, DType, Shape } from '../tensor.ts';
import { OnnxError } from './error.ts';
import type { TypeProto } from './onnx_pb.ts';
import { dtypeOf } from './tensor-data.ts';

/**
 * Shape and element type, null where the file doesn't record them or this package has no such type. Every axis of
 * unknown size gets a name of its own (`?0`, `?1`, …), numbered by `next`.
 */
export function knownType(type: TypeProto | null, next: () => number): { shape: Shape | null; dtype: DType | null } {
  if (type?.value.case !== 'tensorType') return { shape: null, dtype: null };
  const { elemType, shape } = type.value.value;
  const dims = shape?.dim.map(({ value }): Dim => {
    if (value.case === 'dimValue' && value.value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new OnnxError(`has an axis of ${value.value}`);
    if (value.case === 'dimValue' && value.value >= 0n) return Number(value.value);
    return (value.case === 'dimParam' && value.value) || `?${next()}`;
  });
  return { shape: dims ?? null, dtype: dtypeOf(elemType) };
}

const otherTypes: Readonly<Record<number, string>> = {
  8: 'string',
  14: 'complex64',
  15: 'complex128',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
};
const element = (type: number): string => dtypeOf(type) ?? otherTypes[type] ?? '?';

/** A type for people: `float32(B, 64)`, `sequence(string(?))`, `?` where nothing is known. */
export function showType(type: TypeProto | null | undefined): string {
  const value = type?.value;
  if (value?.case === 'tensorType' || value?.case === 'sparseTensorType') {
    const dims = value.value.shape?.dim.map(({ value: d }) =>
      d.case === 'dimValue' ? String(d.value) : d.value || '?',
    );
    const text = `${element(value.value.elemType)}(${dims ? dims.join(', ') : '…'})`;
    return value.case === 'tensorType' ? text : `sparse ${text}`;
  }
  if (value?.case === 'sequenceType') return `sequence(${showType(value.value.elemType)})`;
  if (value?.case === 'optionalType') return `optional(${showType(value.value.elemType)})`;
  if (value?.case === 'mapType') return `map(${element(value.value.keyType)}, ${showType(value.value.valueType)})`;
  return '?';
}
