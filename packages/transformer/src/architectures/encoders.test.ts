// The encoders' configurations and checkpoints: which are built and how they are named, and which are refused.
import { describe, expect, test } from 'vitest';
import { gradients, input } from '@brickwork/graph';
import { evaluating, initialize, parameters } from '@brickwork/nn';
import { compile, hostTensor, type HostTensor } from '@brickwork/runtime';
import { buildNetwork, type BuiltNetwork, type Config } from '../architecture.ts';
import { Model } from '../model.ts';
import { loadWeights } from '../weights.ts';
import { BertModel } from './bert.ts';
import { architectures } from './index.ts';
import { RobertaModel } from './roberta.ts';

const common = { vocab_size: 11, max_position_embeddings: 9 };
const sizes = { ...common, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 };
const configs: Readonly<Record<string, Config>> = {
  bert: sizes,
  roberta: sizes,
  distilbert: { ...common, dim: 8, hidden_dim: 12, n_layers: 2, n_heads: 2 },
  modernbert: { ...sizes, pad_token_id: 0, local_attention: 2 },
};
const build = (type: string, className?: string, more: Config = {}): BuiltNetwork =>
  buildNetwork({ ...(configs[type] ?? sizes), ...more, model_type: type }, architectures, className);
const valuesOf = (built: BuiltNetwork, seed = 3): Map<string, HostTensor> =>
  new Map([...initialize(built.network, seed)].map(([n, t]) => [n, hostTensor(t.data, t.shape)]));
