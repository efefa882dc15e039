import { expect, test } from 'vitest';
import type { Part } from '../flat-store.ts';
import { adafactor, type AdafactorOptions } from './adafactor.ts';
import { farthest, fifty, gradient, length, parts, rateAt, weight } from './published.fixture.ts';

const rms = (x: readonly number[]): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);

// Algorithms 4 and 5 of the paper in float64, matrix by matrix, with whole V.
const published =
  (o: AdafactorOptions, rate: number) =>
  ({ begin, end, shape }: Part): number[] => {
    const { epsilons = [1e-30, 1e-3], clipThreshold = 1, decayRate = -0.8, beta1 = null, weightDecay = 0 } = o;
    const n = end - begin;
    const x = Array.from({ length: n }, (_, i) => weight(begin + i));
    const [R, C] = shape.length >= 2 ? (shape.slice(-2) as [number, number]) : [0, 0];
    const V = Array<number>(n).fill(0);
    const m = Array<number>(n).fill(0);
    const row = new Map<number, number>();
    const column = new Map<number, number>();
    for (let t = 1; t <= 50; t++) {
      const g = Array.from({ length: n }, (_, i) => gradient(t, begin + i));
      const square = g.map((v) => v * v + epsilons[0]);
      const b2 = 1 - t ** decayRate;
      if (!R) square.forEach((s, i) => (V[i] = b2 * V[i]! + (1 - b2) * s));
      else
        for (let b = 0; b < n / (R * C); b++) {
          const at = (r: number, c: number): number => (b * R + r) * C + c;
          const Rs = Array.from({ length: R }, (_, r) => r);
          const Cs = Array.from({ length: C }, (_, c) => c);
          for (const r of Rs)
            row.set(
              b * R + r,
              b2 * (row.get(b * R + r) ?? 0) + (1 - b2) * (Cs.reduce((s, c) => s + square[at(r, c)]!, 0) / C),
            );
          for (const c of Cs)
            column.set(
              b * C + c,
              b2 * (column.get(b * C + c) ?? 0) + (1 - b2) * (Rs.reduce((s, r) => s + square[at(r, c)]!, 0) / R),
            );
          const mean = Rs.reduce((s, r) => s + row.get(b * R + r)!, 0) / R;
          for (const r of Rs) for (const c of Cs) V[at(r, c)] = (row.get(b * R + r)! * column.get(b * C + c)!) / mean;
        }
      const u = g.map((v, i) => v / Math.sqrt(V[i]!));
      const clipped = Math.max(1, rms(u) / clipThreshold);
      const step =
        rateAt(rate, t) *
        (o.relativeStep ? Math.min(1e-2, 1 / Math.sqrt(t)) : 1) *
        (o.scaleParameter ? Math.max(epsilons[1], rms(x)) : 1);
      u.forEach((v, i) => {
        let d = (step * v) / clipped;
        if (beta1 !== null) d = m[i] = beta1 * m[i]! + (1 - beta1) * d;
        x[i] = x[i]! - (shape.length >= 2 ? weightDecay * step * x[i]! : 0) - d;
      });
    }
    return x;
  };

test.each<[AdafactorOptions, number]>([
  [{}, 1e-3],
  [{ weightDecay: 0.1, beta1: 0.9 }, 1e-2],
  [{ scaleParameter: true, relativeStep: true }, 1],
  [{ clipThreshold: 0.5, decayRate: -0.5, epsilons: [1e-8, 1e-2], scaleParameter: true }, 1e-2],
])('fifty steps agree with the published formula in float64 to 1e-5: %j, rate %d', async (o, rate) => {
  const w = await fifty(adafactor(parts, length, o), rate);
  expect(farthest(w, published(o, rate))).toBeLessThan(1e-5);
});

test('of a matrix only rows and columns are kept', () => {
  const { state, stateParts } = adafactor(parts, length);
  const size = (key: string): number => stateParts![key]!.reduce((n, { begin, end }) => n + end - begin, 0);
  expect(size('row')).toBe(5 + 7 + 3 + 3 * 2);
  expect(size('column')).toBe(3 + 4 + 6 + 3 * 4);
  expect(size('v')).toBe(6 + 1);
  expect(state['m']!.length).toBe(0);
});

test('constants that make no sense are refused', () => {
  expect(() => adafactor(parts, length, { decayRate: 0.8 })).toThrow('decayRate is 0.8');
  expect(() => adafactor(parts, length, { beta1: 1 })).toThrow('beta1 is 1');
  expect(() => adafactor(parts, length, { clipThreshold: 0 })).toThrow('clipThreshold is 0');
});
