// GPT-NeoX's options: which change the computation, and which are refused.
import { expect, test } from 'vitest';
import { input } from '@brickwork/graph';
import { evaluating, initialize, parameters } from '@brickwork/nn';
import { compile, hostTensor } from '@brickwork/runtime';
import { GPTNeoXForCausalLM } from './gpt-neox.ts';

const small = {
  vocab_size: 11,
  max_position_embeddings: 8,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  rotary_pct: 0.5,
};

/** Logits of three tokens, where attention adds `attended` times 1, 2, 3, … to the channels. */
async function logits(option: object, attended: number): Promise<number[]> {
  const model = new GPTNeoXForCausalLM({ ...small, ...option });
  const weights = new Map(
    [...initialize(model, 5)].map(([name, { shape, data }]) => {
      const isOutput = name.endsWith('attention.dense.bias');
      const values = Float32Array.from(data as Float32Array, (v, i) => (isOutput ? attended * (i + 1) : 10 * v));
      return [name, hostTensor(values, shape as number[])] as const;
    }),
  );
  const ids = input('input_ids', [1, 3], 'int64');
  const program = await compile({ logits: model.head(model.forward(ids, evaluating()).last) });
  const out = await program.run(
    new Map([...weights, ['input_ids', hostTensor(BigInt64Array.of(1n, 2n, 3n), [1, 3])] as const]),
  );
  await program.dispose();
  return [...(out['logits']!.data as Float32Array)];
}

test('the feed-forward reads what attention read, or with use_parallel_residual: false what it wrote', async () => {
  // What attention adds is uneven, so that the norm before the feed-forward doesn't take it off again.
  const parallel = await logits({}, 3);
  const sequential = await logits({ use_parallel_residual: false }, 3);
  expect(Math.max(...parallel.map((v, i) => Math.abs(v - sequential[i]!)))).toBeGreaterThan(1e-2);
});

test('the base of the frequencies has two names', () => {
  const base = (config: object): number => new GPTNeoXForCausalLM({ ...small, ...config }).config.rotary_emb_base;
  expect(base({})).toBe(10000);
  expect(base({ rotary_emb_base: 500.5 })).toBe(500.5);
  expect(base({ rope_theta: 25000 })).toBe(25000);
});

test('attention without biases, and a tied head', () => {
  const names = [
    ...parameters(new GPTNeoXForCausalLM({ ...small, attention_bias: false, tie_word_embeddings: true })).keys(),
  ];
  expect(names.filter((name) => /attention\..*bias$/.test(name))).toEqual([]);
  expect(names).not.toContain('embed_out.weight');
});

test.each([
  [{ num_attention_heads: 3 }, /hidden_size 8 doesn't divide into 3 heads/],
  [{ rotary_pct: 0.25 }, /rotary_pct 0.25 of 4 channels turns 1; needs an even number from 2/],
  [{ rotary_pct: 2 }, /turns 8/],
  [{ hidden_act: 'swoosh' }, /'swoosh' is not known/],
])('a config with %j is refused when the model is built', (option, message) => {
  expect(() => new GPTNeoXForCausalLM({ ...small, ...option })).toThrow(message);
});
