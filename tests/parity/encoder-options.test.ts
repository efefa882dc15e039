// The encoders' options and heads that no reference checkpoint has, against networks written in PyTorch 1.13 from the
// papers and from Hugging Face's description of them, float32, on the same weights, inputs and labels as here. What is
// particular in them:
//
//   relative_key:        d = arange(T)[:, None] - arange(T); E = distance_embedding.weight[d + P - 1]
//                        scores = q @ k' + einsum('bhld,lrd->bhlr', q, E)    [+ einsum('bhrd,lrd->bhlr', k, E)]
//   question answering:  n = T; (CE(start, s.clamp(0, n), ignore_index=n) + CE(end, e.clamp(0, n), ignore_index=n)) / 2
//   RoBERTa:             real = ids != 1; positions = cumsum(real, 1) * real + 1; both embeddings with padding_idx=1
//   DistilBERT:          x = sa_layer_norm(out_lin(attention) + x); output_layer_norm(lin2(relu(lin1(x))) + x)
//                        sinusoidal: [sin, cos][j % 2](t / 10000 ** (2 * (j // 2) / C))
//   ModernBERT:          q, k, v = Wqkv(attn_norm(x)).view(B, T, 3, H, D).transpose(3, 1).unbind(2); no attn_norm first
//                        local layers: (i - j).abs() <= local_attention // 2, and their own rope theta
//                        i, gate = Wi(mlp_norm(x)).chunk(2, -1); x + Wo(gelu(i) * gate)
//                        multiple choice: x[arange(B), mask.argmax(-1)], or the mean of what the mask shows
//
// `probe` is the sum over all gradients g of g[i] * cos(0.1 i + h), which no wrong gradient leaves as it is.
import { describe, expect, test } from 'vitest';
import { gradients, input, type Tensor } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, trainable, training } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import { architectures, buildNetwork, Model } from '../../packages/transformer/src/index.ts';

const [V, B, T] = [13, 2, 7];
const int = (values: readonly number[], shape: readonly number[]): HostTensor =>
  hostTensor(BigInt64Array.from(values, BigInt), shape);
const real = (values: readonly number[], shape: readonly number[]): HostTensor =>
  hostTensor(Float32Array.from(values), shape);
const idsOf = (rows: number, length: number): number[] =>
  Array.from({ length: rows * length }, (_, i) => {
    const [b, t] = [Math.floor(i / length), i % length];
    return 2 + ((7 * b + 3 * t + t * t) % (V - 2));
  });

type Inputs = Readonly<Record<string, HostTensor>>;
const visible = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0];
const plain: Inputs = { input_ids: int(idsOf(B, T), [B, T]), attention_mask: int(visible, [B, T]) };
const types = int([0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1], [B, T]);
const text: Inputs = { ...plain, token_type_ids: types };
// RoBERTa's padding, 1, in the middle of a text and where the mask shows it.
const padded: Inputs = {
  ...text,
  input_ids: int(
    idsOf(B, T).map((id, i) => (i === 2 || i >= T + 4 ? 1 : id)),
    [B, T],
  ),
};
const masked = int([-100, 3, -100, -100, 5, -100, 2, 1, -100, 12, -100, -100, -100, -100], [B, T]);
const tags = int([0, 1, 2, -100, 1, 0, 2, 2, 2, 0, 1, -100, -100, -100], [B, T]);
const span: Inputs = { start_positions: int([2, 9], [2]), end_positions: int([7, -1], [2]) };
const shown = Array.from({ length: 30 }, (_, i) => (i === 9 || i > 27 ? 0 : 1));
const choices: Inputs = {
  input_ids: int(idsOf(6, 5), [2, 3, 5]),
  attention_mask: int(shown, [2, 3, 5]),
  token_type_ids: int(
    Array.from({ length: 30 }, (_, i) => (i % 5 < 2 ? 0 : 1)),
    [2, 3, 5],
  ),
  labels: int([2, 0], [2]),
};
const withoutTypes = ({ token_type_ids: types, ...others }: Inputs): Inputs => (types ? others : {});
const paddedInFront = (inputs: Inputs): Inputs => ({
  ...inputs,
  attention_mask: int(
    shown.map((_, i) => shown[i - (i % 5) + 4 - (i % 5)]!),
    [2, 3, 5],
  ),
});

