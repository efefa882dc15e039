// The values of a constant in few characters.
import { real } from './onnx/attributes.ts';
import type { Tensor } from './tensor.ts';

/** A scalar as a number, more as a list, many as the first few and their count. float16 and bfloat16 are decoded. */
export function showValues({ data, dtype, rank }: Tensor, most = 6): string {
  if (!data) return '';
  const one = (v: number | bigint): string => {
    if (dtype === 'bool') return v ? 'true' : 'false';
    if (dtype === 'float16') return real(half(Number(v)));
    if (dtype === 'bfloat16') return real(brain(Number(v)));
    return dtype === 'float32' ? real(Number(v)) : String(v);
  };
  if (rank === 0) return one(data[0]!);
  const first = Array.from(data.subarray(0, most), one);
  return `[${data.length > most ? `${first.join(', ')}, … ${data.length} in all` : first.join(', ')}]`;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * fraction * 2 ** -24;
}
const brain = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
