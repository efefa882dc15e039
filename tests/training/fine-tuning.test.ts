// Fine-tuning: what is frozen stays to the bit, what is trained learns, and adapters come back from PEFT's files.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { gradients, input, type Tensor } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, parameters } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, readSafetensors, type HostTensor } from '../../packages/runtime/src/index.ts';
import {
  FineTuning,
  memoryStore,
  type EncodedExample,
  type FineTuneOptions,
  type Method,
  type Task,
  type TrainEvent,
} from '../../packages/training/src/index.ts';
import { padded } from '../../packages/training/src/data/example-batches.ts';
import { tokenInputs, wholeNumbers } from '../../packages/training/src/tasks/inputs.ts';
import {
  architectures,
  attachAdapter,
  buildNetwork,
  mergeAdapter,
  Model,
  peftOptions,
  readAdapter,
  readAdapterConfig,
  writeAdapter,
  type AdapterConfig,
  type LoRAConfig,
} from '../../packages/transformer/src/index.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-finetune-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const V = 23;
const bertConfig = {
  model_type: 'bert',
  architectures: ['BertForSequenceClassification'],
  vocab_size: V,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  max_position_embeddings: 32,
  id2label: { 0: 'even', 1: 'odd' },
};
const gptConfig = { model_type: 'gpt2', vocab_size: V, n_positions: 32, n_embd: 16, n_layer: 2, n_head: 2 };

function modelOf(config: Record<string, unknown>): Model {
  const built = buildNetwork(config, architectures);
  const weights = [...initialize(built.network, 5)].map(
    ([n, { data, shape }]) => [n, hostTensor(data, shape)] as const,
  );
  return new Model({ ...built, weights: new Map(weights), config });
}
/** Rows of tokens whose class is the parity of the first. */
const examples = (count: number): EncodedExample[] =>
  Array.from({ length: count }, (_, i) => {
    const ids = Int32Array.from({ length: 3 + (i % 6) }, (_, t) => (i * 7 + t * 5) % V);
    return { input_ids: ids, labels: Int32Array.of(ids[0]! % 2) };
  });
const inputs = { padId: 0, limit: 32, multiple: 4 };
const classes: Task = {
  identity: { task: 'parity' },
  lengthOf: 'input_ids',
  encode: () => [],
  collate: (some) => ({
    batch: { ...tokenInputs(some, inputs), labels: wholeNumbers(some, 'labels') },
    count: some.length,
  }),
};
const nextTokens: Task = {
  ...classes,
  collate: (some) => ({
    batch: {
      ...tokenInputs(some, inputs),
      labels: padded(
        some.map((e) => e['input_ids']!),
        { ...inputs, value: -100 },
      ),
    },
    count: some.reduce((n, e) => n + e['input_ids']!.length - 1, 0),
  }),
};
const options: FineTuneOptions = {
  task: classes,
  steps: 12,
  batchSize: 8,
  rate: 5e-3,
  evaluateEvery: 6,
  picture: false,
  compile: { threads: 1 },
};
const data = { train: memoryStore(examples(40)), validation: memoryStore(examples(9)) };
async function run(tuning: FineTuning, o: Partial<FineTuneOptions> = {}): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of tuning.train(data, { ...options, ...o })) events.push(event);
  return events;
}
const losses = (events: readonly TrainEvent[]): number[] => events.flatMap((e) => (e.type === 'step' ? [e.loss] : []));
const bytes = (t: HostTensor): Buffer => Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength);
const lora = (o: object = {}): LoRAConfig =>
  readAdapterConfig({ peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['query', 'value'], ...o }) as LoRAConfig;