interface Case {
  readonly className: string;
  readonly config: object;
  readonly inputs: Inputs;
  readonly expected: Readonly<Record<string, number | readonly number[]>>;
}
const cases: Readonly<Record<string, Case>> = {
  'bert relative_key': {
    className: 'BertForMaskedLM',
    config: { position_embedding_type: 'relative_key' },
    inputs: { ...text, labels: masked },
    expected: {
      'attentions.1': [0.0937665, 0.0874392, 0.36068, 0.191824, 0.122177, 0.0850194, 0.0590946],
      loss: 4.01146,
      probe: -2.73957,
      logits: [1.73933, 0.915461, -1.07387, -1.09601],
    },
  },
  'bert relative_key_query': {
    className: 'BertForMaskedLM',
    config: { position_embedding_type: 'relative_key_query' },
    inputs: { ...text, labels: masked },
    expected: {
      'attentions.1': [0.254469, 0.119924, 0.258776, 0.191186, 0.0740202, 0.0596985, 0.041926],
      loss: 4.03741,
      probe: -2.94055,
      logits: [1.72444, 0.930777, -1.07772, -1.14554],
    },
  },
  'bert untied relu': {
    className: 'BertForMaskedLM',
    config: { tie_word_embeddings: false, hidden_act: 'relu' },
    inputs: { ...text, labels: masked },
    expected: {
      'attentions.1': [0.0871547, 0.0490763, 0.333827, 0.114907, 0.216754, 0.0858097, 0.11247],
      loss: 4.57803,
      probe: -1.17908,
      logits: [1.65875, -1.84858, 0.0865014, -1.47273],
    },
  },
  'bert pretraining': {
    className: 'BertForPreTraining',
    config: {},
    inputs: { ...text, labels: masked, next_sentence_label: int([1, 0], [2]) },
    expected: {
      loss: 5.31917,
      probe: 1.42394,
      prediction_logits: [1.81379, 0.879209, -1.11919, -1.01431],
      seq_relationship_logits: [0.585557, -2.00346, 0.961829, -1.59088],
    },
  },
  'bert next sentence': {
    className: 'BertForNextSentencePrediction',
    config: {},
    inputs: { ...text, labels: int([1, 0], [2]) },
    expected: { loss: 1.3682, probe: 2.0229, logits: [0.585557, -2.00346, 0.961829, -1.59088] },
  },
  'bert multiple choice': {
    className: 'BertForMultipleChoice',
    config: {},
    inputs: choices,
    expected: { loss: 1.07913, probe: 0.319172, logits: [-2.26756, -2.34253, -2.11852, -2.25515, -2.1344, -2.13756] },
  },
  'bert regression of three': {
    className: 'BertForSequenceClassification',
    config: { problem_type: 'regression', num_labels: 3 },
    inputs: { ...text, labels: real([0.5, -1, 2, 1.5, 0, -0.25], [2, 3]) },
    expected: {
      loss: 5.32057,
      probe: -4.05458,
      logits: [-2.2081, -0.0211633, -0.946522, -2.33392, -0.50003, -0.227061],
    },
  },
  'bert single label': {
    className: 'BertForSequenceClassification',
    config: { num_labels: 3 },
    inputs: { ...text, labels: int([2, -100], [2]) },
    expected: {
      loss: 1.33657,
      probe: -5.10784,
      logits: [-2.2081, -0.0211633, -0.946522, -2.33392, -0.50003, -0.227061],
    },
  },
  'bert multi label': {
    className: 'BertForSequenceClassification',
    config: { num_labels: 3 },
    inputs: { ...text, labels: real([1, 0, 1, 0, 0, 1], [2, 3]) },
    expected: {
      loss: 0.941521,
      probe: -1.46786,
      logits: [-2.2081, -0.0211633, -0.946522, -2.33392, -0.50003, -0.227061],
    },
  },
  'bert qa beyond': {
    className: 'BertForQuestionAnswering',
    config: {},
    inputs: { ...text, ...span },
    expected: {
      loss: 2.00998,
      probe: 0.488461,
      start_logits: [
        -1.66944, -1.69281, -1.55602, -1.10323, -0.995206, -1.37172, -1.10042, -1.75412, -1.38287, -1.5941, -1.86387,
        -1.64268, -2.00361, -1.76231,
      ],
      end_logits: [-0.371776, -0.45984, -0.196606, -0.30858, -0.844943, -0.202718, -0.199581],
    },
  },
  'roberta untied, padding seen': {
    className: 'RobertaForMaskedLM',
    config: { tie_word_embeddings: false },
    inputs: { ...padded, labels: masked },
    expected: { loss: 2.8038, probe: -0.509877, logits: [-2.65192, -1.64639, 2.68262, 1.22819] },
  },
  'roberta tokens': {
    className: 'RobertaForTokenClassification',
    config: { num_labels: 3 },
    inputs: { ...padded, labels: tags },
    expected: {
      'attentions.1': [0.158598, 0.14877, 0.123847, 0.132033, 0.16538, 0.148177, 0.123196],
      loss: 2.64529,
      probe: -1.74233,
      logits: [0.170366, -3.6385, 2.6967],
    },
  },
  'roberta qa': {
    className: 'RobertaForQuestionAnswering',
    config: {},
    inputs: { ...padded, ...span },
    expected: {
      loss: 1.96715,
      probe: 0.0522002,
      start_logits: [
        0.546088, 0.555737, 0.562463, 0.732621, 0.606514, 0.617892, 0.570438, 0.71069, 0.661122, 0.678089, 0.660383,
        0.708622, 0.708622, 0.708622,
      ],
    },
  },
  'roberta multiple choice': {
    className: 'RobertaForMultipleChoice',
    config: {},
    inputs: choices,
    expected: {
      loss: 1.13312,
      probe: 0.126662,
      logits: [-0.193106, -0.27833, -0.275463, -0.223551, -0.189834, -0.134145],
    },
  },
  'distilbert sinusoidal, untied, relu': {
    className: 'DistilBertForMaskedLM',
    config: { sinusoidal_pos_embds: true, tie_word_embeddings: false, activation: 'relu' },
    inputs: { ...plain, labels: masked },
    expected: { loss: 2.90306, probe: 8.13179, logits: [1.59943, 1.86168, -0.833169, 1.71042] },
  },
  'distilbert tokens': {
    className: 'DistilBertForTokenClassification',
    config: { num_labels: 3, activation: 'relu' },
    inputs: { ...plain, labels: tags },
    expected: {
      'attentions.1': [0.0557786, 0.0964616, 0.155625, 0.167994, 0.251579, 0.172795, 0.0997668],
      loss: 1.313,
      probe: -2.30638,
      logits: [-0.0313308, -1.32681, 0.433757],
    },
  },
  'distilbert qa': {
    className: 'DistilBertForQuestionAnswering',
    config: { activation: 'relu' },
    inputs: { ...plain, ...span },
    expected: {
      loss: 1.89188,
      probe: 0.371465,
      start_logits: [
        -0.234777, 0.160765, -0.0706348, -0.094785, -0.169071, 0.164313, 0.0835027, -0.498445, -0.0451914, -0.493339,
        -0.0203818, -0.158361, 0.00396252, -0.466403,
      ],
    },
  },
  'distilbert multiple choice': {
    className: 'DistilBertForMultipleChoice',
    config: { activation: 'relu' },
    inputs: withoutTypes(choices),
    expected: { loss: 1.31888, probe: -2.40979, logits: [-1.30793, -1.30364, -1.47561, -1.70316, -1.11638, -1.40273] },
  },
  'modernbert masked': {
    className: 'ModernBertForMaskedLM',
    config: {},
    inputs: { ...plain, labels: masked },
    expected: {
      'attentions.1': [0.846996, 0.0613785, 0.039009, 0.0526169, 0.0, 0.0, 0.0],
      'attentions.3': [0.0577907, 0.0565434, 0.181885, 0.313735, 0.347617, 0.0361546, 0.0062742],
      loss: 3.07532,
      probe: 3.51011,
      logits: [-0.16325, -0.342594, 0.0507481, -0.663244],
      last_hidden_state: [0.0674838, -1.43198, -0.0132367, 1.20218],
      'hidden_states.4': [-1.03267, -6.64896, -1.43439, 4.20347],
    },
  },
  'modernbert biases': {
    className: 'ModernBertForMaskedLM',
    config: {
      layer_types: ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'],
      norm_bias: true,
      attention_bias: true,
      mlp_bias: true,
      classifier_bias: true,
      decoder_bias: false,
      tie_word_embeddings: false,
      global_rope_theta: 500,
      local_rope_theta: null,
      local_attention: 2,
      norm_eps: 1e-3,
      classifier_activation: 'silu',
    },
    inputs: { ...plain, labels: masked },
    expected: { loss: 3.42806, probe: 5.01037, logits: [1.43274, -0.784072, 1.01603, 0.71341] },
  },
  'modernbert classes, cls': {
    className: 'ModernBertForSequenceClassification',
    config: { num_labels: 3 },
    inputs: { ...plain, labels: int([2, 1], [2]) },
    expected: {
      loss: 0.870398,
      probe: -1.84714,
      logits: [-0.866043, -1.52127, -0.153973, -1.60536, -0.414274, 0.260135],
    },
  },
  'modernbert classes, mean': {
    className: 'ModernBertForSequenceClassification',
    config: { num_labels: 3, classifier_pooling: 'mean' },
    inputs: { ...plain, labels: int([2, 1], [2]) },
    expected: { loss: 0.529331, probe: -6.07139, logits: [-1.39698, -2.15564, 1.16678, -1.43704, -0.431539, -0.22957] },
  },
  'modernbert tokens': {
    className: 'ModernBertForTokenClassification',
    config: { num_labels: 3 },
    inputs: { ...plain, labels: tags },
    expected: { loss: 1.43823, probe: -2.51852, logits: [-1.40765, -1.91172, 1.10498] },
  },
  'modernbert qa': {
    className: 'ModernBertForQuestionAnswering',
    config: {},
    inputs: { ...plain, ...span },
    expected: {
      loss: 1.88388,
      probe: 5.30139,
      start_logits: [
        -0.866043, -1.40765, -1.23295, -1.46911, -1.29045, -1.42882, -1.18483, -1.60536, -0.569977, -0.642236,
        -0.692453, -0.450929, -0.508088, -1.06619,
      ],
    },
  },
  'modernbert multiple choice, cls': {
    className: 'ModernBertForMultipleChoice',
    config: {},
    inputs: paddedInFront(withoutTypes(choices)),
    expected: { loss: 1.03217, probe: 0.108249, logits: [-0.964414, 0.571893, -0.774819, 0.296629, -1.4514, -1.23976] },
  },
  'modernbert multiple choice, mean': {
    className: 'ModernBertForMultipleChoice',
    config: { classifier_pooling: 'mean' },
    inputs: paddedInFront(withoutTypes(choices)),
    expected: {
      loss: 1.53437,
      probe: -0.294921,
      logits: [-1.56547, 0.0152879, -1.48617, -1.68735, -1.68206, -1.38717],
    },
  },
};

