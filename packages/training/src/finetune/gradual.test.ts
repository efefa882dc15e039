// Gradual unfreezing: what is still frozen stays to the bit, each parameter's first step is its first, and a run resumes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialize, parameters } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { architectures, buildNetwork, Model } from '@brickwork/transformer';
import { afterAll, describe, expect, test } from 'vitest';
import { memoryStore } from '../data/example-store.ts';
import type { TrainEvent } from '../train-options.ts';
import { classification } from '../tasks/classification.ts';
import { FineTuning, type FineTuneOptions } from './fine-tuning.ts';
import { thawStages } from './gradual.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-gradual-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const sizes = {
  vocab_size: 23,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 32,
};
const bert = { ...sizes, model_type: 'bert', architectures: ['BertForSequenceClassification'] };
const networkOf = (config: Record<string, unknown>): Model['network'] => {
  const { network } = buildNetwork(config, architectures);
  parameters(network);
  return network;
};
const stagesOf = (config: Record<string, unknown>): [string, number][] => [...thawStages(networkOf(config))];

test('stages: the head, the blocks from the last to the first, the embeddings', () => {
  for (const [name, stage] of stagesOf(bert)) {
    const expected = name.startsWith('bert.embeddings')
      ? 3
      : /layer\.0\./.test(name)
        ? 2
        : /layer\.1\./.test(name)
          ? 1
          : 0;
    expect(stage, name).toBe(expected);
  }
  const gpt2 = { model_type: 'gpt2', vocab_size: 23, n_embd: 16, n_layer: 2, n_head: 2, n_positions: 16 };
  const byName = new Map(stagesOf(gpt2));
  expect(byName.get('transformer.ln_f.weight')).toBe(0);
  expect(byName.get('transformer.h.1.ln_1.weight')).toBe(1);
  expect(byName.get('transformer.h.0.mlp.c_fc.weight')).toBe(2);
  expect(byName.get('transformer.wte.weight')).toBe(3);
});

test('stages of an encoder-decoder: the decoder’s blocks come first', () => {
  const t5 = { model_type: 't5', vocab_size: 23, d_model: 16, d_kv: 8, d_ff: 32, num_layers: 2, num_heads: 2 };
  const byName = new Map(stagesOf(t5));
  const stage = (name: string): number => byName.get(name)!;
  expect(stage('decoder.final_layer_norm.weight')).toBe(0);
  expect(stage('decoder.block.1.layer.0.SelfAttention.q.weight')).toBe(1);
  expect(stage('decoder.block.0.layer.0.SelfAttention.q.weight')).toBe(2);
  expect(stage('encoder.block.1.layer.0.SelfAttention.q.weight')).toBe(3);
  expect(stage('encoder.final_layer_norm.weight')).toBe(3);
  expect(stage('encoder.block.0.layer.0.SelfAttention.q.weight')).toBe(4);
  expect(stage('shared.weight')).toBe(5);
});

function modelOf(config: Record<string, unknown>): Model {
  const built = buildNetwork(config, architectures);
  const weights = [...initialize(built.network, 5)].map(
    ([n, { data, shape }]) => [n, hostTensor(data, shape)] as const,
  );
  return new Model({ ...built, weights: new Map(weights), config });
}
const encode = (): never => {
  throw new Error('not here');
};
const task = classification(
  { encode },
  { padId: 0, limit: 32, multiple: 4, labels: { problem: 'single_label_classification', names: ['a', 'b'] } },
);
const data = {
  train: memoryStore(
    Array.from({ length: 20 }, (_, i) => ({
      input_ids: Int32Array.from({ length: 3 + (i % 3) }, (_, t) => (i * 7 + t * 5) % 23),
      labels: Int32Array.of(i % 2),
    })),
  ),
};
const options: FineTuneOptions = {
  task,
  steps: 8,
  batchSize: 5,
  rate: 1e-3,
  schedule: 'constant',
  weightDecay: 0,
  clip: 0,
  picture: false,
  compile: { threads: 1 },
};
const bytes = (t: HostTensor): Buffer => Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength);

