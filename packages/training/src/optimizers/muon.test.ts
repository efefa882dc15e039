import { afterEach, expect, test } from 'vitest';
import type { Part } from '../flat-store.ts';
import { isHiddenMatrix, muon, type MuonOptions } from './muon.ts';
import type { Optimizer } from './optimizer.ts';
import { farthest, fifty, gradient, length, parts, rateAt, weight } from './published.fixture.ts';

const open: Optimizer[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.dispose?.();
});
const make = (o: MuonOptions = {}): Optimizer => {
  const one = muon(parts, length, o);
  open.push(one);
  return one;
};

type Matrix = readonly (readonly number[])[];
const times = (x: Matrix, y: Matrix): number[][] =>
  x.map((row) => y[0]!.map((_, c) => row.reduce((sum, v, k) => sum + v * y[k]![c]!, 0)));
const turned = (x: Matrix): number[][] => x[0]!.map((_, c) => x.map((row) => row[c]!));
const plus = (x: Matrix, a: number, y: Matrix, b: number): number[][] =>
  x.map((row, r) => row.map((v, c) => a * v + b * y[r]![c]!));

// zeropower_via_newtonschulz5 of the published code, in float64.
function orthogonal(G: Matrix, iterations: number): Matrix {
  const norm = Math.sqrt(G.flat().reduce((sum, v) => sum + v * v, 0));
  const isTall = G.length > G[0]!.length;
  let X: Matrix = (isTall ? turned(G) : G).map((row) => row.map((v) => v / Math.max(norm, 1e-7)));
  for (let i = 0; i < iterations; i++) {
    const A = times(X, turned(X));
    const B = plus(A, -4.775, times(A, A), 2.0315);
    X = plus(X, 3.4445, times(B, X), 1);
  }
  return isTall ? turned(X) : X;
}

const published =
  (o: MuonOptions, rate: number) =>
  (part: Part): number[] => {
    const { momentum = 0.95, nesterov = true, iterations = 5, adjust = 'match_rms_adamw', weightDecay = 0.01 } = o;
    const { betas = [0.9, 0.95] } = o;
    const { begin, end, shape } = part;
    const x = Array.from({ length: end - begin }, (_, i) => weight(begin + i));
    const [m, v] = [x.map(() => 0), x.map(() => 0)];
    for (let t = 1; t <= 50; t++) {
      const g = x.map((_, i) => gradient(t, begin + i));
      const now = rateAt(rate, t);
      const decay = shape.length >= 2 ? weightDecay : 0;
      if (isHiddenMatrix(part)) {
        const [R, C] = shape as [number, number];
        g.forEach((gi, i) => (m[i] = momentum * m[i]! + (1 - momentum) * gi));
        const u = g.map((gi, i) => (nesterov ? (1 - momentum) * gi + momentum * m[i]! : m[i]!));
        const rows = Array.from({ length: R }, (_, r) => u.slice(r * C, (r + 1) * C));
        const s = adjust === 'original' ? Math.sqrt(Math.max(1, R / C)) : 0.2 * Math.sqrt(Math.max(R, C));
        orthogonal(rows, iterations)
          .flat()
          .forEach((d, i) => (x[i] = x[i]! * (1 - now * decay) - now * s * d));
      } else
        g.forEach((gi, i) => {
          m[i] = betas[0] * m[i]! + (1 - betas[0]) * gi;
          v[i] = betas[1] * v[i]! + (1 - betas[1]) * gi * gi;
          const [mHat, vHat] = [m[i]! / (1 - betas[0] ** t), v[i]! / (1 - betas[1] ** t)];
          x[i] = x[i]! - now * (mHat / (Math.sqrt(vHat) + 1e-8) + decay * x[i]!);
        });
    }
    return x;
  };

test.each<[MuonOptions, number]>([
  [{}, 1e-3],
  [{ adjust: 'original', weightDecay: 0.1, betas: [0.9, 0.999] }, 2e-3],
  [{ nesterov: false, momentum: 0.9, iterations: 3 }, 1e-3],
])('fifty steps agree with the published formula in float64 to 1e-5: %j, rate %d', async (o, rate) => {
  expect(parts.filter(isHiddenMatrix).map(({ name }) => name)).toEqual(['h.0.tall.weight', 'h.1.wide.weight']);
  const w = await fifty(make(o), rate);
  expect(farthest(w, published(o, rate))).toBeLessThan(1e-5);
});

test('no second moments are kept for hidden matrices', () => {
  const { stateParts } = make();
  expect(stateParts!['v']!.map(({ name }) => name)).toEqual(['wte.weight', 'h.0.bias', 'h.1.conv.weight', 'scale']);
  expect(stateParts!['m']).toBe(undefined);
});

test('constants that make no sense are refused', () => {
  expect(() => make({ momentum: 1 })).toThrow('momentum is 1');
  expect(() => make({ iterations: 0 })).toThrow('iterations is 0');
  expect(() => make({ adjust: 'none' as 'original' })).toThrow('adjust is "none"');
});
