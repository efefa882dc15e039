// Decoders against PyTorch: logits to 1e-4 and gradients to 1e-3 of each tensor's largest value, as float32 sums in another
// order differ by about 1e-6; the loss to 1e-5; greedy continuations exactly.
import { describe, expect, test } from 'vitest';
import { gradients, input, type Shape } from '../../packages/graph/src/index.ts';
import { evaluating, parameters } from '../../packages/nn/src/index.ts';
import { compile } from '../../packages/runtime/src/index.ts';
import {
  architectures,
  buildCausalLM,
  CachedDecoder,
  loadWeights,
  type CausalLM,
} from '../../packages/transformer/src/index.ts';
import { difference, fixture, hasShared, type Fixture } from '../fixtures.ts';

function open(f: Fixture): { model: CausalLM; weights: ReturnType<typeof loadWeights> } {
  const model = buildCausalLM(f.config);
  return { model, weights: loadWeights(parameters(model), f.weights, architectures[String(f.config['model_type'])]) };
}

describe.skipIf(!hasShared).each(['gpt2', 'gpt2_beam', 'gpt_neox', 'llama', 'mistral', 'qwen2'])(
  '%s (needs ../shared)',
  (name) => {
    test('logits, loss and every gradient are PyTorch’s', async () => {
      const f = await fixture(name);
      const { model, weights } = open(f);
      const shape = f.inputs.get('input_ids')!.shape;
      const ids = input('input_ids', shape, 'int64');
      const labels = input('labels', shape, 'int64');
      const attentionMask = input('attention_mask', shape, 'int64');
      const { last } = model.forward(ids, evaluating(), { attentionMask });
      const loss = model.loss(last, labels);
      const names = [...weights.keys()];
      const grads = gradients(loss, [...parameters(model).values()]);
      const logits = model.head(last);
      const program = await compile({
        loss,
        logits,
        ...Object.fromEntries(names.map((n, i) => [`grad.${n}`, grads[i]!])),
      });
      const out = await program.run(new Map([...weights, ...f.inputs]));
      expect(difference(out['logits']!, f.expected.get('logits')!).absolute).toBeLessThan(1e-4);
      expect(Math.abs(Number(out['loss']!.data[0]) - f.json.loss)).toBeLessThan(1e-5);
      expect(names.filter((n) => f.grads.has(n)).length).toBe(f.grads.size);
      for (const [n, expected] of f.grads)
        expect(difference(out[`grad.${n}`]!, expected).relative, n).toBeLessThan(1e-3);
      await program.dispose();
    });

    test('one graph for any batch and length gives the same logits', async () => {
      const f = await fixture(name);
      const { model, weights } = open(f);
      const any: Shape = ['B', 'T'];
      const attentionMask = input('attention_mask', any, 'int64');
      const { last } = model.forward(input('input_ids', any, 'int64'), evaluating(), { attentionMask });
      const program = await compile({ logits: model.head(last) });
      const own = new Map([...f.inputs].filter(([n]) => n !== 'labels'));
      const { logits } = await program.run(new Map([...weights, ...own]));
      expect(difference(logits!, f.expected.get('logits')!).absolute).toBeLessThan(1e-4);
      await program.dispose();
    });

    test('prompts of different lengths in one batch decode as each does alone', async () => {
      const f = await fixture(name);
      const { model, weights } = open(f);
      const decoder = new CachedDecoder(model, weights);
      const greedy = async (prompts: number[][], steps: number): Promise<number[][]> => {
        const V = decoder.vocabularySize;
        const rows = prompts.map((p) => [...p]);
        let logits = await decoder.prefill(prompts);
        for (let i = 0; i < steps; i++) {
          const next = rows.map((_, r) => {
            const own = logits.subarray(r * V, (r + 1) * V);
            return own.indexOf(Math.max(...own));
          });
          next.forEach((id, r) => rows[r]!.push(id));
          if (i + 1 < steps) logits = await decoder.step(next);
        }
        return rows;
      };
      const prompts = [f.json.generate.prompt.input_ids[0]!, [3, 9, 17, 4, 5, 6, 7, 8, 9], [50]];
      const alone = [];
      for (const prompt of prompts) alone.push((await greedy([prompt], 12))[0]!);
      expect(await greedy(prompts, 12)).toEqual(alone);
      if (!f.json.generate.num_beams) expect(alone[0]).toEqual(f.json.generate.tokens[0]);
      await decoder.dispose();
    });
  },
);
