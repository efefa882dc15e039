// Attention, multi-head attention and the Transformer's block against their formulas, in plain float64 loops.
import { expect, test } from 'vitest';
import { concat, constant, tanh, type Tensor } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, training } from '../../packages/nn/src/index.ts';
import { compile, hostTensor } from '../../packages/runtime/src/index.ts';
import {
  attention,
  causalMask,
  masked,
  MultiHeadAttention,
  paddingMask,
  sinusoidalPositions,
  slidingMask,
  TransformerBlock,
} from '../../packages/transformer/src/index.ts';
import { checkBrick } from '../check-brick.ts';
import { checkOp } from '../check-op.ts';
import { at, nd, total, type Nd } from '../nd.ts';

const softmax = (v: readonly number[]): number[] => {
  const top = Math.max(...v);
  const e = v.map((x) => Math.exp(x - top));
  return e.map((x) => x / total(e));
};

/** softmax(q k' · scale + mask) v, position by position; `sees` says which keys a query may look at. Heads may share keys. */
function reference(q: Nd, k: Nd, v: Nd, sees: (b: number, t: number, s: number) => boolean, scale?: number): Nd {
  const [B, H, T, D] = q.shape as [number, number, number, number];
  const [S, E] = [k.shape[2]!, v.shape[3]!];
  const own = (h: number): number => Math.floor((h * k.shape[1]!) / H);
  const by = scale ?? 1 / Math.sqrt(D);
  return nd([B, H, T, E], (b, h, t, e) => {
    const keys = Array.from({ length: S }, (_, s) => s).filter((s) => sees(b, t, s));
    const weights = softmax(
      keys.map((s) => by * total(Array.from({ length: D }, (_, d) => at(q, b, h, t, d) * at(k, b, own(h), s, d)))),
    );
    return total(keys.map((s, i) => weights[i]! * at(v, b, own(h), s, e)));
  });
}
const all = (): boolean => true;
const causal = (_b: number, t: number, s: number): boolean => s <= t;
const plain = (mask?: (q: Tensor) => Tensor, scale?: number) => (q: Tensor, k: Tensor, v: Tensor) =>
  attention(q, k, v, evaluating(), { ...(mask ? { mask: mask(q) } : {}), ...(scale ? { scale } : {}) });

test('attention: values and gradients, over a source of another length and values of another width', async () => {
  const shapes = [
    [2, 3, 4, 5],
    [2, 3, 6, 5],
    [2, 3, 6, 2],
  ];
  await checkOp(plain(), shapes, { reference: (q, k, v) => reference(q, k, v, all) });
  await checkOp(plain(undefined, 0.7), shapes, { reference: (q, k, v) => reference(q, k, v, all, 0.7) });
});

test('attention: causal, and the same with named axes', async () => {
  const shape = [2, 2, 5, 4];
  await checkOp(
    plain((q) => causalMask(q, 2)),
    [shape, shape, shape],
    {
      reference: (q, k, v) => reference(q, k, v, causal),
      symbolic: [
        ['B', 2, 'T', 4],
        ['B', 2, 'T', 4],
        ['B', 2, 'T', 4],
      ],
    },
  );
});

test('attention: padded keys get no weight and no gradient', async () => {
  const length = [2, 4];
  const mask = (): Tensor =>
    paddingMask(
      constant(BigInt64Array.from(length.flatMap((n) => [0, 1, 2, 3].map((s) => (s < n ? 1n : 0n)))), [2, 4]),
    );
  const shape = [2, 1, 4, 3];
  await checkOp(plain(mask), [shape, shape, shape], {
    reference: (q, k, v) => reference(q, k, v, (b, _t, s) => s < length[b]!),
  });
});

test('attention: keys and values of the past give what one longer source gives', async () => {
  const [now, before] = [
    [2, 2, 3, 4],
    [2, 2, 5, 4],
  ];
  const join = (a: Nd, b: Nd): Nd =>
    nd([2, 2, 8, 4], (i, h, s, d) => (s < 5 ? at(a, i, h, s, d) : at(b, i, h, s - 5, d)));
  const mask = new Float32Array(3 * 8).map((_, i) => (i % 8 > Math.floor(i / 8) + 5 ? masked : 0));
  await checkOp(
    (q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor) =>
      attention(q, k, v, evaluating(), { past: { key: pk, value: pv }, mask: constant(mask, [3, 8]) }),
    [now, now, now, before, before],
    { reference: (q, k, v, pk, pv) => reference(q, join(pk!, k), join(pv!, v), (_b, t, s) => s <= t + 5) },
  );
});

