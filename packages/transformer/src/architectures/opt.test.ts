// OPT against plain loops in float64, written from the paper and from Hugging Face's names: both places of the norms, with
// and without projections; and its cache against whole passes.
import { describe, expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { buildNetwork } from '../architecture.ts';
import { Model } from '../model.ts';
import { architectures } from './index.ts';

const sizes = {
  model_type: 'opt',
  vocab_size: 13,
  max_position_embeddings: 9,
  hidden_size: 8,
  ffn_dim: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
};
function make(more: object): Model {
  const config = { ...sizes, ...more };
  const built = buildNetwork(config, architectures);
  const weights = [...initialize(built.network, 3)].map(([n, { data, shape }], k) => {
    return [
      n,
      hostTensor(
        data.map((v, i) => v * 8 + 0.05 * Math.sin(i + k)),
        shape,
      ),
    ] as const;
  });
  return new Model({ ...built, config, weights: new Map(weights) });
}

type Rows = number[][];
function logitsOf({ weights, config }: Model, ids: readonly number[]): Rows {
  const own = (name: string): number[] => Array.from(weights.get(`model.decoder.${name}`)!.data as Float32Array);
  const has = (name: string): boolean => weights.has(`model.decoder.${name}`);
  const width = (name: string): number => weights.get(`model.decoder.${name}`)!.shape[1]!;
  const linear = (x: Rows, name: string): Rows => {
    const [w, b, n] = [
      own(`${name}.weight`),
      has(`${name}.bias`) ? own(`${name}.bias`) : null,
      width(`${name}.weight`),
    ];
    return x.map((row) =>
      Array.from({ length: w.length / n }, (_, o) => row.reduce((sum, v, i) => sum + v * w[o * n + i]!, b?.[o] ?? 0)),
    );
  };
  const norm = (x: Rows, name: string): Rows => {
    const [w, b] = [own(`${name}.weight`), own(`${name}.bias`)];
    return x.map((row) => {
      const mean = row.reduce((a, v) => a + v) / row.length;
      const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / row.length;
      return row.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * w[i]! + b[i]!);
    });
  };
  const add = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((v, i) => v + b[t]![i]!));
  const table = (name: string, rows: readonly number[]): Rows =>
    rows.map((row) => own(`${name}.weight`).slice(row * width(`${name}.weight`), (row + 1) * width(`${name}.weight`)));
  const D = 4;
  const before = config['do_layer_norm_before'] !== false;
  const tokens = table('embed_tokens', ids);
  let x = has('project_in.weight') ? linear(tokens, 'project_in') : tokens;
  x = add(
    x,
    table(
      'embed_positions',
      ids.map((_, t) => t + 2),
    ),
  );
  for (let l = 0; l < 2; l++) {
    const at = `layers.${l}`;
    const inner = before ? norm(x, `${at}.self_attn_layer_norm`) : x;
    const [q, k, v] = ['q', 'k', 'v'].map((n) => linear(inner, `${at}.self_attn.${n}_proj`)) as [Rows, Rows, Rows];
    const joined = x.map((_, t) =>
      [0, 1].flatMap((h) => {
        const part = (row: number[]): number[] => row.slice(h * D, (h + 1) * D);
        const scores = k
          .slice(0, t + 1)
          .map((row) => part(row).reduce((sum, c, i) => sum + c * part(q[t]!)[i]!, 0) / 2);
        const total = scores.reduce((sum, s) => sum + Math.exp(s), 0);
        return Array.from({ length: D }, (_, i) =>
          scores.reduce((sum, s, j) => sum + (Math.exp(s) / total) * part(v[j]!)[i]!, 0),
        );
      }),
    );
    x = add(x, linear(joined, `${at}.self_attn.out_proj`));
    if (!before) x = norm(x, `${at}.self_attn_layer_norm`);
    const fed = linear(before ? norm(x, `${at}.final_layer_norm`) : x, `${at}.fc1`).map((row) =>
      row.map((c) => Math.max(0, c)),
    );
    x = add(x, linear(fed, `${at}.fc2`));
    if (!before) x = norm(x, `${at}.final_layer_norm`);
  }
  if (before) x = norm(x, 'final_layer_norm');
  if (has('project_out.weight')) x = linear(x, 'project_out');
  return linear(x, 'embed_tokens'); // tied
}

describe.each([
  ['norms before', {}],
  ['norms after, projected embeddings (opt-350m)', { do_layer_norm_before: false, word_embed_proj_dim: 6 }],
  ['without biases', { enable_bias: false }],
])('%s', (_, more) => {
  test('logits are those of plain loops, and a cached step equals the whole pass', async () => {
    const model = make(more);
    const ids = [3, 1, 4, 1, 5, 9, 2];
    const expected = logitsOf(model, ids);
    const input_ids = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
    const { logits } = await model.run({ input_ids }, ['logits']);
    const largest = Math.max(...expected.flat().map(Math.abs));
    (logits!.data as Float32Array).forEach((v, i) =>
      expect(Math.abs(v - expected.flat()[i]!)).toBeLessThan(1e-5 * largest),
    );
    const decoder = model.decoder();
    await decoder.prefill([ids.slice(0, 3)]);
    for (let t = 3; t < ids.length; t++) {
      const step = await decoder.step([ids[t]!]);
      expected[t]!.forEach((v, i) => expect(Math.abs(step[i]! - v)).toBeLessThan(1e-5 * largest));
    }
    await decoder.dispose();
    await model.dispose();
  });
});

test('what isn’t implemented is refused', () => {
  expect(() => make({ layer_norm_elementwise_affine: false })).toThrow('opt config: layer_norm_elementwise_affine');
  expect(() => make({ num_attention_heads: 3 })).toThrow("doesn't divide into 3 heads");
});
