// Encoder-decoders' options that no reference checkpoint has, against the same formulas written in PyTorch 1.13. Weights
// are those of `filled` on both sides, and the lines that matter of each reference stand above its numbers.
import { describe, expect, test } from 'vitest';
import { gradients, input } from '../../packages/graph/src/index.ts';
import { evaluating, parameters, training } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import { architectures, bucketOf, buildNetwork } from '../../packages/transformer/src/index.ts';

type Config = Readonly<Record<string, unknown>>;

/** 0.3 sin(0.37 i² + n) at place i of the n-th parameter by name; added to 1 in the weights of norms. */
function filled(shapes: ReadonlyMap<string, { readonly shape: readonly unknown[] }>): Map<string, HostTensor> {
  return new Map(
    [...shapes.keys()].toSorted().map((name, n) => {
      const shape = shapes.get(name)!.shape as number[];
      const base = /norm.*weight$/.test(name) ? 1 : 0;
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, (_, i) => base + 0.3 * Math.sin(0.37 * i * i + n));
      return [name, hostTensor(data, shape)];
    }),
  );
}

const int64 = (rows: readonly (readonly number[])[]): HostTensor =>
  hostTensor(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
const source = {
  input_ids: int64([
    [5, 3, 9, 7, 2],
    [4, 8, 2, 0, 0],
  ]),
  attention_mask: int64([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ]),
};
const inputs = {
  ...source,
  labels: int64([
    [6, 4, 2, 8],
    [3, 2, -100, -100],
  ]),
};

interface Expected {
  readonly loss: number;
  /** The first four logits of the first token of row 0, and of the second of row 1; or all of a classifier's. */
  readonly logits: readonly (readonly number[])[];
  /** The first four values of the encoder's output at the last token of row 0. */
  readonly encoded?: readonly number[];
  /** Norm, first and last value. */
  readonly grads: Readonly<Record<string, readonly [number, number, number]>>;
}

async function compare(config: Config, given: Readonly<Record<string, HostTensor>>, expected: Expected): Promise<void> {
  const { network } = buildNetwork(config, architectures);
  const known = parameters(network);
  const weights = filled(known);
  const names = Object.keys(expected.grads);
  for (const name of names) expect([...known.keys()]).toContain(name);
  const trace = Object.entries(given).map(([n, t]) => [n, input(n, t.shape, t.dtype)] as const);
  const outputs = network.trace(Object.fromEntries(trace), evaluating());
  const loss = outputs['loss']!();
  const slopes = gradients(
    loss,
    names.map((n) => known.get(n)!),
  );
  const program = await compile({
    loss,
    logits: outputs['logits']!(),
    encoded: outputs['encoder_last_hidden_state']!(),
    ...Object.fromEntries(names.map((n, i) => [`grad.${n}`, slopes[i]!])),
  });
  const out = await program.run(new Map([...weights, ...Object.entries(given)]));
  await program.dispose();
  const values = (name: string): number[] => Array.from(out[name]!.data as Float32Array);
  const V = out['logits']!.shape.at(-1)!;
  const T = out['logits']!.shape.length === 3 ? out['logits']!.shape[1]! : 0;
  expect(values('loss')[0]).toBeCloseTo(expected.loss, 4);
  near(values('logits').slice(0, expected.logits[0]!.length), expected.logits[0]!);
  if (T) near(values('logits').slice((T + 1) * V, (T + 1) * V + 4), expected.logits[1]!);
  if (expected.encoded) near(values('encoded').slice(32, 36), expected.encoded);
  for (const [name, [norm, first, last]] of Object.entries(expected.grads)) {
    const g = values(`grad.${name}`);
    near([Math.hypot(...g), g[0]!, g.at(-1)!], [norm, first, last], 1e-3 * norm);
  }
}

function near(actual: readonly number[], expected: readonly number[], within = 2e-5): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) =>
    expect(Math.abs(value - expected[i]!), `${i}: ${value}, not ${expected[i]}`).toBeLessThan(within),
  );
}