test.each([1, 2])('attention: 4 heads of queries share %i of keys and values', async (K) => {
  const [queries, keys] = [
    [2, 4, 5, 4],
    [2, K, 5, 4],
  ];
  const named = (heads: number): (string | number)[] => ['B', heads, 'T', 4];
  await checkOp(
    plain((q) => slidingMask(q, 2, 3)),
    [queries, keys, keys],
    {
      reference: (q, k, v) => reference(q, k, v, (_b, t, s) => s <= t && t - s < 3),
      symbolic: [named(4), named(K), named(K)],
    },
  );
  const padding = (): Tensor => paddingMask(constant(BigInt64Array.of(1n, 1n, 1n, 1n, 1n, 1n, 1n, 0n, 0n, 0n), [2, 5]));
  await checkOp(plain(padding), [queries, keys, keys], {
    reference: (q, k, v) => reference(q, k, v, (b, _t, s) => b === 0 || s < 2),
  });
});

test('attention: heads that share keys, with a past', async () => {
  const [now, one, before] = [
    [2, 4, 1, 4],
    [2, 2, 1, 4],
    [2, 2, 5, 4],
  ];
  const join = (a: Nd, b: Nd): Nd =>
    nd([2, 2, 6, 4], (i, h, s, d) => (s < 5 ? at(a, i, h, s, d) : at(b, i, h, s - 5, d)));
  await checkOp(
    (q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor) =>
      attention(q, k, v, evaluating(), { past: { key: pk, value: pv } }),
    [now, one, one, before, before],
    { reference: (q, k, v, pk, pv) => reference(q, join(pk!, k), join(pv!, v), all) },
  );
});

test('attention: dropped weights are dropped from the gradient too', async () => {
  const shape = [1, 2, 6, 4];
  // The mask that dropout drew is what attention gives for values that are one-hot rows.
  const seed = hostTensor(Int32Array.of(7), []);
  const q = { shape, data: Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)) };
  const traced = (v: Tensor, qk: Tensor): Tensor => attention(qk, qk, v, training(), { dropout: 0.5 });
  const eye = constant(
    Float32Array.from({ length: 72 }, (_, i) => (Math.floor(i / 6) % 6 === i % 6 ? 1 : 0)),
    [1, 2, 6, 6],
  );
  const program = await compile({ weights: traced(eye, constant(q.data, shape)) });
  const { weights } = await program.run({ seed });
  const kept = [...(weights!.data as Float32Array)];
  expect(kept.some((w) => w === 0)).toBe(true);
  // Each row of what is left, divided by what softmax gives, is 0 or 1 / (1 - p).
  const whole = reference(
    { shape, data: Float64Array.from(q.data) },
    { shape, data: Float64Array.from(q.data) },
    nd([1, 2, 6, 6], (_b, _h, s, e) => (s === e ? 1 : 0)),
    all,
  );
  kept.forEach((w, i) =>
    expect(Math.min(Math.abs(w / whole.data[i]!), Math.abs(w / whole.data[i]! - 2))).toBeLessThan(1e-5),
  );
  await program.dispose();
});

