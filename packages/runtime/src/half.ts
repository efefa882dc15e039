// float16 (IEEE 754) and bfloat16 widened to float32, exactly: every half has a float32 of the same value.

// The float32 bits of every float16, made when first needed: 65536 entries, 256 kB.
let table: Uint32Array | null = null;

/** The float32 bits of a float16: 1 sign, 5 exponent and 10 fraction bits. */
function widened(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  let fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0; // infinite, or not a number
  if (exponent) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (!fraction) return sign >>> 0;
  // A subnormal: shift until its first bit is the implied one.
  let e = 113;
  while (!(fraction & 0x400)) {
    fraction <<= 1;
    e--;
  }
  return (sign | (e << 23) | ((fraction & 0x3ff) << 13)) >>> 0;
}

/**
 * Widens halves to float32.
 *
 * @param out where to; a new array unless given. `halves` may be the second half of its memory: value i is written only
 *   after it was read, so that a file's halves can be widened in place without a second copy.
 */
export function widen(
  halves: Uint16Array,
  dtype: 'float16' | 'bfloat16',
  out: Float32Array = new Float32Array(halves.length),
): Float32Array {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  if (dtype === 'bfloat16') for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  else {
    table ??= Uint32Array.from({ length: 0x10000 }, (_, half) => widened(half));
    for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]!]!;
  }
  return out;
}
