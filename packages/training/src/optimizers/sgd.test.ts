import { arena } from '../arena.ts';
import { describe, expect, test } from 'vitest';
import type { OptimizerPart } from './optimizer.ts';
import { sgd, type SGDOptions } from './sgd.ts';

const gradient = (t: number, i: number): number => Math.sin(0.7 * t + 1.3 * i) * 0.1 * (i + 1);
const parts: readonly OptimizerPart[] = [
  { begin: 0, end: 6, decay: true },
  { begin: 6, end: 9, decay: false },
];
const first = Array.from({ length: 9 }, (_, i) => Math.cos(i));

function fifty(o: SGDOptions): Float32Array {
  const w = Float32Array.from(first);
  const optimizer = sgd(9, o);
  for (let step = 1; step <= 50; step++)
    optimizer.update(
      w,
      Float32Array.from(first, (_, i) => gradient(step, i)),
      parts,
      { step, rate: 0.05, scale: 1 },
    );
  return w;
}
const agree = (w: Float32Array, expected: readonly number[]): void =>
  w.forEach((x, i) => expect(Math.abs(x - expected[i]!), `weight ${i}`).toBeLessThan(1e-5));

describe('sgd', () => {
  // As PyTorch documents it (Sutskever et al., 2013, in another scaling), in float64.
  test('fifty steps agree with the published formula in float64 to 1e-5', () => {
    for (const momentum of [0, 0.5, 0.9])
      for (const nesterov of [false, true]) {
        if (nesterov && !momentum) continue;
        const expected = first.map((start, i) => {
          let [theta, b] = [start, 0];
          for (let t = 1; t <= 50; t++) {
            let g = gradient(t, i) + (i < 6 ? 0.1 : 0) * theta;
            b = t === 1 ? g : momentum * b + g;
            if (momentum) g = nesterov ? g + momentum * b : b;
            theta -= 0.05 * g;
          }
          return theta;
        });
        agree(fifty({ momentum, nesterov, weightDecay: 0.1 }), expected);
      }
  });

  // torch 1.13, float64: SGD([{'params': [w]}, {'params': [b], 'weight_decay': 0}], lr=0.05, weight_decay=0.1, …).
  test('fifty steps agree with PyTorch to 1e-5: plain, with momentum, with Nesterov’s', () => {
    agree(
      fifty({ weightDecay: 0.1 }),
      [
        0.767886764, 0.428873589, -0.28591447, -0.760131891, -0.565086016, 0.169015688, 1.009414189, 0.864272644,
        -0.142384735,
      ],
    );
    agree(
      fifty({ momentum: 0.9, weightDecay: 0.1 }),
      [
        -0.030353579, -0.01639238, 0.047404391, 0.061103585, -0.028425364, -0.098816103, 1.082209177, 1.406835804,
        0.090575481,
      ],
    );
    agree(
      fifty({ momentum: 0.9, nesterov: true, weightDecay: 0.1 }),
      [
        -0.020574313, -0.00038329, 0.060738779, 0.043971473, -0.071609921, -0.111684622, 1.11924919, 1.451912838,
        0.070083228,
      ],
    );
  });

  test('keeps no state without momentum', () => {
    expect(sgd(9).state['u']).toHaveLength(0);
    expect(sgd(9, { momentum: 0.9 }).state['u']).toHaveLength(9);
  });

  test('constants and sizes that make no sense are refused', () => {
    expect(() => sgd(4, { momentum: 1 })).toThrow('momentum is 1');
    expect(() => sgd(4, { weightDecay: -0.1 })).toThrow('weightDecay is -0.1');
    expect(() => sgd(4, { nesterov: true })).toThrow('nesterov needs a momentum');
    const [w, g] = [new Float32Array(4), new Float32Array(5)];
    expect(() => sgd(4).update(w, g, [], { step: 1, rate: 1, scale: 1 })).toThrow('got 4 weights and 5 gradients');
  });
});

describe('the SIMD kernel', () => {
  test.each([{ momentum: 0.9 }, { momentum: 0.9, nesterov: true, weightDecay: 0.1 }])(
    'gives the same bits as the loop: %j',
    (o) => {
      for (const n of [3, 4, 37]) {
        const memory = arena([n, n, n]);
        const [w, g] = [memory.take(n), memory.take(n)];
        const [plainW, plainG] = [new Float32Array(n), new Float32Array(n)];
        for (let i = 0; i < n; i++) {
          w[i] = plainW[i] = Math.sin(i);
          g[i] = plainG[i] = Math.cos(3 * i);
        }
        const [fast, plain] = [sgd(n, { ...o, arena: memory }), sgd(n, o)];
        const parts = [{ begin: 0, end: n, decay: true }];
        for (let step = 1; step <= 3; step++) {
          fast.update(w, g, parts, { step, rate: 0.1, scale: 0.7 });
          plain.update(plainW, plainG, parts, { step, rate: 0.1, scale: 0.7 });
        }
        expect([...w]).toEqual([...plainW]);
        expect([...fast.state['u']!]).toEqual([...plain.state['u']!]);
      }
    },
  );
});