const load = (built: BuiltNetwork, tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> =>
  loadWeights(parameters(built.network), tensors, built.architecture);
const int = (values: readonly number[], shape: readonly number[]): HostTensor =>
  hostTensor(BigInt64Array.from(values, BigInt), shape);

describe.each(Object.keys(configs))('%s', (type) => {
  const { classes, prefix } = architectures[type]!;

  test.each(Object.keys(classes))('a row that is all padding gives numbers: %s', async (className) => {
    const { network, architecture } = build(type, className);
    const weights = valuesOf({ network, architecture, className });
    const shape = className.includes('MultipleChoice') ? [2, 1, 4] : [2, 4];
    const given: Record<string, HostTensor> = {
      input_ids: int([5, 6, 7, 8, 1, 1, 1, 1], shape),
      attention_mask: int([1, 1, 1, 1, 0, 0, 0, 0], shape),
    };
    for (const [name, { dtype, shape: dims }] of Object.entries(network.inputs))
      if (!Object.hasOwn(given, name) && !/type|position_ids/.test(name))
        given[name] = int(
          Array<number>(dims.length === 1 ? 2 : 8).fill(dtype === 'int64' ? 0 : 1),
          dims.length === 1 ? [2] : shape,
        );
    const traced = network.trace(
      Object.fromEntries(Object.entries(given).map(([n, t]) => [n, input(n, t.shape, t.dtype)])),
      evaluating(),
    );
    const wanted = Object.fromEntries(Object.entries(traced).map(([n, output]) => [n, output()]));
    const slopes = wanted['loss'] ? gradients(wanted['loss'], [...parameters(network).values()]) : [];
    const program = await compile({ ...wanted, ...Object.fromEntries(slopes.map((g, i) => [`grad.${i}`, g])) });
    const needed = new Set(program.inputs.map((i) => i.name));
    const out = await program.run(new Map([...weights, ...Object.entries(given)].filter(([n]) => needed.has(n))));
    expect(Object.keys(out).length).toBeGreaterThan(4);
    for (const [n, { data }] of Object.entries(out))
      expect([...(data as Float32Array)].every(Number.isFinite), n).toBe(true);
    await program.dispose();
  });

  test('checkpoints of the body are read by it and by what stands on it, with prefix and without', () => {
    const bare = build(type, Object.keys(classes)[0]);
    const tensors = valuesOf(bare);
    const prefixed = new Map([...tensors].map(([n, t]) => [prefix + n, t]));
    expect([...load(bare, prefixed)]).toEqual([...load(bare, tensors)]);
    const head = build(
      type,
      Object.keys(classes).find((name) => name.endsWith('TokenClassification')),
    );
    const own = [...valuesOf(head)].filter(([n]) => !n.startsWith(prefix));
    expect(own.length).toBeGreaterThan(1);
    for (const body of [tensors, prefixed]) {
      const loaded = load(head, new Map([...body, ...own]));
      for (const [n, t] of loaded) expect(t, n).toBe(new Map([...own, ...prefixed]).get(n));
    }
  });

  test('what pretraining leaves in a checkpoint is left out by classes without it; what nobody knows is not', () => {
    const pretrained = build(
      type,
      Object.keys(classes).find((name) => /PreTraining|MaskedLM/.test(name)),
    );
    const tensors = valuesOf(pretrained);
    if (type === 'roberta')
      for (const [n, t] of valuesOf(build(type, 'RobertaModel')))
        if (n.startsWith('pooler')) tensors.set(prefix + n, t);
    for (const className of [
      Object.keys(classes)[0]!,
      Object.keys(classes).find((name) => name.endsWith('MaskedLM'))!,
    ]) {
      const built = build(type, className);
      expect(load(built, tensors).size).toBe(parameters(built.network).size);
      expect(() => load(built, new Map([...tensors, ['strange.weight', int([1], [1])]]))).toThrow('strange.weight');
    }
  });

  test('hidden states and attention maps: of the embeddings and every layer', async () => {
    const built = build(type);
    const config = { ...configs[type], model_type: type };
    const model = new Model({ ...built, weights: valuesOf(built), config });
    const [B, T] = [2, 5];
    const given = {
      input_ids: int([5, 6, 7, 8, 9, 3, 4, 5, 1, 1], [B, T]),
      attention_mask: int([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], [B, T]),
    };
    const layers = [0, 1];
    const names = [
      'last_hidden_state',
      ...[0, 1, 2].map((i) => `hidden_states.${i}`),
      ...layers.map((i) => `attentions.${i}`),
    ];
    const out = await model.run(given, names);
    for (let i = 0; i < 3; i++) expect(out[`hidden_states.${i}`]!.shape).toEqual([B, T, 8]);
    expect(out['hidden_states.1']).not.toEqual(out['hidden_states.0']);
    // ModernBERT's last norm stands between the last layer and the result; the others' results are the last layer's.
    if (type === 'modernbert') expect(out['hidden_states.2']).not.toEqual(out['last_hidden_state']);
    else expect(out['hidden_states.2']).toEqual(out['last_hidden_state']);
    for (const layer of layers) {
      const { shape, data } = out[`attentions.${layer}`]!;
      expect(shape).toEqual([B, 2, T, T]);
      for (let row = 0; row < B * 2 * T; row++) {
        const weights = [...(data as Float32Array).subarray(row * T, (row + 1) * T)];
        const [t, real] = [row % T, row < 2 * T ? 5 : 3];
        const near = type === 'modernbert' && layer > 0 ? 1 : T; // the second layer of ModernBERT looks one token away
        const seen = weights.map((_, s) => s < real && Math.abs(s - t) <= near);
        if (t >= real) continue;
        expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
        expect(weights.map((w) => w > 0)).toEqual(seen);
      }
    }
    // The second row alone, without its padding.
    const alone = await model.run({ input_ids: int([3, 4, 5], [1, 3]) }, names);
    for (const name of ['last_hidden_state', 'hidden_states.1'])
      alone[name]!.data.forEach((value: number | bigint, i: number) =>
        expect(Math.abs(Number(value) - Number(out[name]!.data[T * 8 + i]))).toBeLessThan(1e-5),
      );
    await model.dispose();
  });
});

test('BERT’s old names: gamma and beta, positions as a buffer, a head stored although it is tied', () => {
  const built = build('bert', 'BertForMaskedLM');
  const tensors = valuesOf(built);
  const old = new Map<string, HostTensor>(
    [...tensors].map(([n, t]) => [
      n.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
      t,
    ]),
  );
  expect([...old.keys()].filter((n) => /gamma|beta/.test(n)).length).toBe(12);
  old.set('bert.embeddings.position_ids', int([0, 1], [1, 2]));
  old.set('cls.predictions.decoder.weight', tensors.get('bert.embeddings.word_embeddings.weight')!);
  old.set('cls.predictions.decoder.bias', tensors.get('cls.predictions.bias')!);
  expect([...load(built, old)]).toEqual([...tensors]);
});

test('an untied head is a parameter of its own', () => {
  for (const [type, className, name] of [
    ['bert', 'BertForMaskedLM', 'cls.predictions.decoder.weight'],
    ['roberta', 'RobertaForMaskedLM', 'lm_head.decoder.weight'],
    ['distilbert', 'DistilBertForMaskedLM', 'vocab_projector.weight'],
    ['modernbert', 'ModernBertForMaskedLM', 'decoder.weight'],
  ] as const) {
    expect(parameters(build(type, className).network).has(name)).toBe(false);
    const { network } = build(type, className, { tie_word_embeddings: false });
    expect(parameters(network).get(name)!.shape).toEqual([11, 8]);
  }
});

test('XLM-RoBERTa and CamemBERT are RoBERTa under other names', () => {
  const names = (built: BuiltNetwork): string[] => [...parameters(built.network).keys()];
  const expected = names(build('roberta', 'RobertaForSequenceClassification'));
  expect(expected).toContain('roberta.encoder.layer.1.attention.self.query.weight');
  expect(names(build('xlm-roberta', 'XLMRobertaForSequenceClassification'))).toEqual(expected);
  expect(names(build('camembert', 'CamembertForSequenceClassification'))).toEqual(expected);
  expect(() => build('camembert', 'RobertaModel')).toThrow(
    'camembert has no class "RobertaModel" here; known are Camembert',
  );
});

test('DistilBERT’s sizes may have the names that other networks use', () => {
  const { network } = build('distilbert', 'DistilBertModel', {
    ...{ dim: undefined, n_heads: undefined, n_layers: undefined },
    ...{ hidden_size: 4, num_attention_heads: 1, num_hidden_layers: 3 },
  });
  expect(network.config).toMatchObject({ dim: 4, n_heads: 1, n_layers: 3 });
});

test('a body without pooler has no pooled output and no weights for it', () => {
  for (const body of [new BertModel(sizes, { pooler: false }), new RobertaModel(sizes, { pooler: false })]) {
    expect([...parameters(body).keys()].filter((n) => n.includes('pooler'))).toEqual([]);
    const outputs = body.trace({ input_ids: input('input_ids', ['B', 'T'], 'int64') }, evaluating());
    expect(Object.keys(outputs)).not.toContain('pooler_output');
  }
  const outputs = new BertModel(sizes).trace({ input_ids: input('input_ids', [1, 2], 'int64') }, evaluating());
  expect(outputs['pooler_output']!().shape).toEqual([1, 8]);
});

test.each([
  ['bert', { is_decoder: true }, 'is_decoder is true'],
  ['bert', { add_cross_attention: true }, 'add_cross_attention is true'],
  ['bert', { position_embedding_type: 'rotary' }, 'position_embedding_type is "rotary"; known are absolute'],
  ['bert', { num_attention_heads: 3 }, "hidden_size 8 doesn't divide into 3 heads"],
  ['bert', { hidden_act: 'swoosh' }, "'swoosh' is not known"],
  ['bert', { pad_token_id: 11 }, 'pad_token_id is 11'],
  ['bert', { pruned_heads: { 0: [1] } }, 'pruned_heads'],
  ['bert', { hidden_dropout_prob: 1.5 }, 'hidden_dropout_prob is 1.5'],
  ['roberta', { pad_token_id: null }, 'pad_token_id is null'],
  ['distilbert', { pruned_heads: { 0: [1] } }, 'pruned_heads'],
  ['distilbert', { n_heads: 3 }, "dim 8 doesn't divide into 3 heads"],
  ['modernbert', { classifier_pooling: 'max' }, 'classifier_pooling is "max"; needs cls or mean'],
  ['modernbert', { layer_types: ['full_attention'] }, 'for each of 2 layers'],
  ['modernbert', { layer_types: ['full_attention', 'chunked'] }, 'sliding_attention for each of 2 layers'],
  ['modernbert', { rope_scaling: { type: 'su' } }, 'rope_scaling: type "su" is not implemented'],
  ['modernbert', { pad_token_id: undefined }, 'pad_token_id is 50283'],
] as const)('%s with %j is refused when the model is built', (type, more, message) => {
  expect(() => build(type, undefined, more as Config)).toThrow(message);
});

test('question answering needs two scores for each token', () => {
  for (const [type, className] of [
    ['bert', 'BertForQuestionAnswering'],
    ['roberta', 'RobertaForQuestionAnswering'],
    ['distilbert', 'DistilBertForQuestionAnswering'],
    ['modernbert', 'ModernBertForQuestionAnswering'],
  ] as const)
    expect(() => build(type, className, { num_labels: 3 })).toThrow(`${type} config: 3 labels`);
});

test('ModernBERT’s newer configs say each kind of layer’s rotation in rope_parameters', async () => {
  const last = async (more: Config): Promise<unknown> => {
    const built = build('modernbert', undefined, more);
    const model = new Model({ ...built, weights: valuesOf(built), config: {} });
    const out = await model.run({ input_ids: int([5, 6, 7, 8, 9], [1, 5]) }, ['last_hidden_state']);
    await model.dispose();
    return out['last_hidden_state'];
  };
  const rope = (full: number, local: number): Config => ({
    rope_parameters: {
      full_attention: { rope_type: 'default', rope_theta: full },
      sliding_attention: { rope_type: 'default', rope_theta: local },
    },
  });
  const plain = await last({});
  expect(await last(rope(160000, 10000))).toEqual(plain);
  const other = await last(rope(20, 30));
  expect(other).not.toEqual(plain);
  expect(await last({ global_rope_theta: 20, local_rope_theta: 30 })).toEqual(other);
});

test('a sequence longer than the positions are refused while tracing, too', () => {
  for (const type of Object.keys(configs))
    expect(() => build(type).network.trace({ input_ids: input('input_ids', [1, 10], 'int64') }, evaluating())).toThrow(
      `${type}: a sequence of 10 tokens, but max_position_embeddings`,
    );
});