describe('the Transformer of 2017', () => {
  const config = {
    model_type: 'transformer',
    vocab_size: 11,
    d_model: 8,
    num_heads: 2,
    d_ff: 12,
    num_layers: 2,
    num_decoder_layers: 1,
    max_position_embeddings: 8,
  };
  // emb = lambda i: F.embedding(i, w['shared.weight']) * math.sqrt(8) + pos[:i.shape[1]]
  // x = nn.TransformerEncoderLayer(8, 2, 12, 0., batch_first=True)(x, src_key_padding_mask=mask == 0), twice
  // y = nn.TransformerDecoderLayer(8, 2, 12, 0., batch_first=True)(y, x, tgt_mask=…, memory_key_padding_mask=mask == 0)
  // logits = y @ w['shared.weight'].T; loss = F.cross_entropy(logits.reshape(-1, 11), labels.reshape(-1))
  test('gives torch.nn’s numbers with biases in attention', () =>
    compare({ ...config, attention_bias: true }, inputs, {
      loss: 2.619306,
      logits: [
        [-0.923201, 0.811394, 0.565064, -0.053009],
        [-0.505894, 0.417381, 0.237755, 0.90273],
      ],
      encoded: [-1.10029, 0.079261, 0.668142, 1.066723],
      grads: {
        'shared.weight': [1.18446, -0.0177013, -0.0982015],
        'encoder.layers.0.self_attn.v_proj.weight': [0.0427763, -0.00154252, 0.0101907],
        'decoder.layers.0.cross_attn.q_proj.weight': [0.0233871, 0.000715156, 0.00279045],
        'decoder.layers.0.feed_forward.fc1.weight': [0.217167, 0.031522, -0.00340458],
        'encoder.layers.1.feed_forward_norm.bias': [0.0633422, -0.0233673, 0.0120905],
      },
    }));

  test('gives torch.nn’s numbers without them, as in the paper', () =>
    compare(config, inputs, {
      loss: 2.784553,
      logits: [
        [0.141988, 0.364879, 0.427641, 0.628044],
        [1.610358, -1.405678, -1.096989, 1.500283],
      ],
      encoded: [-0.438227, -0.572873, -0.203888, -1.155228],
      grads: {
        'shared.weight': [1.7919, -0.0531942, 0.00945023],
        'encoder.layers.0.self_attn.v_proj.weight': [0.102497, 0.00129159, 0.0254028],
        'decoder.layers.0.cross_attn.q_proj.weight': [0.0181342, -0.000623088, -0.00207918],
        'decoder.layers.0.feed_forward.fc1.weight': [0.347899, 0, -0.0277486],
        'encoder.layers.1.feed_forward_norm.bias': [0.0531572, -0.00787854, -0.0181049],
      },
    }));

  test('has one table for sources, targets and the head, or three of their own sizes', () => {
    const names = (c: Config): string[] => [...parameters(buildNetwork(c, architectures).network).keys()];
    expect(names(config).filter((n) => /shared|embed|lm_head/.test(n))).toEqual(['shared.weight']);
    const apart = { ...config, tie_word_embeddings: false, source_vocab_size: 20 };
    const { network } = buildNetwork(apart, architectures);
    const shapes = [...parameters(network)].flatMap(([n, { shape }]) =>
      /shared|embed|lm_head/.test(n) ? [[n, shape]] : [],
    );
    expect(shapes).toEqual([
      ['encoder.embed_tokens.weight', [20, 8]],
      ['decoder.embed_tokens.weight', [11, 8]],
      ['lm_head.weight', [11, 8]],
    ]);
    expect(() => names({ ...config, source_vocab_size: 20 })).toThrow('needs equal sizes, or false');
    expect(() => names({ ...config, num_heads: 3 })).toThrow('divide into 3 heads');
  });
});

