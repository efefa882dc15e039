import { expect, test } from 'vitest';
import { widen } from './half.ts';

const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

// IEEE 754-2019, 3.4: sign, exponent biased by `bias`, fraction of `fraction` bits.
function value(bits: number, fraction: number, exponents: number, bias: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> fraction) & (2 ** exponents - 1);
  const part = (bits & (2 ** fraction - 1)) / 2 ** fraction;
  if (exponent === 2 ** exponents - 1) return part ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - bias) * (1 + part) : sign * 2 ** (1 - bias) * part;
}

test('every float16 becomes the float32 of the same value', () => {
  const wide = widen(all, 'float16');
  for (let i = 0; i < 0x10000; i++)
    if (!Object.is(wide[i], value(i, 10, 5, 15))) expect([i, wide[i]]).toEqual([i, value(i, 10, 5, 15)]);
  expect(wide.length).toBe(0x10000);
});

test('every bfloat16 becomes the float32 of the same value', () => {
  const wide = widen(all, 'bfloat16');
  for (let i = 0; i < 0x10000; i++)
    if (!Object.is(wide[i], value(i, 7, 8, 127))) expect([i, wide[i]]).toEqual([i, value(i, 7, 8, 127)]);
});

test('what is not a number keeps its sign and its payload', () => {
  const bits = (half: number, dtype: 'float16' | 'bfloat16'): number =>
    new Uint32Array(widen(Uint16Array.of(half), dtype).buffer)[0]!;
  expect(bits(0xfc01, 'float16')).toBe(0xff802000);
  expect(bits(0x7e00, 'float16')).toBe(0x7fc00000);
  expect(bits(0xff81, 'bfloat16')).toBe(0xff810000);
});

test.each(['float16', 'bfloat16'] as const)('%s widened in place, in the second half of its own memory', (dtype) => {
  for (const n of [0, 1, 2, 3, 0x10000]) {
    const out = new Float32Array(n);
    const halves = new Uint16Array(out.buffer, 2 * n, n);
    halves.set(all.subarray(0, n));
    expect(widen(halves, dtype, out)).toBe(out);
    expect(Buffer.compare(new Uint8Array(out.buffer), new Uint8Array(widen(all.subarray(0, n), dtype).buffer))).toBe(0);
  }
});
