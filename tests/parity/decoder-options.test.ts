// The decoders and their options that no reference checkpoint has, against networks written in PyTorch 1.13 from the papers
// and from Hugging Face's description of them, float32, on the same weights, inputs and labels as here. What is particular
// in them (f: frequencies, L: the text's length, M: max_position_embeddings, w: window):
//
//   Qwen3:       q, k = norm(q.view(…, H, D)), norm(k.view(…, K, D)), then they turn
//   windows:     (j <= i) & (j > i - w)
//   dynamic:     if L > M: f = (theta * (factor * L / M - (factor - 1)) ** (D / (D - 2))) ** (-2 * arange(D/2) / D)
//   yarn:        r = ((arange(D/2) - low) / (high - low)).clamp(0, 1); f = f / factor * r + f * (1 - r)
//                low = D * log(o / (beta_fast * 2π)) / (2 * log(theta)); cos, sin *= mscale(0.7) / mscale(0.4)
//   longrope:    f / (long if L > o else short); cos, sin *= sqrt(1 + log(M / o) / log(o))
//   Gemma:       x = E[ids] * sqrt(C); norm: x * rsqrt(mean(x²) + 1e-6) * (1 + w); down(gelu_tanh(gate(x)) * up(x))
//   Gemma 2:     s = tanh(q k' * scalar ** -0.5 / cap) * cap; x = x + norm(attention(norm(x))); x = x + norm(mlp(norm(x)))
//   SmolLM3:     no rotation where (layer + 1) % interval == 0; these layers slide
//   classes:     score(h[arange(B), ((ids != pad) * arange(T)).argmax(-1)])
//
// `probe` is the sum over all gradients g of g[i] * cos(0.1 i + h), which no wrong gradient leaves as it is.
import { describe, expect, test } from 'vitest';
import { gradients, input, type Tensor } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, parameters } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import { architectures, buildNetwork, isCausalLM, Model } from '../../packages/transformer/src/index.ts';

const [V, B, T] = [13, 2, 7];
const int = (values: readonly number[], shape: readonly number[]): HostTensor =>
  hostTensor(BigInt64Array.from(values, BigInt), shape);
const real = (values: readonly number[], shape: readonly number[]): HostTensor =>
  hostTensor(Float32Array.from(values), shape);
const ids = Array.from({ length: B * T }, (_, i) => {
  const [b, t] = [Math.floor(i / T), i % T];
  return 2 + ((7 * b + 3 * t + t * t) % (V - 2));
});
const visible = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0];
const next = int(
  ids.map((id, i) => (i === 2 || i >= 12 ? -100 : id)),
  [B, T],
);
const tags = int([0, 1, 2, -100, 1, 0, 2, 2, 2, 0, 1, 0, -100, -100], [B, T]);
const text = { input_ids: int(ids, [B, T]), attention_mask: int(visible, [B, T]) };