describe('what is trained', () => {
  const changedBy = async (model: Model, method: Method, o: Partial<FineTuneOptions> = {}) => {
    const before = new Map([...model.weights].map(([name, t]) => [name, Buffer.from(bytes(t))]));
    const tuning = new FineTuning(model, { method });
    const events = await run(tuning, o);
    // The model itself is never written.
    for (const [name, t] of model.weights) expect(bytes(t).equals(before.get(name)!), name).toBe(true);
    const changed = [...tuning.weights]
      .filter(([name, t]) => !before.get(name)?.equals(bytes(t)))
      .map(([name]) => name);
    return { changed, trained: tuning.trained, events, counts: tuning.counts };
  };
  test.each([
    ['head', 'head' as Method, /^classifier\./],
    ['last block', { last: 1 } as Method, /^(bert\.encoder\.layer\.2|bert\.pooler|classifier)\./],
    ['biases', 'bitfit' as Method, /(\.bias|^classifier\.weight)$/],
    ['LoRA', lora({ task_type: 'SEQ_CLS' }) as Method, /(\.(query|value)\.adapter\.lora_|^classifier\.)/],
    ['LoRA with biases', lora({ bias: 'lora_only' }) as Method, /\.(query|value)\.(adapter\.lora_|bias)/],
    [
      '(IA)³',
      readAdapterConfig({
        peft_type: 'IA3',
        target_modules: ['key', 'output.dense'],
        feedforward_modules: ['output.dense'],
      }) as Method,
      /\.adapter\.ia3_l$/,
    ],
    [
      'bottlenecks',
      readAdapterConfig({
        peft_type: 'BOTTLENECK',
        mh_adapter: true,
        non_linearity: 'gelu',
        reduction_factor: 4,
        task_type: 'SEQ_CLS',
      }) as Method,
      /(\.adapter\.(down|up)\.(weight|bias)|^classifier\.(weight|bias))$/,
    ],
  ])('%s: all of it and nothing else changes', async (_, method, pattern) => {
    const { changed, trained, counts } = await changedBy(modelOf(bertConfig), method);
    expect(trained.length).toBeGreaterThan(0);
    for (const name of trained) expect(name).toMatch(pattern);
    // Keys' biases have no gradient; weight decay is not for biases.
    const still = trained.filter((name) => !changed.includes(name));
    expect(still.filter((name) => !name.endsWith('key.bias'))).toEqual([]);
    expect(changed.filter((name) => !trained.includes(name))).toEqual([]);
    expect(counts.trained).toBeLessThan(counts.all / 2);
  });
  test('full: everything, and it learns', async () => {
    const { trained, events, counts } = await changedBy(modelOf(bertConfig), 'full', { steps: 60 });
    expect(trained).toHaveLength(modelOf(bertConfig).weights.size);
    expect(counts.trained).toBe(counts.all);
    expect(losses(events).at(-1)!).toBeLessThan(0.8 * losses(events)[0]!);
  });
  test('head: what the checkpoint lacked below the head is trained with it', async () => {
    const { architecture, className, config, network, weights } = modelOf(bertConfig);
    const initialized = [...weights.keys()].filter((name) => /^(bert\.pooler|classifier)\./.test(name));
    const opened = new Model({ architecture, className, config, network, weights, initialized });
    const { changed, trained } = await changedBy(opened, 'head');
    expect(trained).toEqual(initialized);
    expect(trained).toContain('bert.pooler.dense.weight');
    expect(changed.toSorted()).toEqual(initialized.toSorted());
    // Of a model that is all new, the head is still the head.
    const fresh = new Model({ architecture, className, config, network, weights, initialized: [...weights.keys()] });
    expect(new FineTuning(fresh, { method: 'head' }).trained).toEqual(['classifier.weight', 'classifier.bias']);
  });
  test('methods that leave nothing, or aren’t known', () => {
    expect(() => new FineTuning(modelOf(gptConfig), { method: 'head' })).toThrow('no parameters after its body');
    expect(() => new FineTuning(modelOf(gptConfig), { method: { last: 0 } })).toThrow('the last 0 blocks');
    expect(() => new FineTuning(modelOf(gptConfig), { method: 'some' as Method })).toThrow('no method "some"');
    expect(() => new FineTuning(modelOf(gptConfig), { method: lora() })).toThrow(
      'no layer is called ["query","value"]',
    );
  });
});