const sizes = { hidden_size: 8, intermediate_size: 12, num_attention_heads: 2, num_hidden_layers: 2 };
const common = { vocab_size: V, max_position_embeddings: 16 };
const configs: Readonly<Record<string, object>> = {
  bert: { ...common, ...sizes },
  roberta: { ...common, ...sizes, layer_norm_eps: 1e-5, type_vocab_size: 2 },
  distilbert: { ...common, dim: 8, hidden_dim: 12, n_heads: 2, n_layers: 2 },
  modernbert: { ...common, ...sizes, num_hidden_layers: 4, local_attention: 4, pad_token_id: 0 },
};

const phase = (name: string): number =>
  [...name].reduce((sum, character, i) => sum + (i + 1) * character.charCodeAt(0), 0) % 997;

/** Weights that follow from their names; norms' are around 1. */
function weightsOf(model: object): Map<string, HostTensor> {
  const changing = trainable(model);
  return new Map(
    [...initialize(model)].map(([name, { data, shape }]) => {
      const norm = /norm/i.test(name) && name.endsWith('weight');
      const [h, width] = [phase(name), norm ? 0.5 : 1.6];
      const values = Float32Array.from(data, (first, i) => {
        const mixed = 43758.5453 * Math.sin(12.9898 * i + h);
        return changing.has(name) ? (norm ? 1 : 0) + width * (mixed - Math.floor(mixed) - 0.5) : first;
      });
      return [name, hostTensor(values, shape)];
    }),
  );
}