interface Case {
  readonly className: string;
  readonly config: object;
  readonly labels?: HostTensor;
  /** The logits are those of the first row's last token, or a classifier's all. */
  readonly expected: { readonly loss: number; readonly probe: number; readonly logits: readonly number[] };
}
const cases: Readonly<Record<string, Case>> = {
  'qwen3 head norms and biases': {
    className: 'Qwen3ForCausalLM',
    config: { head_dim: 6, attention_bias: true },
    expected: {
      loss: 3.08636,
      probe: -2.87837,
      logits: [
        1.50128, -1.44637, -0.86639, -0.312268, -0.506301, 0.303039, -1.43181, -1.2039, -1.35389, -1.17951, -0.426151,
        -0.0142056, -1.31238,
      ],
    },
  },
  'qwen3 layers that slide': {
    className: 'Qwen3ForCausalLM',
    config: { head_dim: 6, num_hidden_layers: 3, use_sliding_window: true, sliding_window: 3, max_window_layers: 1 },
    expected: {
      loss: 2.97701,
      probe: -1.63264,
      logits: [
        1.6947, -0.678938, -0.290023, 0.149795, -0.516875, 0.123757, -0.472113, -0.984376, -0.448068, -0.558297,
        -0.188603, -0.210279, -1.10184,
      ],
    },
  },
  'qwen2 layers that slide': {
    className: 'Qwen2ForCausalLM',
    config: {
      num_hidden_layers: 3,
      use_sliding_window: true,
      sliding_window: 3,
      layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
    },
    expected: {
      loss: 3.05918,
      probe: -1.42441,
      logits: [
        0.417773, -0.256328, 0.578406, 0.554094, 1.13829, -0.341421, -0.945894, -0.662445, 0.435625, -0.166622, 1.44182,
        -1.46051, -0.346709,
      ],
    },
  },
  'mistral without a window': {
    className: 'MistralForCausalLM',
    config: { sliding_window: null },
    expected: {
      loss: 3.18577,
      probe: 0.119219,
      logits: [
        0.740842, 0.85396, -0.291552, 0.469693, -1.01693, -1.25005, 0.265911, -1.50997, 1.16844, 0.12809, -0.717563,
        -0.889826, -0.01327,
      ],
    },
  },
  'llama biases': {
    className: 'LlamaForCausalLM',
    config: { head_dim: 6, attention_bias: true, mlp_bias: true, pretraining_tp: 2 },
    expected: {
      loss: 3.25417,
      probe: -3.81564,
      logits: [
        1.01095, -2.15263, -0.847913, -0.74787, 0.574222, 0.711536, -1.9219, -1.05154, -2.62901, -2.0318, 0.546971,
        -0.0533043, -1.68565,
      ],
    },
  },
  'llama linear': {
    className: 'LlamaForCausalLM',
    config: { head_dim: 4, rope_scaling: { type: 'linear', factor: 2.5 } },
    expected: {
      loss: 3.25202,
      probe: 0.790792,
      logits: [
        -1.70248, -0.959602, -0.835284, -0.802358, 0.82064, -1.54294, -1.09707, -0.218121, -1.19631, -1.02608, 0.540366,
        -0.892885, -0.11825,
      ],
    },
  },
  'llama dynamic': {
    className: 'LlamaForCausalLM',
    config: { head_dim: 4, rope_theta: 100, max_position_embeddings: 4, rope_scaling: { type: 'dynamic', factor: 2 } },
    expected: {
      loss: 3.25176,
      probe: -0.649991,
      logits: [
        -2.03809, -0.356807, -0.512399, -1.15954, 0.328588, -1.1911, 0.232834, 0.614958, -0.95653, -0.725442, 0.294988,
        -0.098854, 0.381194,
      ],
    },
  },
  'llama yarn': {
    className: 'LlamaForCausalLM',
    config: {
      head_dim: 8,
      rope_theta: 100,
      max_position_embeddings: 256,
      rope_scaling: {
        rope_type: 'yarn',
        factor: 4,
        original_max_position_embeddings: 64,
        beta_fast: 4,
        beta_slow: 1,
        mscale: 0.7,
        mscale_all_dim: 0.4,
        truncate: false,
      },
    },
    expected: {
      loss: 2.96875,
      probe: 0.655896,
      logits: [
        -2.59158, -0.475404, 0.00435627, -2.02632, 0.127149, -0.487738, 1.27109, 2.34906, -0.535103, 0.507776, 0.185458,
        1.06278, 0.389813,
      ],
    },
  },
  'llama llama3': {
    className: 'LlamaForCausalLM',
    config: {
      head_dim: 8,
      max_position_embeddings: 256,
      rope_parameters: {
        rope_theta: 500,
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
    },
    expected: {
      loss: 2.96877,
      probe: 2.28469,
      logits: [
        -2.3878, -0.0805738, -0.714057, -2.82061, -1.34323, -0.120952, 1.71461, 1.61805, -0.731356, 0.218695, -1.33297,
        2.076, 0.445182,
      ],
    },
  },
  'llama longrope': {
    className: 'LlamaForCausalLM',
    config: {
      head_dim: 4,
      rope_theta: 100,
      original_max_position_embeddings: 4,
      rope_scaling: { type: 'longrope', long_factor: [1.5, 3], short_factor: [1, 1.2] },
    },
    expected: {
      loss: 3.20607,
      probe: 3.72748,
      logits: [
        -1.66695, -1.54836, -0.992799, -0.902564, 0.997098, -1.24003, -1.66971, 0.0379853, -1.51996, -0.868725,
        0.455719, -0.663152, -0.428125,
      ],
    },
  },
  gemma: {
    className: 'GemmaForCausalLM',
    config: { head_dim: 6, hidden_act: 'gelu' },
    expected: {
      loss: 4.19228,
      probe: 3.20348,
      logits: [
        1.53517, -2.21377, -2.1775, 0.765481, -1.48256, 1.95127, 2.53388, -0.406508, 1.9338, 0.754832, -4.66627,
        -2.13346, 2.46276,
      ],
    },
  },
  gemma2: {
    className: 'Gemma2ForCausalLM',
    config: {
      head_dim: 6,
      sliding_window: 3,
      query_pre_attn_scalar: 5,
      attn_logit_softcapping: 2,
      final_logit_softcapping: 3,
    },
    expected: {
      loss: 3.59765,
      probe: -2.03408,
      logits: [
        -0.814166, 0.712488, -2.62097, -2.2452, 0.390949, 1.82494, -2.0364, -0.759123, 2.26193, -0.826934, -2.62041,
        -2.84538, 1.74052,
      ],
    },
  },
  gemma3_text: {
    className: 'Gemma3ForCausalLM',
    config: {
      head_dim: 6,
      num_hidden_layers: 3,
      sliding_window: 3,
      sliding_window_pattern: 2,
      query_pre_attn_scalar: 5,
      rope_local_base_freq: 100,
      rope_scaling: { rope_type: 'linear', factor: 2 },
    },
    expected: {
      loss: 4.48684,
      probe: 11.0697,
      logits: [
        -0.918588, 0.56997, -0.681841, -0.721533, -0.601766, -3.39142, 0.187385, -4.13429, -0.316322, 1.62564, -4.18813,
        0.426828, -0.122478,
      ],
    },
  },
  smollm3: {
    className: 'SmolLM3ForCausalLM',
    config: {
      head_dim: 4,
      num_hidden_layers: 3,
      no_rope_layer_interval: 2,
      use_sliding_window: true,
      sliding_window: 3,
    },
    expected: {
      loss: 3.16586,
      probe: 0.133066,
      logits: [
        -2.12968, 0.61097, 0.61678, -2.09621, 2.12016, 1.01048, -2.20922, 1.00311, 1.54353, -0.388937, 0.521983,
        -0.112933, 0.0788859,
      ],
    },
  },
  'gpt_neox sequential': {
    className: 'GPTNeoXForCausalLM',
    config: {
      num_attention_heads: 2,
      rotary_pct: 0.5,
      attention_bias: false,
      hidden_act: 'relu',
      use_parallel_residual: false,
    },
    expected: {
      loss: 3.08015,
      probe: -2.53502,
      logits: [
        -0.65679, -0.234273, 0.813273, 0.621929, 0.594974, 0.0675892, -0.409425, -1.07275, -1.46677, -1.4685, -0.392523,
        1.20383, 1.39879,
      ],
    },
  },
  'gpt_neox dynamic': {
    className: 'GPTNeoXForCausalLM',
    config: {
      num_attention_heads: 2,
      rotary_pct: 1,
      attention_bias: false,
      hidden_act: 'relu',
      max_position_embeddings: 5,
      rope_scaling: { type: 'dynamic', factor: 3 },
    },
    expected: {
      loss: 3.17665,
      probe: -3.07787,
      logits: [
        -2.15239, -0.293624, -0.509889, 1.25758, 0.349249, 1.31316, -1.46251, -0.713623, -0.78961, -0.723107, -1.46016,
        2.41942, 1.10701,
      ],
    },
  },
  'llama single': {
    className: 'LlamaForSequenceClassification',
    config: { num_labels: 3, pad_token_id: 8 },
    labels: int([2, 0], [2]),
    expected: { loss: 1.13145, probe: 4.29851, logits: [-2.33368, 0.586866, 0.12388, 0.298634, 0.0652377, 0.887387] },
  },
  'llama multi': {
    className: 'LlamaForSequenceClassification',
    config: { num_labels: 3, pad_token_id: 8, problem_type: 'multi_label_classification' },
    labels: real([1, 0, 1, 0, 1, 0], [2, 3]),
    expected: { loss: 1.1392, probe: 0.826656, logits: [-2.33368, 0.586866, 0.12388, 0.298634, 0.0652377, 0.887387] },
  },
  'llama regression': {
    className: 'LlamaForSequenceClassification',
    config: { num_labels: 1, pad_token_id: 8 },
    labels: real([0.5, -1], [2]),
    expected: { loss: 4.85809, probe: -22.7768, logits: [-2.33368, 0.298635] },
  },
  'llama tokens': {
    className: 'LlamaForTokenClassification',
    config: { num_labels: 3 },
    labels: tags,
    expected: { loss: 1.43232, probe: -0.561126, logits: [-2.78052, 0.930896, 0.0687759] },
  },
  'gpt_neox tokens': {
    className: 'GPTNeoXForTokenClassification',
    config: {
      num_labels: 3,
      num_attention_heads: 2,
      rotary_pct: 0.5,
      attention_bias: false,
      hidden_act: 'relu',
      use_parallel_residual: false,
    },
    labels: tags,
    expected: { loss: 1.89212, probe: 3.48206, logits: [-0.74169, -0.698543, 0.154848] },
  },
};
const sizes = {
  vocab_size: V,
  max_position_embeddings: 16,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
};

const phase = (name: string): number =>
  [...name].reduce((sum, character, i) => sum + (i + 1) * character.charCodeAt(0), 0) % 997;

/** Weights that follow from their names; norms' are around 1. */
const weightsOf = (model: object): Map<string, HostTensor> =>
  new Map(
    [...initialize(model)].map(([name, { data, shape }]) => {
      const norm = /norm/i.test(name) && name.endsWith('weight');
      const [h, width] = [phase(name), norm ? 0.5 : 1.2];
      const values = Float32Array.from(data, (_, i) => {
        const mixed = 43758.5453 * Math.sin(12.9898 * i + h);
        return (norm ? 1 : 0) + width * (mixed - Math.floor(mixed) - 0.5);
      });
      return [name, hostTensor(values, shape)];
    }),
  );

function close(what: string, actual: ArrayLike<number | bigint>, expected: readonly number[], tolerance = 2e-5): void {
  expect(actual.length, what).toBe(expected.length);
  expected.forEach((value, i) => {
    const error = Math.abs(Number(actual[i]) - value);
    expect(error, `${what} ${i}: ${actual[i]}, not ${value}`).toBeLessThan(tolerance * Math.max(1, Math.abs(value)));
  });
}

describe.each(Object.entries(cases))('%s', (name, { className, config, labels = next, expected }) => {
  const model_type = name.split(' ')[0]!;
  const built = buildNetwork({ model_type, ...sizes, ...config }, architectures, className);
  const { network } = built;
  const weights = weightsOf(network);
  const inputs = { ...text, labels };
  const model = (): Model => new Model({ ...built, weights, config: {} });
  // Of tokens, the first row's last.
  const shown = ({ data, shape }: HostTensor): ArrayLike<number | bigint> =>
    shape.length === 3 ? data.slice((T - 1) * shape[2]!, T * shape[2]!) : data;

  test('logits, loss and gradients are PyTorch’s', async () => {
    const given = Object.fromEntries(Object.entries(inputs).map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const traced = network.trace(given, evaluating());
    const wanted: Record<string, Tensor> = { logits: traced['logits']!(), loss: traced['loss']!() };
    const known = [...parameters(network)];
    gradients(
      wanted['loss']!,
      known.map(([, p]) => p),
    ).forEach((g, i) => (wanted[`grad.${known[i]![0]}`] = g));
    const program = await compile(wanted);
    const needed = new Set(program.inputs.map((i) => i.name));
    const out = await program.run(new Map([...weights, ...Object.entries(inputs)].filter(([n]) => needed.has(n))));
    await program.dispose();
    close('logits', shown(out['logits']!), expected.logits);
    close('loss', out['loss']!.data, [expected.loss]);
    let sum = 0;
    for (const [n] of known)
      out[`grad.${n}`]!.data.forEach((g: number | bigint, i: number) => {
        sum += Number(g) * Math.cos(0.1 * i + phase(n));
      });
    close('probe', [sum], [expected.probe], 5e-5);
  });

  test('the same where sizes are named; attention’s weights are those that it takes its mean with', async () => {
    const opened = model();
    const out = await opened.run(inputs, ['logits', 'loss', 'attentions.0', 'hidden_states.0', 'last_hidden_state']);
    close('logits', shown(out['logits']!), expected.logits);
    close('loss', out['loss']!.data, [expected.loss]);
    const { data, shape } = out['attentions.0']!;
    expect(shape.slice(2)).toEqual([T, T]);
    for (let row = 0; row < data.length; row += T) {
      const own = Array.from(data.slice(row, row + T), Number);
      expect(own.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(own.slice(((row / T) % T) + 1).every((weight) => weight === 0)).toBe(true);
    }
    await opened.dispose();
  });

  test.runIf(isCausalLM(network) && !name.endsWith('dynamic'))('a padded row is what it is alone', async () => {
    const opened = model();
    const { logits: both } = await opened.run(text, ['logits']);
    const alone = { input_ids: int(ids.slice(T, T + 5), [1, 5]) };
    const { logits } = await opened.run(alone, ['logits']);
    // longrope's frequencies are those of texts longer than 4 for both.
    close('logits', logits!.data, Array.from(both!.data.slice(T * V, (T + 5) * V), Number), 1e-5);
    await opened.dispose();
  });

  test.runIf(isCausalLM(network))('a cached step gives what a pass over the whole gives, row by row', async () => {
    const opened = model();
    const decoder = opened.decoder();
    const whole = async (row: readonly number[]): Promise<number[]> => {
      const { logits } = await opened.run({ input_ids: int(row, [1, row.length]) }, ['logits']);
      return Array.from(logits!.data.slice(-V), Number);
    };
    // Where frequencies change with the text's length, later keys are turned otherwise than in one pass.
    const changes = /dynamic|longrope/.test(name);
    const limit = changes ? 4 : 9;
    const rows = [
      [2, 6],
      [9, 2, 8],
    ];
    let logits = await decoder.prefill(rows);
    for (;;) {
      for (const [r, row] of rows.entries())
        close(`row ${r}`, logits.slice(r * V, (r + 1) * V), await whole(row), 1e-4);
      if (rows[1]!.length >= limit) break;
      const more = rows.map((row) => (row.at(-1)! + 5) % V);
      more.forEach((id, r) => rows[r]!.push(id));
      logits = await decoder.step(more);
    }
    // A prompt beyond it is turned as a whole, each row by its own length.
    const longer = [ids.slice(0, 7), ids.slice(7, 10)];
    logits = await decoder.prefill(longer);
    for (const [r, row] of longer.entries())
      close(`row ${r}`, logits.slice(r * V, (r + 1) * V), await whole(row), 1e-4);
    await decoder.dispose();
    await opened.dispose();
  });
});

test('bodies have the names of checkpoints without a head, and give their hidden states', async () => {
  const built = buildNetwork({ model_type: 'gemma2', ...sizes, head_dim: 6 }, architectures, 'Gemma2Model');
  expect([...parameters(built.network).keys()]).toContain('layers.0.post_feedforward_layernorm.weight');
  const model = new Model({ ...built, weights: weightsOf(built.network), config: {} });
  const out = await model.run(text, ['last_hidden_state', 'hidden_states.2', 'hidden_states.0']);
  expect(out['last_hidden_state']!.shape).toEqual([B, T, 8]);
  expect(out['hidden_states.2']!.data).toEqual(out['last_hidden_state']!.data);
  await model.dispose();
});

test('what isn’t implemented is refused by name', () => {
  const build = (config: object) => (): unknown => buildNetwork({ ...sizes, ...config }, architectures);
  expect(build({ model_type: 'gemma3', text_config: {} })).toThrow(/take a text-only checkpoint, whose model_type is/);
  expect(build({ model_type: 'gemma2', attn_logit_softcapping: -1 })).toThrow(/attn_logit_softcapping is -1/);
  expect(build({ model_type: 'gemma3_text', use_bidirectional_attention: true })).toThrow(
    /use_bidirectional_attention/,
  );
  expect(build({ model_type: 'smollm3', no_rope_layers: [1] })).toThrow(
    /no_rope_layers is \[1\]; needs 1 \(turns\) or 0/,
  );
  expect(build({ model_type: 'llama', partial_rotary_factor: 0.5 })).toThrow(/partial_rotary_factor is 0.5; only 1/);
  expect(build({ model_type: 'qwen3', layer_types: ['linear_attention', 'full_attention'] })).toThrow(
    /layer_types has/,
  );
});
