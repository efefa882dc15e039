import { describe, expect, test } from 'vitest';
import {
  constantSchedule,
  cosineSchedule,
  cosineWithRestartsSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  oneCycleSchedule,
  polynomialSchedule,
  stepSchedule,
  warmupStableDecaySchedule,
} from './schedules.ts';

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
  test('polynomial: a power of what is left', () => {
    close(points(polynomialSchedule({ steps: 5, power: 2 }), 5), [1, 0.5625, 0.25, 0.0625, 0]);
    close(points(polynomialSchedule({ steps: 4, warmup: 1, floor: 0.5 }), 4), [1 / 2, 1, 0.75, 0.5]);
  });
  test('cosine with restarts: falls as often as asked', () => {
    const at = (x: number): number => (1 + Math.cos(Math.PI * x)) / 2;
    close(points(cosineWithRestartsSchedule({ steps: 5, cycles: 2 }), 5), [1, 0.5, 1, 0.5, 0]);
    close(points(cosineWithRestartsSchedule({ steps: 7, cycles: 2 }), 7), [
      1,
      at(1 / 3),
      at(2 / 3),
      1,
      at(1 / 3),
      at(2 / 3),
      0,
    ]);
  });
  test('inverse square root: goes on from the warm-up', () => {
    close(points(inverseSqrtSchedule({ steps: 8, warmup: 3 }), 8), [
      1 / 4,
      2 / 4,
      3 / 4,
      1,
      ...[5, 6, 7, 8].map((k) => Math.sqrt(4 / k)),
    ]);
    expect(inverseSqrtSchedule({ steps: 4 })(4)).toBe(0.5);
  });
  // torch 1.13: StepLR(step_size=4, gamma=0.3)
  test('step: as PyTorch’s', () => {
    const torch = [1, 1, 1, 1, 0.3, 0.3, 0.3, 0.3, 0.09, 0.09, 0.09, 0.09];
    close(points(stepSchedule({ steps: 12, stepEvery: 4, gamma: 0.3 }), 12), torch);
    close(points(stepSchedule({ steps: 7, warmup: 1, floor: 0.2 }), 7), [1 / 2, 1, 1, 1, 0.2, 0.2, 0.2]);
  });
  // torch 1.13: OneCycleLR(max_lr=1, total_steps=20, cycle_momentum=False)
  test('one cycle: as PyTorch’s', () => {
    const torch = [
      0.04, 0.131671843, 0.371671843, 0.668328157, 0.908328157, 1, 0.987464006, 0.950484632, 0.890916178, 0.811745654,
      0.716943002, 0.611262022, 0.500002, 0.388741978, 0.283060998, 0.188258346, 0.109087822, 0.049519368, 0.012539994,
      4e-6,
    ];
    points(oneCycleSchedule({ steps: 20 }), 20).forEach((x, i) => expect(x).toBeCloseTo(torch[i]!, 8));
    expect(points(oneCycleSchedule({ steps: 1 }), 1)).toEqual([1]);
    expect(points(oneCycleSchedule({ steps: 2, floor: 0.1 }), 2).every(Number.isFinite)).toBe(true);
  });
  test('warm-up, stable, decay', () => {
    const s = warmupStableDecaySchedule({ steps: 8, warmup: 1, decaySteps: 4 });
    close(points(s, 8), [1 / 2, 1, 1, 1, 0.75, 0.5, 0.25, 0]);
    close(points(warmupStableDecaySchedule({ steps: 10, floor: 0.5 }), 10), [...Array<number>(9).fill(1), 0.5]);
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
    expect(() => polynomialSchedule({ steps: 10, power: 0 })).toThrow('power is 0');
    expect(() => cosineWithRestartsSchedule({ steps: 10, cycles: 1.5 })).toThrow('cycles is 1.5');
    expect(() => stepSchedule({ steps: 10, stepEvery: 0 })).toThrow('stepEvery is 0');
    expect(() => stepSchedule({ steps: 10, gamma: 2 })).toThrow('gamma is 2');
    expect(() => oneCycleSchedule({ steps: 10, warmup: 2 })).toThrow('leave out warmup 2');
    expect(() => warmupStableDecaySchedule({ steps: 10, warmup: 5, decaySteps: 6 })).toThrow('decaySteps is 6');
  });
});
