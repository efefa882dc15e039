import { expect, test } from 'vitest';
import { logSumExp } from './log-sum-exp.ts';

test('logSumExp is the logarithm of the sum, however large the logits', () => {
  expect(logSumExp(Float32Array.of(0, 0, 0, 0))).toBeCloseTo(Math.log(4), 14);
  expect(logSumExp(Float32Array.of(1, 2, 3))).toBeCloseTo(Math.log(Math.E + Math.E ** 2 + Math.E ** 3), 14);
  expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.log(2), 10);
  expect(logSumExp(Float32Array.of(-1e30, -1e30))).toBe(Math.fround(-1e30));
  expect(logSumExp(Float32Array.of(5, -Infinity))).toBe(5);
});

test.each([[[NaN, 1]], [[1, NaN]], [[Infinity, 1]], [[-Infinity, -Infinity]], [[]]])(
  'logSumExp refuses %o',
  (logits) => {
    expect(() => logSumExp(Float32Array.from(logits))).toThrow('needs numbers. Are the weights right');
  },
);
