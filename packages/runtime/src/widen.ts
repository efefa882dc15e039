// float16 and bfloat16 to float32, exactly: every value of the narrow types is one of the wide type.
import type { HostTensor } from './host-tensor.ts';

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. All 65536 values are few enough for a table.
let table: Float32Array | null = null;
function halves(): Float32Array {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    values[bits] =
      exponent === 31
        ? fraction
          ? NaN
          : sign * Infinity
        : exponent
          ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
          : sign * 2 ** -14 * (fraction / 1024);
  }
  return values;
}
function fromFloat16(bits: Uint16Array): Float32Array {
  table ??= halves();
  const wide = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = table[bits[i]!]!;
  return wide;
}

/** The tensor with float16 or bfloat16 values as float32; any other as it is. */
export function widen(tensor: HostTensor): HostTensor {
  if (tensor.dtype !== 'float16' && tensor.dtype !== 'bfloat16') return tensor;
  const convert = tensor.dtype === 'float16' ? fromFloat16 : fromBfloat16;
  return { data: convert(tensor.data as Uint16Array), shape: tensor.shape, dtype: 'float32' };
}
