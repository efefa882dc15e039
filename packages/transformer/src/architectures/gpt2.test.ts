// GPT-2's options against the paper's formulas, written out once more in plain loops in float64.
import { expect, test } from 'vitest';
import { input } from '@brickwork/graph';
import { evaluating, initialize, parameters } from '@brickwork/nn';
import { compile, hostTensor, type HostTensor } from '@brickwork/runtime';
import { GPT2LMHeadModel, type GPT2Config } from './gpt2.ts';

const small = { vocab_size: 11, n_positions: 8, n_embd: 6, n_layer: 2, n_head: 2 };
const ids = [3, 1, 4, 1, 5];

type Rows = number[][];
const acts: Record<string, (x: number) => number> = {
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(0, x),
  silu: (x) => x / (1 + Math.exp(-x)),
};

/** Logits of one sequence, row by row. */
function reference(c: GPT2Config, w: ReadonlyMap<string, HostTensor>): Rows {
  const value = (name: string, i: number): number => Number(w.get(name)!.data[i]);
  const linear = (x: Rows, name: string): Rows => {
    const [, columns] = w.get(`${name}.weight`)!.shape as [number, number];
    return x.map((row) =>
      Array.from({ length: columns }, (_, j) =>
        row.reduce((sum, v, i) => sum + v * value(`${name}.weight`, i * columns + j), value(`${name}.bias`, j)),
      ),
    );
  };
  const norm = (x: Rows, name: string): Rows =>
    x.map((row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
      return row.map(
        (v, i) =>
          ((v - mean) / Math.sqrt(variance + c.layer_norm_epsilon)) * value(`${name}.weight`, i) +
          value(`${name}.bias`, i),
      );
    });
  const [C, D] = [c.n_embd, c.n_embd / c.n_head];
  const attend = (qkv: Rows, layer: number): Rows =>
    qkv.map((row, t) =>
      Array.from({ length: c.n_head }, (_, h) => {
        const q = row.slice(h * D, (h + 1) * D);
        const scores = qkv.slice(0, t + 1).map((k) => {
          let s = q.reduce((sum, v, i) => sum + v * k[C + h * D + i]!, 0);
          if (c.scale_attn_weights) s /= Math.sqrt(D);
          return c.scale_attn_by_inverse_layer_idx ? s / (layer + 1) : s;
        });
        const e = scores.map(Math.exp);
        const total = e.reduce((a, b) => a + b);
        return Array.from({ length: D }, (_, i) =>
          e.reduce((sum, p, s) => sum + (p / total) * qkv[s]![2 * C + h * D + i]!, 0),
        );
      }).flat(),
    );
  const add = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((v, i) => v + b[t]![i]!));

  let x: Rows = ids.map((id, t) =>
    Array.from(
      { length: C },
      (_, i) => value('transformer.wte.weight', id * C + i) + value('transformer.wpe.weight', t * C + i),
    ),
  );
  for (let layer = 0; layer < c.n_layer; layer++) {
    const at = `transformer.h.${layer}`;
    x = add(x, linear(attend(linear(norm(x, `${at}.ln_1`), `${at}.attn.c_attn`), layer), `${at}.attn.c_proj`));
    const inner = linear(norm(x, `${at}.ln_2`), `${at}.mlp.c_fc`).map((row) => row.map(acts[c.activation_function]!));
    x = add(x, linear(inner, `${at}.mlp.c_proj`));
  }
  const head = c.tie_word_embeddings ? 'transformer.wte.weight' : 'lm_head.weight';
  return norm(x, 'transformer.ln_f').map((row) =>
    Array.from({ length: c.vocab_size }, (_, v) => row.reduce((sum, h, i) => sum + h * value(head, v * C + i), 0)),
  );
}

// Large weights, so that every option shows.
function weightsOf(model: GPT2LMHeadModel): Map<string, HostTensor> {
  return new Map(
    [...initialize(model, 7)].map(([name, { shape, data }], p) => [
      name,
      hostTensor(
        Float32Array.from(data as Float32Array, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * p) * 0.7),
        shape as number[],
      ),
    ]),
  );
}

test.each([
  {},
  { n_inner: 5 },
  { activation_function: 'relu' },
  { activation_function: 'silu' },
  { scale_attn_weights: false },
  { scale_attn_by_inverse_layer_idx: true },
  { layer_norm_epsilon: 0.1 },
  { tie_word_embeddings: false },
  { n_head: 3 },
])('logits with %j', async (option) => {
  const model = new GPT2LMHeadModel({ ...small, ...option });
  const weights = weightsOf(model);
  const x = input('input_ids', [1, ids.length], 'int64');
  const program = await compile({ logits: model.head(model.forward(x, evaluating()).last) });
  const { logits } = await program.run(
    new Map([...weights, ['input_ids', hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length])]]),
  );
  const expected = reference(model.config, weights).flat();
  // float32 sums of tens of terms of size 1.
  expected.forEach((e, i) => expect(Math.abs(Number(logits!.data[i]) - e)).toBeLessThan(2e-5));
  await program.dispose();
});

test('the tied head is the embedding itself, an untied one a parameter of its own', () => {
  const tied = parameters(new GPT2LMHeadModel(small));
  expect([...tied.keys()]).not.toContain('lm_head.weight');
  const untied = parameters(new GPT2LMHeadModel({ ...small, tie_word_embeddings: false }));
  expect(untied.get('lm_head.weight')!.shape).toEqual([11, 6]);
});

test.each([
  [{ n_head: 4 }, /n_embd 6 doesn't divide into 4 heads/],
  [{ activation_function: 'swoosh' }, /'swoosh' is not known; known are .*gelu_new/],
  [{ add_cross_attention: true }, /add_cross_attention is true/],
])('a config with %j is refused when the model is built', (option, message) => {
  expect(() => new GPT2LMHeadModel({ ...small, ...option })).toThrow(message);
});

test('a sequence longer than the context is refused while tracing', () => {
  const model = new GPT2LMHeadModel(small);
  const forward = (): unknown => model.forward(input('ids', [2, 9], 'int64'), evaluating());
  expect(forward).toThrow(/a sequence of 9 tokens, but n_positions is 8/);
});
