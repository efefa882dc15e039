// Options of image networks that no reference checkpoint has, against PyTorch's numbers or plain computations.
import { describe, expect, test } from 'vitest';
import { count, gradients, input } from '../../packages/graph/src/index.ts';
import { parameters, trainable, training, type Network } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import { buildNetwork, Model, type Config } from '../../packages/transformer/src/index.ts';
import { visionArchitectures } from '../../packages/vision/src/index.ts';
import { total } from '../nd.ts';

const wave = (n: number, phase: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(0.7 * i + phase));
const scaled = (data: Float32Array, factor: number, offset = 0): Float32Array => data.map((v) => offset + factor * v);
const real = (shape: number[], phase = 0.5): HostTensor => hostTensor(wave(count(shape)!, phase), shape);
const int = (values: number[], shape = [values.length]): HostTensor =>
  hostTensor(BigInt64Array.from(values, BigInt), shape);
const near = (found: HostTensor, wanted: readonly number[], within = 1e-5): void => {
  expect(found.data.length).toBe(wanted.length);
  wanted.forEach((v, i) => expect(Math.abs(Number(found.data[i]) - v), `value ${i}`).toBeLessThan(within));
};

// Every parameter a wave of its own: the k-th by name begins with phase k.
function waves(network: Network): Map<string, HostTensor> {
  const known = parameters(network);
  const names = [...known.keys()].filter((name) => known.get(name)!.dtype === 'float32').toSorted();
  const values = names.map((name, k): [string, HostTensor] => {
    const shape = known.get(name)!.shape as number[];
    const data = wave(count(shape)!, k);
    const isAroundOne = /running_var|norm\w*\.weight$/.test(name) || name.endsWith('normalization.weight');
    return [name, hostTensor(isAroundOne ? scaled(data, 0.5, 1) : scaled(data, 0.3), shape)];
  });
  const counters = [...known].filter(([, p]) => p.dtype === 'int64');
  return new Map([...values, ...counters.map(([name]): [string, HostTensor] => [name, int([7], [])])]);
}
function open(config: Config, className?: string): Model {
  const built = buildNetwork(config, visionArchitectures, className);
  return new Model({ ...built, weights: waves(built.network), config });
}

