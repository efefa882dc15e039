// Several adapters on one model: each call gives what its adapter gives alone, and nothing is compiled for it anew.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize, parameters } from '@brickwork/nn';
import { hostTensor, readSafetensors, type HostTensor } from '@brickwork/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { buildNetwork } from '../architecture.ts';
import { architectures } from '../architectures/index.ts';
import { generateTokens } from '../generation/generate-tokens.ts';
import type { Decoder } from '../generation/decoder.ts';
import { Model } from '../model.ts';
import { loadModel } from '../pretrained.ts';
import { adaptNetwork, peftOptions } from './adapt.ts';
import { AdaptedModel } from './adapted-model.ts';
import { unmergeAdapter } from './merge.ts';
import { readAdapterConfig } from './peft-config.ts';
import { writeAdapter, type Adapter } from './peft-folder.ts';

const root = await mkdtemp(join(tmpdir(), 'brickwork-switch-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const gpt2 = { model_type: 'gpt2', vocab_size: 17, n_positions: 24, n_embd: 16, n_layer: 2, n_head: 2 };
const llama = {
  model_type: 'llama',
  vocab_size: 17,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 24,
};
const marian = {
  model_type: 'marian',
  vocab_size: 17,
  d_model: 16,
  encoder_layers: 1,
  decoder_layers: 1,
  encoder_attention_heads: 2,
  decoder_attention_heads: 2,
  encoder_ffn_dim: 24,
  decoder_ffn_dim: 24,
  max_position_embeddings: 24,
  pad_token_id: 16,
  eos_token_id: 0,
  decoder_start_token_id: 16,
};
type Config = Readonly<Record<string, unknown>>;
const spread = (name: string, i: number): number => 0.2 * Math.sin(i * 1.7 + name.length + name.charCodeAt(3));

function modelOf(config: Config): Model {
  const built = buildNetwork(config, architectures);
  const weights = [...initialize(built.network, 5)].map(([n, { data, shape }]) => {
    const more = data.map((v, i) => v + spread(n, i));
    return [n, hostTensor(more, shape)] as const;
  });
  return new Model({ ...built, weights: new Map(weights), config }, { threads: 1 });
}
/** An adapter none of whose values are those that it begins with. */
function adapterOf(model: Model, json: Config, seed: number): Adapter {
  const config = readAdapterConfig(json);
  const network = adaptNetwork(buildNetwork(model.config, architectures).network, config);
  const saved = 'modules_to_save' in config ? config.modules_to_save : [];
  const tensors = [...initialize(network, seed)]
    .filter(([n]) => /\.adapter\.|^prompt_embeddings$/.test(n) || saved.some((s) => `.${n}`.includes(`.${s}.`)))
    .map(([n, { data, shape }]) => {
      const other = data.map((v, i) => v + spread(n, i + seed));
      return [n, hostTensor(other, shape)] as const;
    });
  return { config, tensors: new Map(tensors) };
}
/** The model with one adapter, built for it alone. */
function alone(model: Model, { config, tensors }: Adapter): Model {
  const built = buildNetwork(model.config, architectures);
  const network = adaptNetwork(built.network, config);
  return new Model(
    { ...built, network, weights: new Map([...model.weights, ...tensors]), config: model.config },
    { threads: 1 },
  );
}
const largestDifference = (a: HostTensor, b: HostTensor): number => {
  expect(a.shape).toEqual(b.shape);
  return Math.max(...Array.from(a.data as Float32Array, (v, i) => Math.abs(v - Number(b.data[i]))));
};
const ids = (rows: readonly (readonly number[])[]): HostTensor =>
  hostTensor(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
const text = {
  input_ids: ids([
    [4, 9, 1, 12, 2],
    [3, 3, 8, 0, 5],
  ]),
};

const kindsOf = (attention: string[], feed: string): Record<string, Config> => ({
  lora: { peft_type: 'LORA', r: 2, lora_alpha: 6, target_modules: attention },
  wider: { peft_type: 'LORA', r: 5, lora_alpha: 3, use_rslora: true, target_modules: [...attention, feed] },
  one: { peft_type: 'LORA', r: 3, target_modules: [feed], layers_to_transform: [1] },
  dora: { peft_type: 'LORA', r: 2, lora_alpha: 4, use_dora: true, target_modules: attention },
  ia3: { peft_type: 'IA3', target_modules: [...attention, feed], feedforward_modules: [feed] },
  narrow: { peft_type: 'BOTTLENECK', mh_adapter: true, reduction_factor: 4, non_linearity: 'gelu' },
  wide: { peft_type: 'BOTTLENECK', reduction_factor: 2, non_linearity: 'gelu' },
});

describe.each([
  ['gpt2', gpt2, kindsOf(['c_attn'], 'mlp.c_proj')],
  ['llama', llama, kindsOf(['q_proj', 'v_proj'], 'down_proj')],
])('%s', (_, config, kinds) => {
  const model = modelOf(config);
  const adapters = Object.fromEntries(
    Object.entries(kinds).map(([name, json], i) => [name, adapterOf(model, json, i)]),
  );

  test('LoRAs of several ranks and layers, DoRA, (IA)³ and bottlenecks share one graph with the model itself', async () => {
    const adapted = new AdaptedModel(model, adapters);
    expect(adapted.compiled).toBe(0);
    const base = await adapted.run(text, ['logits']);
    expect(adapted.compiled).toBe(1);
    const { logits: plain } = await model.run(text, ['logits']);
    expect(largestDifference(base['logits']!, plain!)).toBeLessThan(1e-5);
    const seen = [plain!];
    for (const [name, adapter] of Object.entries(adapters)) {
      const own = alone(model, adapter);
      const { logits: expected } = await own.run(text, ['logits']);
      const { logits } = await adapted.run(text, ['logits'], { adapter: name });
      expect(largestDifference(logits!, expected!), name).toBeLessThan(1e-5);
      for (const other of seen) expect(largestDifference(logits!, other), name).toBeGreaterThan(1e-2);
      seen.push(logits!);
      await own.dispose();
    }
    // And back, in any order.
    const again = await adapted.run(text, ['logits'], { adapter: null });
    expect(largestDifference(again['logits']!, base['logits']!)).toBe(0);
    const { logits: lora } = await adapted.run(text, ['logits'], { adapter: 'lora' });
    expect(largestDifference(lora!, seen[1]!)).toBe(0);
    expect(adapted.compiled).toBe(1);
    await expect(adapted.run(text, ['logits'], { adapter: 'gone' })).rejects.toThrow(
      'no adapter is called "gone"; there are lora, wider',
    );
    await adapted.dispose();
  });

  test('learned tokens: one graph for each number of them', async () => {
    const learned = Object.fromEntries(
      [
        ['prompt', 'PROMPT_TUNING', 3],
        ['other', 'PROMPT_TUNING', 3],
        ['longer', 'PROMPT_TUNING', 4],
        ['prefix', 'PREFIX_TUNING', 3],
      ].map(([name, peft_type, num_virtual_tokens], i) => [
        name as string,
        adapterOf(model, { peft_type, num_virtual_tokens }, i),
      ]),
    );
    const adapted = new AdaptedModel(model, { ...learned, lora: adapters['lora']! });
    for (const name of [...Object.keys(learned), ...Object.keys(learned), 'lora']) {
      const own = alone(model, learned[name] ?? adapters['lora']!);
      const { logits: expected } = await own.run(text, ['logits']);
      const { logits } = await adapted.run(text, ['logits'], { adapter: name });
      expect(largestDifference(logits!, expected!), name).toBeLessThan(1e-5);
      await own.dispose();
    }
    expect(adapted.compiled).toBe(4);
    await adapted.dispose();
  });

  test('generation with an adapter for each call', async () => {
    const all = { ...adapters, prefix: adapterOf(model, { peft_type: 'PREFIX_TUNING', num_virtual_tokens: 3 }, 9) };
    const adapted = new AdaptedModel(model, all);
    const write = async (decoder: Decoder): Promise<number[]> => {
      const found: number[] = [];
      for await (const { id } of generateTokens(decoder, [[4, 9], [7]], { maxNewTokens: 5, doSample: false }))
        found.push(id);
      await decoder.dispose();
      return found;
    };
    const texts = new Set<string>();
    for (const name of [null, ...Object.keys(all)]) {
      const own = name === null ? model : alone(model, all[name as keyof typeof all]);
      const found = await write(adapted.decoder({ adapter: name }));
      expect(found, String(name)).toEqual(await write(own.decoder()));
      texts.add(found.join());
    }
    expect(texts.size).toBeGreaterThan(2);
    // One for the layers' graph; with a prefix, the first pass is another.
    expect(adapted.compiled).toBe(3);
    // At the same time, each with its own.
    const together = await Promise.all(['lora', 'ia3', 'lora'].map((adapter) => write(adapted.decoder({ adapter }))));
    expect(together[0]).toEqual(together[2]);
    expect(together[1]).toEqual(await write(alone(model, adapters['ia3']!).decoder()));
    await adapted.dispose();
  });

  test('merged into a model of its own, and out again: to the byte where the base was kept', async () => {
    const before = new Map([...model.weights].map(([name, { data }]) => [name, (data as Float32Array).slice()]));
    const adapted = new AdaptedModel(model, adapters);
    for (const name of ['lora', 'wider', 'dora', 'ia3']) {
      const merged = adapted.merged(name);
      const { logits } = await merged.run(text, ['logits']);
      const { logits: expected } = await adapted.run(text, ['logits'], { adapter: name });
      expect(largestDifference(logits!, expected!), name).toBeLessThan(1e-5);
      const { network } = alone(model, adapters[name]!);
      parameters(network);
      const back = unmergeAdapter(network, merged.weights, { base: model.weights });
      expect([...back.keys()].toSorted()).toEqual([...before.keys()].toSorted());
      for (const [n, values] of before)
        expect(Buffer.from((back.get(n)!.data as Float32Array).buffer), n).toEqual(Buffer.from(values.buffer));
      await merged.dispose();
    }
    // Merging never writes to the base.
    for (const [n, values] of before) expect(model.weights.get(n)!.data).toEqual(values);
    expect(() => adapted.merged('narrow')).toThrow("adapter narrow: BOTTLENECK can't be merged");
    await adapted.dispose();
  });
});

test('heads saved with adapters, and classes that differ', async () => {
  const config = { ...gpt2, architectures: ['GPT2ForSequenceClassification'], pad_token_id: 0, num_labels: 3 };
  const model = modelOf(config);
  const json = { peft_type: 'LORA', r: 2, target_modules: ['c_attn'], task_type: 'SEQ_CLS' };
  const adapters = { a: adapterOf(model, json, 1), b: adapterOf(model, { ...json, r: 3 }, 2) };
  expect([...adapters.a.tensors.keys()]).toContain('score.weight');
  const adapted = new AdaptedModel(model, adapters);
  for (const name of ['a', 'b'] as const) {
    const own = alone(model, adapters[name]);
    const { logits: expected } = await own.run(text, ['logits']);
    const { logits } = await adapted.run(text, ['logits'], { adapter: name });
    expect(largestDifference(logits!, expected!)).toBeLessThan(1e-5);
    await own.dispose();
  }
  const { logits } = await adapted.run(text, ['logits']);
  expect(largestDifference(logits!, (await model.run(text, ['logits']))['logits']!)).toBeLessThan(1e-5);
  expect(adapted.compiled).toBe(1);
  await adapted.dispose();
  const five = modelOf({ ...config, num_labels: 5 });
  expect(() => new AdaptedModel(five, adapters)).toThrow(
    "adapter a: score.weight is (3, 16), but the model's is (5, 16)",
  );
  const other = modelOf(llama);
  expect(() => new AdaptedModel(other, { a: adapterOf(modelOf(gpt2), { ...json, task_type: null }, 1) })).toThrow(
    'no layer is called ["c_attn"]',
  );
});

test('an encoder-decoder writes with an adapter for each call', async () => {
  const model = modelOf(marian);
  const json = { peft_type: 'LORA', target_modules: ['q_proj', 'fc1'] };
  const adapters = { a: adapterOf(model, { ...json, r: 2 }, 1), b: adapterOf(model, { ...json, r: 4 }, 2) };
  const adapted = new AdaptedModel(model, adapters);
  const first = async (decoder: Decoder & { read?: (sources: number[][]) => void }): Promise<number[]> => {
    decoder.read!([[4, 9, 1, 0]]);
    const logits = [...(await decoder.prefill([[16]]))];
    await decoder.dispose();
    return logits;
  };
  const { seq2seqDecoder } = await import('../seq2seq-decoder.ts');
  for (const [name, adapter] of [[null, null] as const, ...Object.entries(adapters)]) {
    const own = adapter ? alone(model, adapter) : model;
    const expected = await first(seq2seqDecoder(own, { threads: 1 }));
    (await first(adapted.decoder({ adapter: name }) as Decoder)).forEach((v, i) =>
      expect(v, String(name)).toBeCloseTo(expected[i]!, 4),
    );
  }
  expect(adapted.compiled).toBe(2);
  await adapted.dispose();
});

const shared = fileURLToPath(new URL('../../../../../shared/fixtures/adapters/', import.meta.url));
test.skipIf(!existsSync(shared)).each([
  [['lora_gpt2', 'prefix_gpt2', 'prompt_gpt2'], 3],
  [['lora_llama', 'ia3_llama'], 1],
])(
  'PEFT’s adapters %j on one model, beside one of our own, give PEFT’s logits (needs ../shared)',
  async (names, graphs) => {
    const model = await loadModel(join(shared, names[0]!, 'base'));
    const target = model.config['model_type'] === 'gpt2' ? 'mlp.c_fc' : 'up_proj';
    const ours = adapterOf(model, { peft_type: 'LORA', r: 7, target_modules: [target] }, 3);
    await writeAdapter(join(root, names[0]!), ours, peftOptions(model.network, ours.config));
    const adapted = await AdaptedModel.load(model, {
      ours: join(root, names[0]!),
      ...Object.fromEntries(names.map((name) => [name, join(shared, name, 'adapter')])),
    });
    let inputs: Record<string, HostTensor> = {};
    for (const name of names) {
      inputs = Object.fromEntries((await readSafetensors(join(shared, name, 'inputs.safetensors'))).tensors);
      const { tensors: expected } = await readSafetensors(join(shared, name, 'expected.safetensors'));
      const { logits } = await adapted.run(inputs, ['logits'], { adapter: name });
      expect(largestDifference(logits!, expected.get('logits')!), name).toBeLessThan(1e-5);
    }
    const { logits: own } = await adapted.run(inputs, ['logits'], { adapter: 'ours' });
    const { logits: alike } = await alone(model, ours).run(inputs, ['logits']);
    expect(largestDifference(own!, alike!)).toBeLessThan(1e-5);
    expect(adapted.compiled).toBe(graphs);
    await adapted.dispose();
    await model.dispose();
  },
);
