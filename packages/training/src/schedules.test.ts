import { describe, expect, test } from 'vitest';
import { constantSchedule, cosineSchedule, linearSchedule } from './schedules.ts';

const points = (s: (step: number) => number, steps: number): number[] =>
  Array.from({ length: steps }, (_, i) => s(i + 1));
const close = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((x, i) => expect(x, `step ${i + 1}`).toBeCloseTo(expected[i]!, 12));
};

describe('schedules, point by point', () => {
  test('constant: the full rate at every step, after the warm-up', () => {
    close(points(constantSchedule({ steps: 4 }), 4), [1, 1, 1, 1]);
    close(points(constantSchedule({ steps: 6, warmup: 3 }), 6), [1 / 4, 2 / 4, 3 / 4, 1, 1, 1]);
    close(points(constantSchedule({ steps: 3, floor: 0.5 }), 3), [1, 1, 1]);
  });
  test('linear: a straight line to the floor', () => {
    close(points(linearSchedule({ steps: 5 }), 5), [1, 0.75, 0.5, 0.25, 0]);
    close(points(linearSchedule({ steps: 7, warmup: 2, floor: 0.2 }), 7), [1 / 3, 2 / 3, 1, 0.8, 0.6, 0.4, 0.2]);
  });
  test('cosine: half a cosine to the floor', () => {
    const at = (x: number): number => (1 + Math.cos(Math.PI * x)) / 2;
    close(points(cosineSchedule({ steps: 5 }), 5), [1, at(0.25), 0.5, at(0.75), 0]);
    close(points(cosineSchedule({ steps: 4, warmup: 1, floor: 0.1 }), 4), [1 / 2, 1, 0.1 + 0.9 / 2, 0.1]);
  });
  test('beyond the last step the floor stays, and one step alone has the full rate', () => {
    expect(cosineSchedule({ steps: 5, floor: 0.1 })(50)).toBeCloseTo(0.1, 12);
    expect(linearSchedule({ steps: 1 })(1)).toBe(1);
    expect(cosineSchedule({ steps: 3, warmup: 3 })(3)).toBe(3 / 4);
  });
  test('options that make no sense are refused', () => {
    expect(() => cosineSchedule({ steps: 0 })).toThrow('steps is 0');
    expect(() => cosineSchedule({ steps: 10, warmup: 11 })).toThrow('warmup is 11 of 10 steps');
    expect(() => linearSchedule({ steps: 10, warmup: 1.5 })).toThrow('warmup is 1.5');
    expect(() => linearSchedule({ steps: 10, floor: 2 })).toThrow('floor is 2; needs 0 to 1');
  });
});