describe('ResNet', () => {
  const sizes = { num_channels: 2, embedding_size: 4, hidden_sizes: [8, 12], depths: [2, 1], num_labels: 3 };
  // PyTorch 1.13 in float64: convolutions, batch norms and activations in the order of the paper's figure 5 with weights
  // sin(0.7 i + k), images sin(0.7 i + 0.5) of (2, 2, 40, 36), labels 2 and 0.
  const cases = [
    {
      config: { layer_type: 'basic', hidden_act: 'gelu', downsample_in_first_stage: true },
      logits: [3.791238, -5.644742, 2.567618, 3.10741, -13.576386, 11.489072],
      training: [0.538274, -0.507923, 0.4856, 0.407365, -0.073306, 0.165125],
      loss: 0.881191,
      mean: [
        0.023057, 0.178725, 0.250361, 0.203894, 0.06096, -0.11118, -0.231288, -0.242482, -0.139164, 0.030196, 0.185802,
        0.254126,
      ],
      variance: [
        1.298899, 1.359759, 1.227933, 0.94824, 0.64369, 0.471234, 0.526085, 0.774452, 1.08218, 1.305486, 1.357078,
        1.218943,
      ],
      slope: [0.1316, -0.010341, 0.001248, -0.018009],
    },
    {
      config: { layer_type: 'bottleneck', downsample_in_bottleneck: true },
      logits: [0.76471, -0.641597, 0.397995, 0.734029, -0.689043, 0.477951],
      training: [0.546788, -0.227316, 0.185653, 0.388501, 0.047559, 0.058461],
      loss: 1.009104,
      mean: [
        0.20778, 0.0414, -0.143507, -0.260225, -0.25442, -0.129444, 0.055521, 0.213481, 0.270542, 0.200486, 0.036827,
        -0.143209,
      ],
      variance: [
        0.784785, 0.530682, 0.462368, 0.616087, 0.909691, 1.196976, 1.349386, 1.306018, 1.085087, 0.778838, 0.528748,
        0.463066,
      ],
      slope: [-0.026846, -0.147654, 0.035617, 0.090491],
    },
  ];
  test.each(cases)('$config: inference', async ({ config, logits }) => {
    const model = open({ model_type: 'resnet', ...sizes, ...config });
    const out = await model.run({ pixel_values: real([2, 2, 40, 36]) }, ['logits']);
    near(out['logits']!, logits, 1e-4);
    await model.dispose();
  });
  test.each(cases)('$config: a training step, and the statistics after it', async (one) => {
    const { network } = buildNetwork({ model_type: 'resnet', ...sizes, ...one.config }, visionArchitectures);
    const known = parameters(network);
    const outputs = network.trace(
      { pixel_values: input('pixel_values', [2, 2, 40, 36]), labels: input('labels', [2], 'int64') },
      training(),
    );
    const buffers = [...known].filter(([, p]) => !p.trainable).map(([name]) => name);
    expect(
      Object.keys(outputs)
        .filter((name) => name.startsWith('buffers.'))
        .toSorted(),
    ).toEqual(buffers.map((name) => `buffers.${name}`).toSorted());
    const at = 'resnet.encoder.stages.1.layers.0.shortcut.normalization.';
    const loss = outputs['loss']!();
    const [slope] = gradients(loss, [known.get('resnet.embedder.embedder.normalization.weight')!]);
    const program = await compile({
      loss,
      slope: slope!,
      logits: outputs['logits']!(),
      mean: outputs[`buffers.${at}running_mean`]!(),
      variance: outputs[`buffers.${at}running_var`]!(),
      batches: outputs[`buffers.${at}num_batches_tracked`]!(),
    });
    const used = new Set(program.inputs.map(({ name }) => name));
    const feeds = new Map([
      ...waves(network),
      ['pixel_values', real([2, 2, 40, 36])],
      ['labels', int([2, 0])],
    ] as const);
    const out = await program.run(new Map([...feeds].filter(([name]) => used.has(name))));
    near(out['logits']!, one.training, 1e-4);
    near(out['loss']!, [one.loss]);
    near(out['mean']!, one.mean);
    near(out['variance']!, one.variance);
    near(out['slope']!, one.slope);
    expect(out['batches']!.data[0]).toBe(8n);
    await program.dispose();
  });
  test('the body gives every stage, and the mean of the last', async () => {
    const model = open({ model_type: 'resnet', ...sizes }, 'ResNetModel');
    const out = await model.run({ pixel_values: real([1, 2, 64, 32]) }, [
      'last_hidden_state',
      'pooler_output',
      'hidden_states.0',
      'hidden_states.1',
      'hidden_states.2',
    ]);
    expect(out['hidden_states.0']!.shape).toEqual([1, 4, 16, 8]);
    expect(out['hidden_states.1']!.shape).toEqual([1, 8, 16, 8]);
    expect(out['last_hidden_state']).toEqual(out['hidden_states.2']);
    expect(out['pooler_output']!.shape).toEqual([1, 12, 1, 1]);
    const places = [...(out['last_hidden_state']!.data as Float32Array).subarray(0, 32)];
    expect(out['pooler_output']!.data[0]).toBeCloseTo(total(places) / 32, 4);
    await model.dispose();
  });
  test.each([
    [{ layer_type: 'wide' }, 'layer_type is "wide"; known are basic and bottleneck'],
    [{ depths: [1] }, '2 hidden_sizes for 1 depths'],
    [{ hidden_sizes: [8, 0] }, 'hidden_sizes is [8,0]'],
    [{ hidden_act: 'nothing' }, "activation: 'nothing' is not known"],
  ])('%j is refused', (config, message) => {
    expect(() => buildNetwork({ model_type: 'resnet', ...sizes, ...config }, visionArchitectures)).toThrow(message);
  });
});

