// The modules against numbers that PyTorch 1.13 computed from the reference checkpoint's states with sentence-transformers'
// formulas.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hostTensor, readSafetensors, type HostTensor } from '@brickwork/runtime';
import { describe, expect, test } from 'vitest';
import {
  apart,
  bertFolder,
  modulesJson,
  poolingJson,
  sineDense,
  wordTokenizer,
  writeFolder,
} from './encoder-folder.fixture.ts';
import { SentenceEncoder } from './sentence-encoder.ts';

const modes = [
  ['cls_token', [1.46784, -1.545252, 0.154785, -0.512661], [0.644985, -0.520221, -0.322653, -0.903624]],
  ['max_tokens', [1.774746, -0.455909, 1.514893, 1.655157], [1.805889, -0.012114, 2.138258, 1.56976]],
  ['mean_tokens', [0.105868, -1.257148, 0.712384, 0.430239], [0.233746, -0.971387, 0.996943, 0.425202]],
  ['mean_sqrt_len_tokens', [0.366739, -4.354888, 2.467769, 1.490393], [0.701237, -2.914162, 2.990828, 1.275607]],
  ['weightedmean_tokens', [-0.358329, -1.309841, 0.786282, 0.409009], [-0.030394, -1.159137, 1.173027, 0.509939]],
  ['lasttoken', [-0.470276, -1.251402, 0.001446, -0.110579], [-0.272764, -0.741767, 1.587899, 0.828341]],
] as const;
const allModes = modes.map(([mode]) => mode);
// All six side by side, through a Dense, to unit length.
const dense: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'activation.Tanh': [
    [0.3555407, 0.3555407, 0.3555407, -0.3402062, -0.3555407, -0.3555407, -0.3555407, -0.3546895],
    [0.3535965, 0.3535965, 0.3535965, 0.3535965, -0.3532515, -0.3535965, -0.3535965, -0.3535965],
  ],
  'activation.GELU': [
    [0.612887, 0.6763988, 0.4084747, -0.0016242, 0, 0, 0, -3.91e-5],
    [0.2704876, 0.6082351, 0.6477173, 0.3706059, -5.9e-6, 0, 0, 0],
  ],
  'linear.Identity': [
    [0.4350714, 0.4801567, 0.2899648, -0.0408388, -0.3483804, -0.4802354, -0.3704518, -0.0720107],
    [0.195244, 0.4390377, 0.4675367, 0.2675116, -0.0617884, -0.3574859, -0.473242, -0.3512845],
  ],
};