test('LoRA’s gradients are those of the base weight, taken through the product', async () => {
  const model = modelOf(gptConfig);
  const config = lora({ target_modules: ['c_attn'], fan_in_fan_out: true });
  const { network } = buildNetwork(gptConfig, architectures);
  attachAdapter(network, config);
  const known = parameters(network);
  const fresh = initialize(network, 3);
  const weights = new Map(
    [...known.keys()].map((name) => {
      const { data: first, shape } = fresh.get(name)!;
      return [
        name,
        model.weights.get(name) ??
          hostTensor(
            first.map((v, i) => v + 0.1 * Math.sin(i)),
            shape,
          ),
      ] as const;
    }),
  );
  const layer = 'transformer.h.1.attn.c_attn';
  const slopes = async (of: typeof network, from: ReadonlyMap<string, HostTensor>, names: string[]) => {
    const ids = input('input_ids', [2, 7], 'int64');
    const loss = of.trace({ input_ids: ids, labels: ids }, evaluating())['loss']!();
    const own = parameters(of);
    const found = gradients(
      loss,
      names.map((name): Tensor => own.get(name)!),
    );
    const program = await compile(Object.fromEntries(names.map((name, i) => [`g${name}`, found[i]!])));
    const tokens = hostTensor(
      BigInt64Array.from({ length: 14 }, (_, i) => BigInt((i * 5) % V)),
      [2, 7],
    );
    const needed = new Set(program.inputs.map((i) => i.name));
    const out = await program.run(new Map([...from, ['input_ids', tokens] as const].filter(([n]) => needed.has(n))));
    await program.dispose();
    return names.map((name) => out[`g${name}`]!.data as Float32Array);
  };
  const [dA, dB] = await slopes(network, weights, [`${layer}.adapter.lora_A.weight`, `${layer}.adapter.lora_B.weight`]);
  const merged = mergeAdapter(network, weights);
  const [dW] = await slopes(buildNetwork(gptConfig, architectures).network, merged, [`${layer}.weight`]);
  // W (in, out) += s (B A)': dA = s B' dW', dB = s dW' A'.
  const [C, M, r, s] = [16, 48, 4, 2];
  const A = weights.get(`${layer}.adapter.lora_A.weight`)!.data as Float32Array;
  const B = weights.get(`${layer}.adapter.lora_B.weight`)!.data as Float32Array;
  const largest = Math.max(...dA!.map(Math.abs), ...dB!.map(Math.abs));
  for (let k = 0; k < r; k++) {
    for (let i = 0; i < C; i++) {
      let expected = 0;
      for (let o = 0; o < M; o++) expected += s * B[o * r + k]! * dW![i * M + o]!;
      expect(Math.abs(dA![k * C + i]! - expected)).toBeLessThan(1e-5 * largest);
    }
    for (let o = 0; o < M; o++) {
      let expected = 0;
      for (let i = 0; i < C; i++) expected += s * dW![i * M + o]! * A[k * C + i]!;
      expect(Math.abs(dB![o * r + k]! - expected)).toBeLessThan(1e-5 * largest);
    }
  }
});

