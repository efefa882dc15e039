import { describe, expect, test } from 'vitest';
import { arena } from '../arena.ts';
import { adamw } from './adamw.ts';
import type { OptimizerPart } from './optimizer.ts';

const gradient = (t: number, i: number): number => Math.sin(0.7 * t + 1.3 * i) * 0.1 * (i + 1);
// A 2×3 matrix that decays and a bias of 3 that doesn't.
const parts: readonly OptimizerPart[] = [
  { begin: 0, end: 6, decay: true },
  { begin: 6, end: 9, decay: false },
];
const first = Array.from({ length: 9 }, (_, i) => Math.cos(i));

function fifty(o: { betas: [number, number]; weightDecay: number; epsilon?: number }, rate: number): Float32Array {
  const w = Float32Array.from(first);
  const optimizer = adamw(9, o);
  for (let step = 1; step <= 50; step++)
    optimizer.update(
      w,
      Float32Array.from(first, (_, i) => gradient(step, i)),
      parts,
      { step, rate, scale: 1 },
    );
  return w;
}

// Algorithm 2 of the paper as printed, in float64.
function published(betas: [number, number], decay: number, rate: number): number[] {
  return first.map((start, i) => {
    let [theta, m, v] = [start, 0, 0];
    for (let t = 1; t <= 50; t++) {
      const g = gradient(t, i);
      m = betas[0] * m + (1 - betas[0]) * g;
      v = betas[1] * v + (1 - betas[1]) * g ** 2;
      const mHat = m / (1 - betas[0] ** t);
      const vHat = v / (1 - betas[1] ** t);
      theta = theta - rate * (mHat / (Math.sqrt(vHat) + 1e-8) + (i < 6 ? decay : 0) * theta);
    }
    return theta;
  });
}

describe('adamw', () => {
  test('fifty steps agree with the published formula in float64 to 1e-5', () => {
    for (const [betas, decay, rate] of [
      [[0.9, 0.999], 0.01, 1e-3],
      [[0.9, 0.95], 0.1, 1e-2],
      [[0.9, 0.99], 0, 3e-3],
      [[0, 0.9], 0.5, 1e-2],
    ] as const) {
      const w = fifty({ betas: [...betas], weightDecay: decay }, rate);
      const expected = published([...betas], decay, rate);
      w.forEach((x, i) => expect(Math.abs(x - expected[i]!), `weight ${i}`).toBeLessThan(1e-5));
    }
  });

  // torch 1.13: AdamW([{'params': [w]}, {'params': [b], 'weight_decay': 0}], lr=0.01, betas=(0.9, 0.95),
  // weight_decay=0.1) in float64 with the same weights and gradients, 50 steps.
  test('fifty steps agree with PyTorch to 1e-5, decay groups included', () => {
    const expected = [
      0.89631542, 0.500305329, -0.33698306, -0.906586363, -0.646325162, 0.219231308, 0.956440807, 0.815158397,
      -0.117085628,
    ];
    fifty({ betas: [0.9, 0.95], weightDecay: 0.1 }, 0.01).forEach((x, i) =>
      expect(Math.abs(x - expected[i]!), `weight ${i}`).toBeLessThan(1e-5),
    );
  });

  test('decay is decoupled: without a gradient, weights shrink by rate·decay a step and the moments stay 0', () => {
    const w = Float32Array.from(first);
    const optimizer = adamw(9, { weightDecay: 0.5 });
    for (let step = 1; step <= 3; step++)
      optimizer.update(w, new Float32Array(9), parts, { step, rate: 0.1, scale: 1 });
    first.forEach((x, i) => expect(w[i]).toBeCloseTo(i < 6 ? x * 0.95 ** 3 : x, 6));
    for (const array of Object.values(optimizer.state)) expect(array.every((x) => x === 0)).toBe(true);
  });

  test('`scale` multiplies gradients before anything else', () => {
    const run = (times: number, scale: number): Float32Array => {
      const w = Float32Array.from(first);
      const optimizer = adamw(9);
      for (let step = 1; step <= 5; step++)
        optimizer.update(
          w,
          Float32Array.from(first, (_, i) => gradient(step, i) * times),
          parts,
          { step, rate: 0.01, scale },
        );
      return w;
    };
    // Powers of two change no bits.
    expect(run(4, 0.25)).toEqual(run(1, 1));
  });

  test('the SIMD kernel gives the same bits as the loop, whatever the parts’ lengths', () => {
    const lengths = [1, 3, 4, 5, 16, 31, 64];
    let at = 0;
    const ranges = lengths.map((n, k) => {
      const begin = at;
      at = Math.ceil((begin + n) / 16) * 16;
      return { begin, end: begin + n, decay: k % 2 === 0 };
    });
    const memory = arena(Array<number>(4).fill(at));
    const [w, g] = [memory.take(at), memory.take(at)];
    const fast = adamw(at, { weightDecay: 0.1, arena: memory });
    const slow = adamw(at, { weightDecay: 0.1 });
    for (let i = 0; i < at; i++) w[i] = Math.cos(i);
    const plain = Float32Array.from(w);
    for (let step = 1; step <= 20; step++) {
      for (let i = 0; i < at; i++) g[i] = gradient(step, i % 9) * 10 ** ((i % 11) - 8);
      fast.update(w, g, ranges, { step, rate: 1e-2, scale: 0.7 });
      slow.update(plain, Float32Array.from(g), ranges, { step, rate: 1e-2, scale: 0.7 });
    }
    expect(w).toEqual(plain);
    expect(fast.state).toEqual(slow.state);
    for (let i = 0; i < at; i++)
      if (!ranges.some(({ begin, end }) => i >= begin && i < end))
        expect(w[i], 'between parts').toBe(Math.fround(Math.cos(i)));
  });

  test('constants and sizes that make no sense are refused', () => {
    expect(() => adamw(4, { betas: [1, 0.9] })).toThrow('a beta is 1');
    expect(() => adamw(4, { epsilon: 0 })).toThrow('epsilon is 0');
    expect(() => adamw(4, { weightDecay: -1 })).toThrow('weightDecay is -1');
    const [three, four] = [new Float32Array(3), new Float32Array(4)];
    const update = { step: 1, rate: 1, scale: 1 };
    expect(() => adamw(4).update(three, four, [], update)).toThrow('made for 4 weights; got 3 weights');
    expect(() => adamw(4).update(four, four, [], { ...update, step: 0 })).toThrow('step is 0');
  });
});