// The numbers of torchvision's and Hugging Face's documentation.
test.each([
  [
    'ResNet-18',
    { model_type: 'resnet', layer_type: 'basic', depths: [2, 2, 2, 2], hidden_sizes: [64, 128, 256, 512] },
    11_689_512,
  ],
  [
    'ResNet-34',
    { model_type: 'resnet', layer_type: 'basic', depths: [3, 4, 6, 3], hidden_sizes: [64, 128, 256, 512] },
    21_797_672,
  ],
  ['ResNet-50', { model_type: 'resnet' }, 25_557_032],
  ['ResNet-101', { model_type: 'resnet', depths: [3, 4, 23, 3] }, 44_549_160],
  ['ViT-B/16', { model_type: 'vit' }, 86_567_656],
  ['CLIP ViT-B/32', { model_type: 'clip' }, 151_277_313],
])('%s has its number of parameters', (_, config, expected) => {
  const { network } = buildNetwork({ ...config, num_labels: 1000 }, visionArchitectures);
  const all = [...trainable(network).values()].map((p) => count(p.shape)!);
  expect(all.reduce((a, b) => a + b)).toBe(expected);
});

describe('ViT', () => {
  const sizes = { hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 12, patch_size: 4 };
  const config = { model_type: 'vit', ...sizes, image_size: [12, 8], num_channels: 2 };
  test('the body: states of every layer, attention, the pooler; images that are not square', async () => {
    const model = open(config, 'ViTModel');
    const wanted = ['last_hidden_state', 'pooler_output', 'hidden_states.0', 'hidden_states.2', 'attentions.1'];
    const out = await model.run({ pixel_values: real([2, 2, 12, 8]) }, wanted);
    expect(wanted.map((name) => out[name]!.shape)).toEqual([
      [2, 7, 8],
      [2, 8],
      [2, 7, 8],
      [2, 7, 8],
      [2, 2, 7, 7],
    ]);
    const rows = out['attentions.1']!.data as Float32Array;
    for (let i = 0; i < rows.length; i += 7) expect(total([...rows.subarray(i, i + 7)])).toBeCloseTo(1, 5);
    // The first token of the first image through the pooler, by hand.
    const value = (name: string): Float32Array => model.weights.get(name)!.data as Float32Array;
    const first = [...(out['last_hidden_state']!.data as Float32Array).subarray(0, 8)];
    const [w, b] = [value('pooler.dense.weight'), value('pooler.dense.bias')];
    const pooled = Array.from(b, (v, m) => Math.tanh(v + total(first.map((x, c) => x * w[m * 8 + c]!))));
    near(hostTensor(Float32Array.from(out['pooler_output']!.data.subarray(0, 8) as Float32Array)), pooled);
    // The last state is before the norm, as in Hugging Face.
    const state = [...(out['hidden_states.2']!.data as Float32Array).subarray(0, 8)];
    const m = total(state) / 8;
    const deviation = Math.sqrt(total(state.map((v) => (v - m) ** 2)) / 8);
    const [scale, offset] = [value('layernorm.weight'), value('layernorm.bias')];
    first.forEach((v, c) => expect(v).toBeCloseTo(((state[c]! - m) / deviation) * scale[c]! + offset[c]!, 4));
    await model.dispose();
  });
  test('without qkv_bias it is as with biases of 0', async () => {
    const [bare, whole] = [open({ ...config, qkv_bias: false }), open(config)];
    const isBias = (name: string): boolean => /(query|key|value)\.bias$/.test(name);
    expect([...bare.weights.keys()].some(isBias)).toBe(false);
    const weights = new Map(
      [...whole.weights].map(([name, t]) => [
        name,
        bare.weights.get(name) ?? hostTensor(new Float32Array(t.data.length), t.shape),
      ]),
    );
    const same = new Model({ ...buildNetwork(config, visionArchitectures), weights, config });
    const images = { pixel_values: real([1, 2, 12, 8]) };
    const [a, b] = [await bare.run(images, ['logits']), await same.run(images, ['logits'])];
    near(a['logits']!, [...(b['logits']!.data as Float32Array)]);
    for (const model of [bare, whole, same]) await model.dispose();
  });
  test('images of another size, and configs that can’t be, are refused', () => {
    const { network } = buildNetwork(config, visionArchitectures);
    expect(() => network.trace({ pixel_values: input('pixel_values', ['B', 2, 8, 8]) }, training())).toThrow(
      'pixel_values (B, 2, 8, 8); needs (B, C, 12, 8)',
    );
    const build = (o: Config) => (): unknown => buildNetwork({ ...config, ...o }, visionArchitectures);
    expect(build({ num_attention_heads: 3 })).toThrow("8 (hidden_size) doesn't divide into 3 heads");
    expect(build({ patch_size: 9 })).toThrow('patches of 9 by 9 (patch_size) are larger than images of 12 by 8');
    expect(build({ image_size: [1, 2, 3] })).toThrow('image_size is [1,2,3]');
    expect(build({ pruned_heads: { 0: [1] } })).toThrow('pruned_heads');
  });
});