test('an adapter that was trained comes back from its folder, and merges into the same logits', async () => {
  const model = modelOf(gptConfig);
  const method: AdapterConfig = lora({
    target_modules: ['c_attn', 'c_proj', 'c_fc'],
    lora_dropout: 0.1,
    task_type: 'CAUSAL_LM',
  });
  const tuning = new FineTuning(model, { method });
  await run(tuning, { task: nextTokens });
  const folder = join(root, 'adapter');
  await writeAdapter(folder, { config: method, tensors: tuning.trainedWeights }, { fanInFanOut: true });
  const { tensors: stored } = await readSafetensors(join(folder, 'adapter_model.safetensors'));
  expect([...stored.keys()][0]).toBe('base_model.model.transformer.h.0.attn.c_attn.lora_A.weight');
  const adapter = await readAdapter(folder);
  expect(adapter.config).toEqual(method);
  expect([...adapter.tensors.keys()]).toEqual([...tuning.trained]);

  const { network, ...built } = buildNetwork(gptConfig, architectures);
  attachAdapter(network, adapter.config as LoRAConfig);
  const adapted = new Model({
    network,
    ...built,
    weights: new Map([...model.weights, ...adapter.tensors]),
    config: gptConfig,
  });
  const merged = new Model({
    ...buildNetwork(gptConfig, architectures),
    weights: mergeAdapter(network, adapted.weights),
    config: gptConfig,
  });
  const input_ids = hostTensor(BigInt64Array.from([3, 1, 4, 1, 5], BigInt), [1, 5]);
  const [a, b, plain] = await Promise.all(
    [adapted, merged, model].map(async (m) => (await m.run({ input_ids }, ['logits']))['logits']!.data as Float32Array),
  );
  a!.forEach((v, i) => expect(Math.abs(v - b![i]!)).toBeLessThan(1e-5));
  expect(Math.max(...a!.map((v, i) => Math.abs(v - plain![i]!)))).toBeGreaterThan(1e-3);
  for (const m of [adapted, merged, model]) await m.dispose();
});

test.each(['PROMPT_TUNING', 'PREFIX_TUNING'])(
  '%s: only the learned tokens change, and they come back',
  async (peft_type) => {
    const model = modelOf(gptConfig);
    const method = readAdapterConfig({ peft_type, num_virtual_tokens: 3, task_type: 'CAUSAL_LM' });
    const tuning = new FineTuning(model, { method });
    expect(tuning.trained).toEqual(['prompt_embeddings']);
    const events = await run(tuning, { task: nextTokens, steps: 40, rate: 0.1 });
    const mean = (some: number[]): number => some.reduce((a, b) => a + b) / some.length;
    expect(mean(losses(events).slice(-5))).toBeLessThan(mean(losses(events).slice(0, 5))); // an epoch each
    for (const [name, t] of model.weights) expect(tuning.weights.get(name), name).toBe(t);
    const folder = join(root, peft_type);
    await writeAdapter(folder, { config: method, tensors: tuning.trainedWeights }, peftOptions(tuning.network, method));
    const adapter = await readAdapter(folder);
    expect(adapter.config).toEqual(method);
    expect(adapter.tensors.get('prompt_embeddings')).toEqual(tuning.weights.get('prompt_embeddings'));
    const json = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as object;
    expect(json).toMatchObject({ num_layers: 2, num_attention_heads: 2, token_dim: 16, num_virtual_tokens: 3 });
  },
);

test('a run that was stopped in the middle of an epoch goes on to the same bytes, with dropout and accumulation', async () => {
  const model = modelOf({ ...bertConfig, hidden_dropout_prob: 0.2, attention_probs_dropout_prob: 0.1 });
  const method = lora({ task_type: 'SEQ_CLS', lora_dropout: 0.3 });
  const o = { accumulate: 3, steps: 7, evaluateEvery: 2, seed: 4 };
  const whole = new FineTuning(model, { method });
  await run(whole, o);
  const folder = join(root, 'stopped');
  const stop = new AbortController();
  const first = new FineTuning(model, { method });
  for await (const event of first.train(data, { ...options, ...o, folder, signal: stop.signal }))
    if (event.type === 'step' && event.step === 3) stop.abort();
  const second = new FineTuning(model, { method });
  const events = await run(second, { ...o, folder, resume: true });
  expect(events[0]).toMatchObject({ type: 'start', step: 3 });
  for (const name of whole.trained)
    expect(bytes(second.weights.get(name)!).equals(bytes(whole.weights.get(name)!)), name).toBe(true);
  // Another model or method is not the run that was stopped.
  await expect(run(new FineTuning(model, { method: 'head' }), { ...o, folder, resume: true })).rejects.toThrow(
    'the run was started otherwise: method was',
  );
});