describe('training', () => {
  test.each(['adamw', 'sgd', 'adafactor', 'lion', 'muon'] as const)(
    '%s: frozen parts stay until they thaw',
    async (optimizer) => {
      const tuning = new FineTuning(modelOf(bert), { method: { gradual: 2 } });
      const stages = thawStages(tuning.network);
      let before = new Map([...tuning.weights].map(([name, t]) => [name, Buffer.from(bytes(t))]));
      const moved = new Map<string, number>();
      for await (const event of tuning.train(data, { ...options, optimizer })) {
        if (event.type !== 'step') continue;
        for (const [name, t] of tuning.weights) {
          const same = before.get(name)!.equals(bytes(t));
          const frozen = event.step <= 2 * stages.get(name)!;
          if (frozen) expect(same, `${name} at step ${event.step}`).toBe(true);
          else if (!same) moved.set(name, moved.get(name) ?? event.step);
        }
        before = new Map([...tuning.weights].map(([name, t]) => [name, Buffer.from(bytes(t))]));
      }
      // Everything has moved at the end, and as soon as it was thawed; keys' biases have no gradient.
      const still = tuning.trained.filter((name) => !moved.has(name) && !name.endsWith('key.bias'));
      expect(still).toEqual([]);
      for (const [name, step] of moved)
        if (!name.endsWith('key.bias')) expect(step, name).toBe(1 + 2 * stages.get(name)!);
    },
  );

  test('AdamW’s first step of each part is as long as the rate', async () => {
    const tuning = new FineTuning(modelOf(bert), { method: { gradual: 3 } });
    const name = 'bert.encoder.layer.1.output.dense.weight';
    const at: number[][] = [];
    for await (const event of tuning.train(data, { ...options, steps: 4 }))
      if (event.type === 'step') at.push([...(tuning.weights.get(name)!.data as Float32Array)]);
    const change = at[3]!.map((v, i) => Math.abs(v - at[2]![i]!));
    expect(Math.max(...change)).toBeCloseTo(1e-3, 5);
  });

  test('a stage an epoch; the loss is what the network as a whole gives', async () => {
    const losses = async (method: ConstructorParameters<typeof FineTuning>[1]): Promise<number[]> => {
      const found: number[] = [];
      const tuning = new FineTuning(
        modelOf({ ...bert, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 }),
        method,
      );
      for await (const event of tuning.train(data, { ...options, steps: 16 }))
        if (event.type === 'step') found.push(event.loss);
      return found;
    };
    const epoch = await losses({ method: { gradual: 'epoch' } });
    expect(epoch).toEqual(await losses({ method: { gradual: 4 } }));
    const full = await losses({ method: 'full' });
    expect(epoch[0]).toBeCloseTo(full[0]!, 5);
    expect(epoch.at(-1)).not.toBe(full.at(-1));
  });

  test('a run that is cut short, in a stage and with batches summed, ends where a whole one does', async () => {
    const more = { ...options, accumulate: 2, schedule: 'linear', weightDecay: 0.01, clip: 1, saveEvery: 1 } as const;
    const whole = new FineTuning(modelOf(bert), { method: { gradual: 2 } });
    for await (const _ of whole.train(data, { ...more, folder: join(root, 'whole') }));
    const folder = join(root, 'cut');
    for (const stop of [3, 6, 99]) {
      const abort = new AbortController();
      const tuning = new FineTuning(modelOf(bert), { method: { gradual: 2 } });
      const events: TrainEvent[] = [];
      for await (const event of tuning.train(data, { ...more, folder, resume: true, signal: abort.signal })) {
        events.push(event);
        if (event.type === 'step' && event.step === stop) abort.abort();
      }
      if (stop === 99)
        for (const [name, t] of whole.weights)
          expect(bytes(tuning.weights.get(name)!).equals(bytes(t)), name).toBe(true);
    }
    const other = new FineTuning(modelOf(bert), { method: { gradual: 3 } });
    await expect(async () => {
      for await (const _ of other.train(data, { ...more, folder, resume: true }));
    }).rejects.toThrow('method');
  });

  test('stages of no steps, and networks without blocks', async () => {
    const tuning = new FineTuning(modelOf(bert), { method: { gradual: 0 } });
    await expect(tuning.train(data, options).next()).rejects.toThrow('a stage of 0 steps');
  });
});