describe('ViT-MAE', () => {
  const sizes = { hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 12, patch_size: 4 };
  const decoder = {
    decoder_hidden_size: 12,
    decoder_num_attention_heads: 3,
    decoder_num_hidden_layers: 1,
    decoder_intermediate_size: 8,
  };
  const config = { model_type: 'vit_mae', ...sizes, ...decoder, image_size: 12, num_channels: 2 };
  test.each([false, true])('norm_pix_loss %j: the mean squared error of hidden patches', async (norm_pix_loss) => {
    const model = open({ ...config, norm_pix_loss, mask_ratio: 0.6 });
    const images = real([2, 2, 12, 12]);
    const noise = [0.5, 0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.4, 0.6, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];
    const inputs = { pixel_values: images, noise: hostTensor(Float32Array.from(noise), [2, 9]) };
    const out = await model.run(inputs, ['loss', 'logits', 'mask', 'ids_restore', 'last_hidden_state']);
    // trunc(9 · 0.4) = 3 patches are seen: those with the smallest noise.
    const rank = noise.map((v, i) => noise.slice(i - (i % 9), i - (i % 9) + 9).filter((u) => u < v).length);
    near(out['ids_restore']!, rank);
    near(
      out['mask']!,
      rank.map((r) => Number(r >= 3)),
    );
    expect(out['last_hidden_state']!.shape).toEqual([2, 4, 8]);
    const painted = out['logits']!.data as Float32Array;
    const losses: number[] = [];
    for (let b = 0; b < 2; b++)
      for (let patch = 0; patch < 9; patch++) {
        if (rank[b * 9 + patch]! < 3) continue;
        const pixels: number[] = [];
        for (let i = 0; i < 4; i++)
          for (let j = 0; j < 4; j++)
            for (let c = 0; c < 2; c++)
              pixels.push(
                images.data[((b * 2 + c) * 12 + 4 * Math.floor(patch / 3) + i) * 12 + 4 * (patch % 3) + j] as number,
              );
        const mean = total(pixels) / 32;
        const deviation = Math.sqrt(total(pixels.map((v) => (v - mean) ** 2)) / 31 + 1e-6);
        const wanted = norm_pix_loss ? pixels.map((v) => (v - mean) / deviation) : pixels;
        losses.push(total(wanted.map((v, i) => (v - painted[(b * 9 + patch) * 32 + i]!) ** 2)) / 32);
      }
    expect(losses.length).toBe(12);
    near(out['loss']!, [total(losses) / 12]);
    await model.dispose();
  });
  test('what can’t be is refused', () => {
    const build = (o: Config) => (): unknown => buildNetwork({ ...config, ...o }, visionArchitectures);
    expect(build({ image_size: [12, 8] })).toThrow('image_size is 12 by 8; needs a square');
    expect(build({ mask_ratio: 1 })).toThrow('mask_ratio is 1; needs less than 1');
    expect(build({ mask_ratio: 0.95 })).toThrow('hides all of 9 patches');
  });
  test('positions begin as sines and cosines: of the column, then of the row', () => {
    const { network } = buildNetwork(config, visionArchitectures);
    const positions = parameters(network).get('vit.embeddings.position_embeddings')!;
    const data = new Float32Array(10 * 8);
    positions.initializer(data, [1, 10, 8], null as never);
    expect([...data.subarray(0, 8)]).toEqual(Array<number>(8).fill(0));
    // Patch 5 stands in row 1 and column 2; the second of both frequencies is 1/100.
    const wanted = [2, 1].flatMap((p) => [Math.sin(p), Math.sin(p / 100), Math.cos(p), Math.cos(p / 100)]);
    near(hostTensor(data.slice(48, 56)), wanted, 1e-6);
  });
});