describe.skipIf(!existsSync(bertFolder))('modules of sentence-transformers', () => {
  const vectorsOf = async (
    files: Parameters<typeof writeFolder>[0],
    more: Record<string, HostTensor> = {},
  ): Promise<readonly Float32Array[]> => {
    const folder = await writeFolder({ 'tokenizer.json': wordTokenizer(97), ...files }, bertFolder);
    const { tensors } = await readSafetensors(join(bertFolder, 'inputs.safetensors'));
    const encoder = await SentenceEncoder.load(folder);
    const { sentence_embedding: found } = await encoder.model.run({ ...Object.fromEntries(tensors), ...more }, [
      'sentence_embedding',
    ]);
    await encoder.dispose();
    const D = encoder.dimension;
    expect(found!.shape).toEqual([2, D]);
    return [0, 1].map((row) => (found!.data as Float32Array).slice(row * D, (row + 1) * D));
  };

  test.each(modes)('%s pools as PyTorch does', async (mode, first, second) => {
    const vectors = await vectorsOf({
      'modules.json': modulesJson('Pooling'),
      '1_Pooling/config.json': poolingJson(32, mode),
    });
    expect(apart(vectors[0]!.slice(0, 4), first)).toBeLessThan(1e-5);
    expect(apart(vectors[1]!.slice(0, 4), second)).toBeLessThan(1e-5);
  });

  test('several ways stand side by side, in the order of sentence-transformers', async () => {
    const vectors = await vectorsOf({
      'modules.json': modulesJson('Pooling'),
      '1_Pooling/config.json': poolingJson(32, ...allModes),
    });
    for (const [i, [, ...rows]] of modes.entries())
      for (const [row, expected] of rows.entries())
        expect(apart(vectors[row]!.slice(32 * i, 32 * i + 4), expected)).toBeLessThan(1e-5);
  });

  test.each(Object.entries(dense))('a Dense with %s, then unit length', async (activation, expected) => {
    const vectors = await vectorsOf({
      'modules.json': modulesJson('Pooling', 'Dense', 'Normalize'),
      '1_Pooling/config.json': poolingJson(32, ...allModes),
      '2_Dense/config.json': {
        in_features: 192,
        out_features: 8,
        bias: true,
        activation_function: `torch.nn.modules.${activation}`,
      },
      '2_Dense/model.safetensors': sineDense(192, 8),
    });
    for (const [row, one] of expected.entries()) expect(apart(vectors[row]!, one)).toBeLessThan(1e-5);
  });

  test('a LayerNorm behind the pooling', async () => {
    const ramp = (from: number, to: number): HostTensor =>
      hostTensor(Float32Array.from({ length: 32 }, (_, i) => from + ((to - from) * i) / 31));
    const vectors = await vectorsOf({
      'modules.json': modulesJson('Pooling', 'LayerNorm'),
      '1_Pooling/config.json': poolingJson(32, 'mean_tokens'),
      '2_LayerNorm/config.json': { dimension: 32 },
      '2_LayerNorm/model.safetensors': new Map([
        ['norm.weight', ramp(0.5, 1.5)],
        ['norm.bias', ramp(-1, 1)],
      ]),
    });
    expect(
      apart(vectors[0]!.slice(0, 6), [-0.89653, -2.166752, -0.121068, -0.32503, -0.777054, -0.856576]),
    ).toBeLessThan(1e-5);
    expect(
      apart(vectors[1]!.slice(0, 6), [-0.789169, -1.821996, 0.113256, -0.356928, -0.740628, -0.725932]),
    ).toBeLessThan(1e-5);
  });

  test('tokens that the pooling mask leaves out are seen, but don’t count', async () => {
    const mask = BigInt64Array.from({ length: 24 }, (_, i) => BigInt(i % 12 >= 3 && i < 21));
    const vectors = await vectorsOf(
      { 'modules.json': modulesJson('Pooling'), '1_Pooling/config.json': poolingJson(32, 'mean_tokens') },
      { pooling_mask: hostTensor(mask, [2, 12]) },
    );
    expect(apart(vectors[0]!.slice(0, 4), [-0.124886, -1.395563, 0.868179, 0.500141])).toBeLessThan(1e-5);
    expect(apart(vectors[1]!.slice(0, 4), [0.179446, -1.116334, 1.314034, 0.499238])).toBeLessThan(1e-5);
  });

  test('saved and loaded again, an encoder with all modules gives the same vectors', async () => {
    const folder = await writeFolder(
      {
        'tokenizer.json': wordTokenizer(97),
        'modules.json': modulesJson('Pooling', 'Dense', 'Normalize'),
        '1_Pooling/config.json': poolingJson(32, 'max_tokens', 'mean_tokens'),
        '2_Dense/config.json': { in_features: 64, out_features: 8, bias: true },
        '2_Dense/model.safetensors': sineDense(64, 8),
        'sentence_bert_config.json': { max_seq_length: 20, do_lower_case: true },
        'config_sentence_transformers.json': {
          prompts: { query: 'w7 ', passage: '' },
          default_prompt_name: 'query',
          similarity_fn_name: 'dot',
        },
      },
      bertFolder,
    );
    const encoder = await SentenceEncoder.load(folder);
    const texts = ['w4 w5 w6', 'W9 w8', Array.from({ length: 50 }, (_, i) => `w${i + 4}`).join(' ')];
    const before = await encoder.encode(texts);
    const to = join(folder, 'saved', 'again');
    await encoder.save(to);
    const again = await SentenceEncoder.load(to);
    expect(await again.encode(texts)).toEqual(before);
    expect([again.maxLength, again.prompts, again.similarity]).toEqual([20, { query: 'w7 ', passage: '' }, 'dot']);
    // The default prompt was put before each text, and texts were put in lower case.
    expect(apart((await encoder.encode(['w7 w9 w8'], { prompt: '' }))[0]!, before[1]!)).toBeLessThan(1e-5);
    expect(before[0]).toHaveLength(8);
    await again.save(to); // in its own place
    expect(await (await SentenceEncoder.load(to)).encode(texts)).toEqual(before);
  });
});
