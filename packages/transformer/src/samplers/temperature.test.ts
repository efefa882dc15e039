import { expect, test } from 'vitest';
import { temperature } from './temperature.ts';

const context = { ids: [0], promptLength: 1 };

test('temperature divides every logit', () => {
  const logits = Float32Array.of(1, -2, 0.5, -Infinity);
  temperature({ temperature: 0.5 })(logits, context);
  expect([...logits]).toEqual([2, -4, 1, -Infinity]);
});

test('a tiny temperature leaves only the most probable token, without overflow', () => {
  for (const value of [1e-30, 1e-38, 1e-45, 5e-324]) {
    const logits = Float32Array.of(90, 100, -100);
    temperature({ temperature: value })(logits, context);
    const max = Math.max(...logits);
    expect([...logits].map((logit) => Math.exp(logit - max))).toEqual([0, 1, 0]);
  }
});

test.each([0, -1, NaN, Infinity])('temperature refuses %s', (value) => {
  expect(() => temperature({ temperature: value })).toThrow(`temperature is ${value}; needs a number above 0`);
});