function close(what: string, actual: HostTensor, expected: number | readonly number[]): void {
  const wanted = typeof expected === 'number' ? [expected] : expected;
  // Of sequences, the first values of the second token are given; of attention, those of the first head.
  const from = actual.data.length > wanted.length && actual.shape.length > 2 ? actual.shape.at(-1)! : 0;
  wanted.forEach((value, i) => {
    const error = Math.abs(Number(actual.data[from + i]) - value);
    expect(error, `${what} ${i}: ${actual.data[from + i]}, not ${value}`).toBeLessThan(
      2e-5 * Math.max(1, Math.abs(value)),
    );
  });
}

describe.each(Object.entries(cases))('%s', (name, { className, config, inputs, expected }) => {
  const type = name.split(' ')[0]!;
  const build = (more: object = {}): ReturnType<typeof buildNetwork> =>
    buildNetwork({ model_type: type, ...configs[type], ...config, ...more }, architectures, className);
  const { probe, ...outputs } = expected;

  test('outputs, loss and gradients are PyTorch’s', async () => {
    const { network } = build();
    const weights = weightsOf(network);
    const given = Object.fromEntries(Object.entries(inputs).map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const traced = network.trace(given, evaluating());
    const wanted: Record<string, Tensor> = Object.fromEntries(Object.keys(outputs).map((n) => [n, traced[n]!()]));
    const known = [...trainable(network)];
    gradients(
      wanted['loss']!,
      known.map(([, p]) => p),
    ).forEach((g, i) => (wanted[`grad.${known[i]![0]}`] = g));
    const program = await compile(wanted);
    const needed = new Set(program.inputs.map((i) => i.name));
    const out = await program.run(new Map([...weights, ...Object.entries(inputs)].filter(([n]) => needed.has(n))));
    await program.dispose();
    for (const [n, values] of Object.entries(outputs)) close(n, out[n]!, values);
    let sum = 0;
    for (const [n] of known)
      out[`grad.${n}`]!.data.forEach((g: number | bigint, i: number) => {
        sum += Number(g) * Math.cos(0.1 * i + phase(n));
      });
    expect(Math.abs(sum - (probe as number))).toBeLessThan(5e-5 * Math.max(1, Math.abs(probe as number)));
  });

  test('the same where sizes are named', async () => {
    const { network, architecture } = build();
    const model = new Model({ network, architecture, className, weights: weightsOf(network), config: {} });
    const out = await model.run(inputs, Object.keys(outputs));
    for (const [n, values] of Object.entries(outputs)) close(n, out[n]!, values);
    await model.dispose();
  });

  test('training drops values by the seed', async () => {
    const some = { attention_dropout: 0.1, mlp_dropout: 0.1, embedding_dropout: 0.1, classifier_dropout: 0.1 };
    const { network } = build(type === 'modernbert' ? some : {});
    const weights = weightsOf(network);
    const given = Object.fromEntries(Object.entries(inputs).map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const program = await compile({ loss: network.trace(given, training())['loss']!() });
    const needed = new Set(program.inputs.map((i) => i.name));
    const feeds = new Map([...weights, ...Object.entries(inputs)].filter(([n]) => needed.has(n)));
    const loss = async (seed: number): Promise<number> =>
      Number((await program.run(feeds.set('seed', hostTensor(Int32Array.of(seed), []))))['loss']!.data[0]);
    const [one, again, other] = [await loss(1), await loss(1), await loss(2)];
    expect(one).toBe(again);
    expect(one).not.toBe(other);
    await program.dispose();
  });
});