describe('T5', () => {
  const config = {
    vocab_size: 11,
    d_model: 8,
    d_kv: 3,
    num_heads: 2,
    d_ff: 12,
    num_layers: 2,
    relative_attention_num_buckets: 8,
    relative_attention_max_distance: 6,
    pad_token_id: 0,
    decoder_start_token_id: 0,
  };
  // b = w[table][bucket(pos[None] - pos[:, None], side == 'encoder', 8, 6)].permute(2, 0, 1)[None] + mask
  // (q @ k.transpose(2, 3) + b).softmax(-1) @ v; h = gelu_new(n @ wi_0.T) * (n @ wi_1.T); logits = y @ w['lm_head.weight'].T
  test('with a gated GELU, a head of its own, and fewer layers in the decoder (Flan-T5)', () =>
    compare(
      {
        ...config,
        model_type: 't5',
        num_decoder_layers: 1,
        feed_forward_proj: 'gated-gelu',
        tie_word_embeddings: false,
      },
      inputs,
      {
        loss: 2.401572,
        logits: [
          [1.130431, -0.83162, -0.294625, 0.030185],
          [-1.110418, 1.119064, 0.738857, -0.216376],
        ],
        encoded: [-0.032415, 0.538599, 1.24049, -0.369505],
        grads: {
          'shared.weight': [1.12325, -0.237662, 0],
          'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [0.0349079, -0.0040645, -0.000218401],
          'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [0.0886119, 0.0597853, 0],
          'lm_head.weight': [1.27451, -0.035261, -0.0960186],
          'decoder.block.0.layer.2.DenseReluDense.wi_1.weight': [0.488172, -0.00675862, 0.0790072],
        },
      },
    ));

  test('gives the hidden states of every layer and all three kinds of attention’s weights', async () => {
    const { network } = buildNetwork(
      {
        ...config,
        model_type: 't5',
        num_decoder_layers: 1,
        feed_forward_proj: 'gated-gelu',
        tie_word_embeddings: false,
      },
      architectures,
    );
    const weights = filled(parameters(network));
    const given = Object.entries(inputs).map(([n, t]) => [
      n,
      input(n, n === 'labels' ? ['B', 'T'] : ['B', 'S'], t.dtype),
    ]);
    const outputs = network.trace(Object.fromEntries(given), evaluating());
    // Of row 1: the weights of head 1 for the second query, and the third token's state.
    const expected = {
      'encoder_attentions.0': [0.222706, 0.351156, 0.426138, 0, 0],
      'encoder_attentions.1': [0.261666, 0.330352, 0.407982, 0, 0],
      'decoder_attentions.0': [0.947951, 0.052049, 0, 0],
      'cross_attentions.0': [0.349617, 0.319919, 0.330464, 0, 0],
      'encoder_hidden_states.1': [0.147096, -0.251645, -0.47728, -0.854057],
    };
    const names = Object.keys(expected) as (keyof typeof expected)[];
    expect(Object.keys(outputs).filter((n) => /states|attentions/.test(n)).length).toBe(3 + 2 + 2 + 1 + 1);
    const wanted = [...names, 'encoder_hidden_states.2', 'encoder_last_hidden_state'];
    const program = await compile(Object.fromEntries(wanted.map((n) => [n, outputs[n]!()])));
    const feeds = [...weights, ...Object.entries(inputs)];
    const out = await program.run(new Map(feeds.filter(([n]) => program.inputs.some((i) => i.name === n))));
    await program.dispose();
    for (const name of names) {
      const { data, shape } = out[name]!;
      const [, H, T] = shape as [number, number, number];
      const width = shape.at(-1)!;
      const row = shape.length === 4 ? (H + 1) * T + 1 : H + 2;
      near(Array.from(data as Float32Array).slice(row * width, row * width + expected[name].length), expected[name]);
    }
    expect(out['encoder_hidden_states.2']!.data).toEqual(out['encoder_last_hidden_state']!.data);
  });

  // As above with F.silu, and a table in every layer.
  test('with a gated SiLU and a table in every layer (UMT5)', () =>
    compare({ ...config, model_type: 'umt5', feed_forward_proj: 'gated-silu', tie_word_embeddings: false }, inputs, {
      loss: 2.562001,
      logits: [
        [1.074244, -0.548725, -0.276592, 0.550122],
        [-0.096583, 0.153665, -0.069907, 0.454736],
      ],
      encoded: [-1.704789, 0.764908, -1.121352, 1.009073],
      grads: {
        'shared.weight': [0.82544, -0.0418241, 0],
        'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [0.044591, 0.0201595, 0.00504723],
        'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [0.0173312, -0.00628615, 0],
        'encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight': [0.0207038, 0.00179305, -0.000901785],
      },
    }));

  // act = F.gelu; causal + (1 - decoder_attention_mask) * -1e9; logits = y * 8**-0.5 @ w['shared.weight'].T
  test('with the decoder’s inputs and mask given, the exact GELU, a tied head', () =>
    compare(
      { ...config, model_type: 't5', num_layers: 1, feed_forward_proj: 'gelu' },
      {
        ...inputs,
        decoder_input_ids: int64([
          [1, 6, 4, 2],
          [1, 3, 2, 0],
        ]),
        decoder_attention_mask: int64([
          [1, 1, 1, 1],
          [1, 0, 1, 1],
        ]),
      },
      {
        loss: 2.447678,
        logits: [
          [-0.358525, 0.362408, 0.023496, 0.146907],
          [-0.322334, 0.261862, -0.074023, 0.191975],
        ],
        encoded: [0.658527, -1.244142, 0.015141, 0.496343],
        grads: {
          'shared.weight': [0.872536, -0.00643182, 0.0481685],
          'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [0.0208942, 0.00319141, 0.00236679],
          'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [0.0547373, 0.00446412, 0],
        },
      },
    ));

  // max_exact + (torch.log(d.float() / max_exact) / math.log(max_distance / max_exact) * (n - max_exact)).long()
  test.each([
    [32, 128, true, [15, 15, 14, 12, 10, 10, 8, 8, 3, 0, 17, 21, 24, 25, 26, 27, 27, 28, 29, 30, 31, 31]],
    [32, 128, false, [31, 31, 26, 23, 17, 16, 11, 8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [8, 16, true, [3, 3, 3, 3, 3, 3, 3, 3, 2, 0, 5, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]],
    [12, 50, false, [11, 11, 11, 11, 9, 8, 7, 6, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])(
    'distances fall into PyTorch’s buckets: %i up to %i, both ways %s',
    (count, maxDistance, bidirectional, expected) => {
      const places = [-300, -127, -64, -45, -20, -16, -11, -8, -3, 0, 1, 5, 9, 15, 16, 23, 31, 32, 46, 90, 128, 1000];
      expect(places.map((p) => bucketOf(p, { count, maxDistance, bidirectional }))).toEqual(expected);
    },
  );

  test('fields that follow from feed_forward_proj have the last word where they are stored; what isn’t known is refused', () => {
    const read = (c: Config): object =>
      buildNetwork({ ...config, model_type: 't5', ...c }, architectures).network.config;
    expect(read({ feed_forward_proj: 'gated-gelu' })).toMatchObject({ dense_act_fn: 'gelu_new', is_gated_act: true });
    expect(read({ feed_forward_proj: 'gelu' })).toMatchObject({ dense_act_fn: 'gelu', is_gated_act: false });
    expect(read({ feed_forward_proj: 'gated-silu', dense_act_fn: 'relu' })).toMatchObject({
      dense_act_fn: 'relu',
      is_gated_act: true,
    });
    expect(() => read({ feed_forward_proj: 'swiglu-x' })).toThrow("feed_forward_proj is 'swiglu-x'; needs");
    expect(() => read({ feed_forward_proj: 'gated-gelu-x' })).toThrow('feed_forward_proj');
    expect(() => read({ feed_forward_proj: 'nonsense' })).toThrow("activation: 'nonsense' is not known");
    expect(() => read({ relative_attention_max_distance: 4 })).toThrow('a distance above half of them');
    expect(() => read({ tie_encoder_decoder: true })).toThrow('tie_encoder_decoder');
  });

  test('labels without a token that starts them are refused, naming the field', () => {
    const { network } = buildNetwork({ ...config, model_type: 't5', decoder_start_token_id: null }, architectures);
    const ids = input('input_ids', [2, 5], 'int64');
    const labels = input('labels', [2, 4], 'int64');
    expect(() => network.trace({ input_ids: ids, labels }, evaluating())).toThrow('decoder_start_token_id is null');
    expect(Object.keys(network.trace({ input_ids: ids }, evaluating()))).not.toContain('logits');
  });
});

describe('BART', () => {
  const config = {
    model_type: 'bart',
    vocab_size: 11,
    max_position_embeddings: 9,
    d_model: 8,
    encoder_layers: 2,
    encoder_attention_heads: 2,
    encoder_ffn_dim: 12,
    decoder_layers: 1,
    decoder_attention_heads: 4,
    decoder_ffn_dim: 6,
    activation_function: 'silu',
    scale_embedding: true,
    tie_word_embeddings: false,
    pad_token_id: 1,
    decoder_start_token_id: 2,
  };
  // x = F.embedding(ids, w['model.shared.weight'], padding_idx=1) * math.sqrt(8) + w[positions][2:2 + T]; F.layer_norm(x, …)
  // x = LN(x + attn(x, x, mask)); x = LN(x + fc2(F.silu(fc1(x)))); logits = y @ w['lm_head.weight'].T + w['final_logits_bias']
  test('with other halves, scaled embeddings, a head of its own and a bias of the logits', () =>
    compare(config, inputs, {
      loss: 2.308772,
      logits: [
        [-0.069437, -0.160403, -0.388519, -0.370786],
        [0.205879, 0.751146, 1.580919, -0.948258],
      ],
      encoded: [-1.067568, 0.288577, 0.110901, -0.534899],
      grads: {
        'model.shared.weight': [0.991653, 0, 0],
        'lm_head.weight': [1.26447, -0.0815475, 0.000795711],
        'model.encoder.embed_positions.weight': [0.044483, 0, 0],
        'model.decoder.layers.0.encoder_attn.v_proj.weight': [0.132172, 0.0247201, -0.0114501],
      },
    }));

  // h = y[rows, last place of the end token]; out_proj(torch.tanh(dense(h))); the decoder reads the source shifted right.
  test('classifies by the state at the last end token', () =>
    compare(
      {
        ...config,
        architectures: ['BartForSequenceClassification'],
        encoder_layers: 1,
        decoder_attention_heads: 2,
        decoder_ffn_dim: 12,
        activation_function: 'gelu',
        scale_embedding: false,
        tie_word_embeddings: true,
      },
      {
        input_ids: int64([
          [0, 5, 2, 7, 2],
          [0, 4, 8, 2, 1],
        ]),
        attention_mask: int64([
          [1, 1, 1, 1, 1],
          [1, 1, 1, 1, 0],
        ]),
        labels: hostTensor(BigInt64Array.of(2n, 0n)),
      },
      {
        loss: 1.257545,
        logits: [[0.599546, -0.251628, -0.273514, 0.299222, 0.397415, -0.061369]],
        grads: {
          'classification_head.dense.weight': [0.664237, 0.0154739, -0.214864],
          'model.shared.weight': [0.93062, 0.00307327, 0],
        },
      },
    ));

  test('classes without the language-model head take their inputs by name', () => {
    const ids = { input_ids: input('input_ids', ['B', 'S'], 'int64') };
    const of = (name: string, extra = {}): string[] =>
      Object.keys(buildNetwork(config, architectures, name).network.trace({ ...ids, ...extra }, evaluating()));
    expect(of('BartModel')).toEqual(
      expect.arrayContaining(['last_hidden_state', 'encoder_last_hidden_state', 'cross_attentions.0']),
    );
    const at = (name: string) => input(name, ['B'], 'int64');
    expect(of('BartForQuestionAnswering')).toContain('start_logits');
    expect(
      of('BartForQuestionAnswering', { start_positions: at('start_positions'), end_positions: at('end_positions') }),
    ).toContain('loss');
  });

  test('layers are left out while training only, each with its probability', async () => {
    const { network } = buildNetwork(
      { ...config, encoder_layerdrop: 0.5, dropout: 0, attention_dropout: 0 },
      architectures,
    );
    const weights = filled(parameters(network));
    const given = Object.fromEntries(Object.entries(inputs).map(([n, t]) => [n, input(n, t.shape, t.dtype)] as const));
    const outputs = network.trace(given, training());
    const names = ['encoder_hidden_states.0', 'encoder_hidden_states.1', 'encoder_hidden_states.2'];
    const program = await compile({ ...Object.fromEntries(names.map((n) => [n, outputs[n]!()])) });
    const known = new Set(program.inputs.map((i) => i.name));
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const feeds = [...weights, ...Object.entries(inputs), ['seed', hostTensor(Int32Array.of(seed), [])] as const];
      const out = await program.run(new Map(feeds.filter(([n]) => known.has(n))));
      const [a, b, c] = names.map((n) => Buffer.from((out[n]!.data as Float32Array).buffer).toString('hex'));
      seen.add(`${a === b} ${b === c}`);
    }
    expect(seen.size).toBe(4);
    await program.dispose();
  });

  test('what isn’t known or doesn’t fit is refused', () => {
    const read = (c: Config): object => buildNetwork({ ...config, ...c }, architectures);
    expect(() => read({ decoder_attention_heads: 3 })).toThrow('3 heads (decoder_attention_heads)');
    expect(() => read({ encoder_layerdrop: 1 })).toThrow('encoder_layerdrop');
    expect(() => read({ is_decoder: true })).toThrow('is_decoder');
    expect(() => read({ pad_token_id: 11 })).toThrow('pad_token_id');
  });
});

describe('Marian', () => {
  const config = {
    model_type: 'marian',
    vocab_size: 11,
    decoder_vocab_size: 13,
    share_encoder_decoder_embeddings: false,
    max_position_embeddings: 9,
    d_model: 8,
    encoder_layers: 1,
    encoder_attention_heads: 2,
    encoder_ffn_dim: 12,
    decoder_layers: 2,
    decoder_attention_heads: 2,
    decoder_ffn_dim: 12,
    activation_function: 'tanh',
    pad_token_id: 10,
    decoder_start_token_id: 10,
  };
  // x = F.embedding(ids, w['model.encoder.embed_tokens.weight'], padding_idx=10) + np.concatenate([np.sin(angle[:, 0::2]),
  // np.cos(angle[:, 1::2])], 1); logits = y @ w['model.decoder.embed_tokens.weight'].T + w['final_logits_bias']
  test('with a vocabulary for each side', () =>
    compare(
      config,
      {
        ...source,
        labels: int64([
          [6, 4, 12, 8],
          [3, 2, -100, -100],
        ]),
      },
      {
        loss: 2.822448,
        logits: [
          [0.318762, -0.507196, -0.69042, -0.251954],
          [0.387185, -0.680025, -0.79764, -0.153866],
        ],
        encoded: [-1.31896, 0.614876, 0.0423, -1.161184],
        grads: {
          'model.encoder.embed_tokens.weight': [0.0219293, 0, 0],
          'model.decoder.embed_tokens.weight': [0.870714, -0.129687, -0.0189072],
          'model.decoder.layers.1.fc2.bias': [0.17392, 0.0398333, -0.0244784],
        },
      },
    ));

  test('what isn’t implemented or contradicts itself is refused', () => {
    const read = (c: Config): object => buildNetwork({ ...config, ...c }, architectures);
    expect(() => read({ normalize_before: true })).toThrow('normalize_before');
    expect(() => read({ static_position_embeddings: false })).toThrow('static_position_embeddings');
    expect(() => read({ share_encoder_decoder_embeddings: true })).toThrow('needs equal sizes, or false');
  });
});

test.each(['transformer', 't5', 'bart', 'marian'])(
  '%s trains with dropout: a step repeats by its seed',
  async (type) => {
    const small = { vocab_size: 11, d_model: 8, pad_token_id: 0, decoder_start_token_id: 0, eos_token_id: 1 };
    const sizes = type === 't5' ? { d_kv: 4, num_heads: 2 } : { num_heads: 2, encoder_attention_heads: 2 };
    const { network } = buildNetwork(
      {
        ...small,
        ...sizes,
        model_type: type,
        decoder_attention_heads: 2,
        num_layers: 1,
        encoder_layers: 1,
        decoder_layers: 1,
        d_ff: 12,
        encoder_ffn_dim: 12,
        decoder_ffn_dim: 12,
        max_position_embeddings: 9,
        forced_eos_token_id: null,
      },
      architectures,
    );
    const known = [...parameters(network)].filter(([, p]) => p.trainable);
    const given = Object.entries(inputs).map(([n, t]) => [n, input(n, t.shape, t.dtype)] as const);
    const loss = network.trace(Object.fromEntries(given), training())['loss']!();
    const slopes = gradients(
      loss,
      known.map(([, p]) => p),
    );
    const program = await compile({ loss, ...Object.fromEntries(slopes.map((g, i) => [`grad.${known[i]![0]}`, g])) });
    const step = async (seed: number): Promise<Record<string, HostTensor>> =>
      program.run(
        new Map([
          ...filled(parameters(network)),
          ...Object.entries(inputs),
          ['seed', hostTensor(Int32Array.of(seed), [])],
        ]),
      );
    const [a, again, b] = [await step(1), await step(1), await step(2)];
    expect(again).toEqual(a);
    expect(b!['loss']!.data).not.toEqual(a!['loss']!.data);
    for (const [name, { data }] of Object.entries(a!))
      expect((data as Float32Array).every(Number.isFinite), name).toBe(true);
    await program.dispose();
  },
);
