// A run that loses its numbers stops with the step, the brick and what to try, and leaves what it had written.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { initialize, random } from '../../packages/nn/src/index.ts';
import { hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import {
  FineTuning,
  languageModelling,
  memoryStore,
  memoryTokens,
  networkStep,
  pretrain,
  type TrainEvent,
} from '../../packages/training/src/index.ts';
import { architectures, buildNetwork, GPT2LMHeadModel, Model } from '../../packages/transformer/src/index.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-nan-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const [V, T] = [17, 8];
const sizes = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 3, num_attention_heads: 2, vocab_size: V };
const configs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  gpt2: { model_type: 'gpt2', vocab_size: V, n_positions: 16, n_embd: 16, n_layer: 3, n_head: 2 },
  llama: { ...sizes, model_type: 'llama', max_position_embeddings: 16 },
  bert: { ...sizes, model_type: 'bert', architectures: ['BertForMaskedLM'], max_position_embeddings: 16 },
};
const ids = hostTensor(
  BigInt64Array.from({ length: 2 * T }, (_, i) => BigInt((5 * i + 3) % V)),
  [2, T],
);
const batch = { input_ids: ids, labels: ids };

async function diagnose(
  config: Readonly<Record<string, unknown>>,
  change: (weights: Map<string, Float32Array>) => void,
): Promise<string | null> {
  const { network } = buildNetwork(config, architectures);
  const values = new Map([...initialize(network, 1)].map(([name, { data }]) => [name, data] as const));
  change(values);
  const weights = new Map<string, HostTensor>(
    [...initialize(network, 1)].map(([name, { shape }]) => [name, hostTensor(values.get(name)!, shape)]),
  );
  const grads = new Map(
    [...weights].map(([name, { shape, data }]) => [name, hostTensor(new Float32Array(data.length), shape)]),
  );
  const step = networkStep(network, { weights, grads });
  const loss = await step.run(batch, 3);
  const found = await step.diagnose!(batch, 3);
  await step.dispose();
  expect(Number.isFinite(loss)).toBe(found === null || found.includes('backward'));
  return found;
}

describe('where it began is found', () => {
  test('in the weights', async () => {
    const found = await diagnose(configs['gpt2']!, (w) => (w.get('transformer.h.1.mlp.c_fc.weight')![7] = Number.NaN));
    expect(found).toBe('the weights of transformer.h.1.mlp.c_fc.weight are no longer finite');
  });

  test.each([
    ['gpt2', 'transformer.h.2.mlp.c_fc.weight', 'transformer.h.2.mlp.c_fc'],
    ['gpt2', 'transformer.h.1.attn.c_attn.weight', 'transformer.h.1.attn.c_attn'],
    ['llama', 'model.layers.1.mlp.up_proj.weight', 'model.layers.1.mlp.up_proj'],
    ['bert', 'bert.encoder.layer.2.intermediate.dense.weight', 'bert.encoder.layer.2.intermediate.dense'],
  ])('in the forward pass of %s: %s overflows', async (name, weight, brick) => {
    // Finite weights, but their sums are not.
    const found = await diagnose(configs[name]!, (w) => w.get(weight)!.fill(3e38));
    expect(found).toContain(`is in ${brick} (`);
    expect(found).toContain('of the forward pass');
  });

  test('nowhere, where all is well', async () => {
    expect(await diagnose(configs['gpt2']!, () => {})).toBe(null);
  });
});

test('a rate that explodes ends fine-tuning with step, brick and advice; checkpoint and best stay', async () => {
  const config = configs['gpt2']!;
  const built = buildNetwork(config, architectures);
  const weights = new Map(
    [...initialize(built.network, 1)].map(([n, { data, shape }]) => [n, hostTensor(data, shape)]),
  );
  const tuning = new FineTuning(new Model({ ...built, config, weights }));
  const draw = random(2);
  const example = () => Int32Array.from({ length: T }, () => draw.integer(V));
  const examples = Array.from({ length: 8 }, () => {
    const own = example();
    return { input_ids: own, labels: own };
  });
  const task = languageModelling({ encode: () => ({ ids: [] }) as never }, { padId: 0, limit: T, endId: null });
  const store = memoryStore(examples);
  const folder = join(root, 'run');
  const options = {
    task,
    batchSize: 4,
    evaluateEvery: 2,
    folder,
    keepBest: true,
    picture: false,
    schedule: 'constant',
  } as const;
  for await (const _ of tuning.train({ train: store, validation: store }, { ...options, steps: 4, rate: 1e-3 }));
  const kept = ['state.safetensors', 'best.safetensors'].map((name) => readFileSync(join(folder, name)));
  const events: TrainEvent[] = [];
  const explode = async (): Promise<void> => {
    // The same run, whose weights went wrong in between.
    const wrong = tuning.train(
      { train: store, validation: store },
      { ...options, steps: 40, rate: 1e-3, resume: true },
    );
    for await (const event of wrong) {
      events.push(event);
      if (event.type === 'start')
        (tuning.trainedWeights.get('transformer.h.1.ln_2.weight')!.data as Float32Array).fill(3e38);
    }
  };
  await expect(explode()).rejects.toThrow(
    /^train: at step 5 the loss is NaN .*is in transformer\.h\.1\..* of the forward pass; use a smaller rate, more warm-up, or a smaller clip\. The last checkpoint, in .* is as it was$/,
  );
  ['state.safetensors', 'best.safetensors'].forEach((name, i) =>
    expect(readFileSync(join(folder, name)).equals(kept[i]!), name).toBe(true),
  );
});

test('pretraining tells the same', async () => {
  const data = Int32Array.from({ length: 200 }, (_, i) => (i * i) % 13);
  const tokens = { train: memoryTokens(data), validation: memoryTokens(data), charactersPerToken: 1, fingerprint: 'x' };
  const model = new GPT2LMHeadModel({ vocab_size: 13, n_positions: 8, n_embd: 16, n_layer: 2, n_head: 2 });
  const run = async (): Promise<void> => {
    for await (const _ of pretrain(model, tokens, {
      ...{ steps: 30, batchSize: 4, rate: 1e30, clip: 0, optimizer: 'sgd', schedule: 'constant', measurePeak: false },
    }));
  };
  await expect(run()).rejects.toThrow(
    /at step \d+ the loss is .* (is in transformer|weights of transformer).*smaller rate/,
  );
});