describe('CLIP', () => {
  const layers = { hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 12 };
  const text_config = { ...layers, vocab_size: 20, max_position_embeddings: 7, eos_token_id: 5, hidden_act: 'gelu' };
  const vision_config = { ...layers, image_size: 8, patch_size: 4, num_channels: 1 };
  const config = { model_type: 'clip', projection_dim: 6, text_config, vision_config };
  const ids = int([9, 19, 5, 5, 3, 5, 19, 2, 3, 7, 8, 4], [3, 4]);
  const rowsOf = (t: HostTensor, i: number, n: number): number[] => [
    ...(t.data as Float32Array).subarray(i * n, i * n + n),
  ];

  test('a text is read at the first end of text; where that is 2, at its largest id, as in the first checkpoints', async () => {
    for (const [eos, at] of [
      [5, [2, 1, 0]],
      [2, [1, 2, 2]],
    ] as const) {
      const model = open({ ...config, text_config: { ...text_config, eos_token_id: eos } }, 'CLIPTextModel');
      const out = await model.run({ input_ids: ids }, ['last_hidden_state', 'pooler_output']);
      const wanted = [0, 1, 2].map((b) => {
        const row = [9, 19, 5, 5, 3, 5, 19, 2, 3, 7, 8, 4].slice(4 * b, 4 * b + 4);
        const position = eos === 2 ? row.indexOf(Math.max(...row)) : Math.max(0, row.indexOf(5));
        expect(position).toBe(at[b]);
        return rowsOf(out['last_hidden_state']!, 4 * b + position, 8);
      });
      near(out['pooler_output']!, wanted.flat());
      await model.dispose();
    }
  });
  test('a token sees none after it, and none that is masked', async () => {
    const model = open(config, 'CLIPTextModel');
    const run = async (input_ids: HostTensor, mask: number[]): Promise<number[]> => {
      const out = await model.run({ input_ids, attention_mask: int(mask, [1, 4]) }, ['last_hidden_state']);
      return rowsOf(out['last_hidden_state']!, 0, 24);
    };
    const before = await run(int([9, 19, 5, 1], [1, 4]), [1, 1, 1, 1]);
    near(hostTensor(Float32Array.from(await run(int([9, 19, 5, 2], [1, 4]), [1, 1, 1, 0]))), before);
    const others = [
      await run(int([9, 18, 5, 1], [1, 4]), [1, 0, 1, 1]),
      await run(int([9, 17, 5, 1], [1, 4]), [1, 0, 1, 1]),
    ];
    near(hostTensor(Float32Array.from(others[0]!.slice(16))), others[1]!.slice(16));
    expect(Math.abs(others[0]![16]! - before[16]!)).toBeGreaterThan(1e-6);
    await model.dispose();
  });
  test('texts and images may differ in number; the loss is of pairs, both ways', async () => {
    const model = open(config);
    const two = await model.run({ input_ids: ids, pixel_values: real([2, 1, 8, 8]) }, [
      'logits_per_text',
      'logits_per_image',
    ]);
    expect([two['logits_per_text']!.shape, two['logits_per_image']!.shape]).toEqual([
      [3, 2],
      [2, 3],
    ]);
    const out = await model.run({ input_ids: ids, pixel_values: real([3, 1, 8, 8]) }, [
      'loss',
      'logits_per_text',
      'text_embeds',
      'image_embeds',
    ]);
    const scores = [0, 1, 2].map((i) => rowsOf(out['logits_per_text']!, i, 3));
    const own = (all: number[][]): number =>
      total(all.map((row, i) => Math.log(total(row.map((v) => Math.exp(v)))) - row[i]!)) / 3;
    near(out['loss']!, [(own(scores) + own(scores.map((_, i) => scores.map((row) => row[i]!)))) / 2]);
    const scale = Math.exp(Number(model.weights.get('logit_scale')!.data[0]));
    const [text, image] = [rowsOf(out['text_embeds']!, 1, 6), rowsOf(out['image_embeds']!, 2, 6)];
    expect(total(text.map((v) => v * v))).toBeCloseTo(1, 5);
    expect(scores[1]![2]).toBeCloseTo(scale * total(text.map((v, i) => v * image[i]!)), 4);
    await model.dispose();
  });
  test('each tower alone, from the whole model’s config or its own, with or without its projection', async () => {
    const whole = open(config);
    const alone = (className: string, own: Config = config): Model => {
      const built = buildNetwork(own, visionArchitectures, className);
      const names = [...parameters(built.network).keys()];
      return new Model({ ...built, weights: new Map(names.map((n) => [n, whole.weights.get(n)!])), config: own });
    };
    const towers = {
      text_config: { ...text_config, projection_dim: 6 },
      vision_config: { ...vision_config, projection_dim: 6 },
    };
    const images = { pixel_values: real([3, 1, 8, 8]) };
    const all = await whole.run({ input_ids: ids, ...images }, [
      'text_embeds',
      'image_embeds',
      'vision_model_output.pooler_output',
    ]);
    for (const own of [
      { ...config, ...towers },
      { model_type: 'clip_text_model', ...towers.text_config },
    ]) {
      const model = alone('CLIPTextModelWithProjection', own);
      const { text_embeds: found } = await model.run({ input_ids: ids }, ['text_embeds']);
      const row = rowsOf(found!, 0, 6);
      const length = Math.sqrt(total(row.map((v) => v * v)));
      near(hostTensor(Float32Array.from(row, (v) => v / length)), rowsOf(all['text_embeds']!, 0, 6));
      await model.dispose();
    }
    const model = alone('CLIPVisionModel');
    const { pooler_output: pooled } = await model.run(images, ['pooler_output']);
    near(pooled!, [...(all['vision_model_output.pooler_output']!.data as Float32Array)]);
    await model.dispose();
    await whole.dispose();
  });
  test('text_config_dict of old checkpoints goes before text_config', () => {
    const { network } = buildNetwork(
      { ...config, text_config_dict: { ...text_config, vocab_size: 30 } },
      visionArchitectures,
    );
    expect(parameters(network).get('text_model.embeddings.token_embedding.weight')!.shape).toEqual([30, 8]);
  });
  test('a text that is too long is refused', async () => {
    const model = open(config, 'CLIPTextModel');
    await expect(model.run({ input_ids: int(Array<number>(8).fill(5), [1, 8]) }, ['pooler_output'])).rejects.toThrow(
      '8 positions, but 7 fit',
    );
  });
});
