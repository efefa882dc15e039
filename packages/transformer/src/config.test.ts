// Which fields of a config.json are taken, and which values are refused.
import { expect, test } from 'vitest';
import { readConfig } from './config.ts';

const defaults = { width: 8, inner: null as number | null, act: 'gelu', tie: true, attn_pdrop: 0.1, epsilon: 1e-5 };
const read = (config: Record<string, unknown>, o = {}): typeof defaults => readConfig('toy', config, defaults, o);

test('fields that are absent or null take the default, others their value', () => {
  expect(read({})).toEqual(defaults);
  expect(read({ width: 16, inner: 3, act: null, tie: false, attn_pdrop: 0 })).toEqual({
    ...defaults,
    width: 16,
    inner: 3,
    tie: false,
    attn_pdrop: 0,
  });
});

test('a field is found under its other name, and its own name comes first', () => {
  const aliases = { width: 'hidden_size' };
  expect(read({ hidden_size: 24 }, { aliases }).width).toBe(24);
  expect(read({ hidden_size: 24, width: 12 }, { aliases }).width).toBe(12);
});

test.each([
  [{ width: '16' }, /toy config: width is "16"; needs a number/],
  [{ width: 0 }, /width is 0; needs a whole number above 0/],
  [{ width: 2.5 }, /width is 2.5; needs a whole number above 0/],
  [{ width: -4 }, /width is -4/],
  [{ inner: 'large' }, /inner is "large"/],
  [{ act: 7 }, /act is 7; needs a string/],
  [{ tie: 'yes' }, /tie is "yes"; needs a boolean/],
  [{ attn_pdrop: 1 }, /attn_pdrop is 1; needs a probability below 1/],
  [{ attn_pdrop: -0.1 }, /attn_pdrop is -0.1/],
  [{ epsilon: -1e-5 }, /epsilon is -0.00001; needs a number from 0/],
  [{ quantization_config: { bits: 4 } }, /quantized.*needs a float32, float16 or bfloat16/],
])('%j is refused', (config, message) => {
  expect(() => read(config)).toThrow(message);
});

test('a value that changes the computation in a way that is not implemented is refused', () => {
  expect(() => read({ cross: true }, { refuse: { cross: true } })).toThrow(/cross is true; needs another value/);
  expect(read({ cross: false }, { refuse: { cross: true } })).toEqual(defaults);
});
