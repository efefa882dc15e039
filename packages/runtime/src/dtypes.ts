// Which typed array holds which element type.
import type { Data, DType } from '@brickwork/graph';

/** Makes a typed array of a length, or over a part of a buffer. */
export interface DataConstructor {
  readonly BYTES_PER_ELEMENT: number;
  readonly name: string;
  new (length: number): Data;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Data;
}

/** The typed array of each element type. float16 and bfloat16 are held as their 16 bits, bool as one byte each. */
export const arrayOf: Readonly<Record<DType, DataConstructor>> = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** The element type that a typed array stands for by itself; null where it is no typed array of numbers. */
export function dtypeOf(data: Data): DType | null {
  // The halves and bool come after the types whose arrays they borrow, and have to be named.
  for (const [dtype, type] of Object.entries(arrayOf))
    if (data instanceof type && dtype !== 'float16' && dtype !== 'bfloat16' && dtype !== 'bool') return dtype as DType;
  return null;
}

/** The bytes of a typed array, not copied. */
export const bytesOf = (data: Data): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