test('attention: shapes that do not fit are named', () => {
  const ctx = evaluating();
  const zeros = (shape: number[]): Tensor => constant(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  expect(() => attention(zeros([1, 2, 3, 4]), zeros([1, 2, 3, 5]), zeros([1, 2, 3, 5]), ctx)).toThrow(
    /attention: q \(1, 2, 3, 4\), k \(1, 2, 3, 5\), v \(1, 2, 3, 5\)/,
  );
  expect(() => new MultiHeadAttention(10, 4)).toThrow(/width 10 doesn't divide into 4 heads/);
});

const linear = (x: Nd, w: Nd, b: Nd): Nd =>
  nd([...x.shape.slice(0, -1), w.shape[0]!], (...i) => {
    const row = i.slice(0, -1);
    const m = i.at(-1)!;
    return at(b, m) + total(Array.from({ length: w.shape[1]! }, (_, c) => at(x, ...row, c) * at(w, m, c)));
  });
const heads = (x: Nd, H: number): Nd => {
  const [B, T, C] = x.shape as [number, number, number];
  return nd([B, H, T, C / H], (b, h, t, d) => at(x, b, t, (h * C) / H + d));
};
function multiHead(
  x: Nd,
  source: Nd,
  p: readonly Nd[],
  H: number,
  sees: (b: number, t: number, s: number) => boolean,
): Nd {
  const [q, k, v] = [linear(x, p[0]!, p[1]!), linear(source, p[2]!, p[3]!), linear(source, p[4]!, p[5]!)];
  const y = reference(heads(q, H), heads(k, H), heads(v, H), sees);
  const C = q.shape[2]!;
  const joined = nd(q.shape, (b, t, c) => at(y, b, Math.floor((c * H) / C), t, c % (C / H)));
  return linear(joined, p[6]!, p[7]!);
}

test('MultiHeadAttention: to itself, and to a source of another width and length', async () => {
  await checkBrick(() => new MultiHeadAttention(6, 3), [[2, 4, 6]], {
    reference: (x, ...p) => multiHead(x!, x!, p, 3, all),
    fixed: [4], // a bias of the keys moves all scores of a query alike: its gradient is rounding
    gradientTolerance: 1e-4,
    symbolic: [['B', 'T', 6]],
  });
  const cross = (): { forward(x: Tensor, source: Tensor): Tensor } => {
    const brick = new MultiHeadAttention(6, 2, { sourceWidth: 4 });
    const { forward } = brick;
    return Object.assign(brick, {
      forward: (x: Tensor, source: Tensor) => forward.call(brick, x, evaluating(), { source }),
    });
  };
  await checkBrick(
    cross,
    [
      [2, 3, 6],
      [2, 5, 4],
    ],
    { reference: (x, source, ...p) => multiHead(x!, source!, p, 2, all), fixed: [5], gradientTolerance: 1e-4 },
  );
});

const norm = (x: Nd, w: Nd, b: Nd): Nd => {
  const C = x.shape.at(-1)!;
  return nd(x.shape, (...i) => {
    const row = Array.from({ length: C }, (_, c) => at(x, ...i.slice(0, -1), c));
    const mean = total(row) / C;
    const variance = total(row.map((v) => (v - mean) ** 2)) / C;
    return ((at(x, ...i) - mean) / Math.sqrt(variance + 1e-5)) * at(w, i.at(-1)!) + at(b, i.at(-1)!);
  });
};
const plus = (a: Nd, b: Nd): Nd => nd(a.shape, (...i) => at(a, ...i) + at(b, ...i));
const squash = (x: Nd): Nd => nd(x.shape, (...i) => Math.tanh(at(x, ...i)));

for (const kind of ['pre', 'post'] as const)
  test(`TransformerBlock: ${kind}-norm, each part and every gradient`, async () => {
    const H = 2;
    await checkBrick(() => new TransformerBlock(4, H, { norm: kind, activation: tanh, inner: 6 }), [[2, 3, 4]], {
      reference: (x, ...p) => {
        const [mha, fc1, fc2] = [p.slice(0, 8), p.slice(8, 10), p.slice(10, 12)];
        const [n1, n2] = [p.slice(12, 14), p.slice(14, 16)];
        const feed = (h: Nd): Nd => linear(squash(linear(h, fc1[0]!, fc1[1]!)), fc2[0]!, fc2[1]!);
        if (kind === 'post') {
          const h = norm(plus(x!, multiHead(x!, x!, mha, H, all)), n1[0]!, n1[1]!);
          return norm(plus(h, feed(h)), n2[0]!, n2[1]!);
        }
        const h1 = norm(x!, n1[0]!, n1[1]!);
        const h = plus(x!, multiHead(h1, h1, mha, H, all));
        return plus(h, feed(norm(h, n2[0]!, n2[1]!)));
      },
      fixed: [4],
      tolerance: 1e-5,
      gradientTolerance: 1e-4,
    });
  });

test('TransformerBlock: a decoder’s block attends to its source, and says so where none is given', async () => {
  const block = new TransformerBlock(4, 2, { sourceWidth: 6 });
  const x = constant(
    new Float32Array(12).map((_, i) => Math.sin(i)),
    [1, 3, 4],
  );
  expect(() => block.forward(x, evaluating())).toThrow(/attends to a source, and none was given/);
  const sources = [0, 1].map((n) =>
    constant(
      new Float32Array(30).map((_, i) => Math.cos(i + n)),
      [1, 5, 6],
    ),
  );
  const outputs = Object.fromEntries(
    sources.map((source, n) => [`y${n}`, block.forward(x, evaluating(), { source, mask: causalMask(x, 1) })]),
  );
  const weights = initialize(block, 3);
  const program = await compile(outputs);
  const out = await program.run(weights);
  expect(out['y0']!.shape).toEqual([1, 3, 4]);
  expect(out['y0']!.data).not.toEqual(out['y1']!.data);
  await program.dispose();
});

test('sinusoidal positions are those of the paper', async () => {
  const program = await compile({ y: concat([sinusoidalPositions(50, 8)], 0) });
  const { data } = (await program.run({}))['y']!;
  for (const [t, c] of [
    [0, 0],
    [0, 1],
    [7, 2],
    [49, 5],
    [31, 7],
  ] as const) {
    const angle = t / 10000 ** ((c - (c % 2)) / 8);
    expect(data[t * 8 + c]).toBeCloseTo(c % 2 ? Math.cos(angle) : Math.sin(angle), 6);
  }
  expect(() => sinusoidalPositions(4, 7)).toThrow(/width 7 is odd/);
  await program.dispose();
});
