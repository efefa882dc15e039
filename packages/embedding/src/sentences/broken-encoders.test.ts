// Folders that are no encoders, or broken ones: each is refused, saying what is wrong.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { describe, expect, test } from 'vitest';
import {
  bertFolder,
  modulesJson,
  poolingJson,
  sineDense,
  wordTokenizer,
  writeFolder,
} from './encoder-folder.fixture.ts';
import { SentenceEncoder } from './sentence-encoder.ts';

describe.skipIf(!existsSync(bertFolder))('folders that are broken', () => {
  const good = {
    'tokenizer.json': wordTokenizer(97),
    'modules.json': modulesJson('Pooling', 'Dense'),
    '1_Pooling/config.json': poolingJson(32, 'mean_tokens'),
    '2_Dense/config.json': {
      in_features: 32,
      out_features: 8,
      bias: true,
      activation_function: 'torch.nn.modules.activation.Tanh',
    },
    '2_Dense/model.safetensors': sineDense(32, 8),
  };
  const nan = sineDense(32, 8);
  (nan.get('linear.bias')!.data as Float32Array)[3] = NaN;
  const module = (type: string, path = '1_Pooling'): object[] => [
    ...modulesJson(),
    { idx: 1, name: '1', path, type: `sentence_transformers.models.${type}` },
  ];

  test.each<[string, Parameters<typeof writeFolder>[0], RegExp]>([
    ['no modules', { 'modules.json': [] }, /not a list of modules/],
    ['modules.json is no JSON', { 'modules.json': '[' }, /modules\.json is not JSON/],
    [
      'a path out of the folder',
      { 'modules.json': module('Pooling', '../other') },
      /"\.\.\/other"; needs a folder within/,
    ],
    ['an absolute path', { 'modules.json': module('Pooling', '/etc') }, /"\/etc"; needs a folder within/],
    ['a module without type', { 'modules.json': [{ path: '' }] }, /module 0 is .*needs a type and a path/],
    ['a module that isn’t known', { 'modules.json': module('CNN') }, /models\.CNN, which isn't implemented/],
    [
      'a module from elsewhere',
      { 'modules.json': [{ path: '', type: 'os.system' }] },
      /os\.system, which isn't implemented/,
    ],
    [
      'a body’s folder that is missing',
      { 'modules.json': [{ path: '0_T', type: 'sentence_transformers.models.Transformer' }] },
      /lacks the folder 0_T/,
    ],
    [
      'no pooling',
      {
        'modules.json': modulesJson('Dense'),
        '1_Dense/config.json': good['2_Dense/config.json'],
        '1_Dense/model.safetensors': sineDense(32, 8),
      },
      /needs a Pooling first/,
    ],
    ['no way of pooling', { '1_Pooling/config.json': poolingJson(32) }, /no way of pooling is on/],
    [
      'states of another width',
      { '1_Pooling/config.json': poolingJson(33, 'mean_tokens') },
      /word_embedding_dimension is 33, but the token states before it have 32/,
    ],
    [
      'a setting that isn’t known',
      { '1_Pooling/config.json': { ...poolingJson(32, 'mean_tokens'), pooling_mode_median: true } },
      /pooling_mode_median isn't known/,
    ],
    [
      'a Dense for other widths',
      { '2_Dense/config.json': { in_features: 64, out_features: 8, bias: true } },
      /in_features is 64, but the vectors before it have 32/,
    ],
    [
      'a Dense of another shape',
      { '2_Dense/model.safetensors': sineDense(32, 7) },
      /linear\.weight is float32 \(7, 32\), but the model needs float32 \(8, 32\)/,
    ],
    [
      'a Dense without its bias',
      { '2_Dense/model.safetensors': new Map([...sineDense(32, 8)].slice(0, 1)) },
      /missing linear\.bias/,
    ],
    [
      'an activation that isn’t known',
      { '2_Dense/config.json': { in_features: 32, out_features: 8, activation_function: 'os.system' } },
      /activation_function is "os\.system"/,
    ],
    ['NaN in a Dense', { '2_Dense/model.safetensors': nan }, /Dense: linear\.bias holds NaN \(value 3 of 8\)/],
    ['a length that is none', { 'sentence_bert_config.json': { max_seq_length: -1 } }, /max_seq_length is -1/],
    ['prompts that are none', { 'config_sentence_transformers.json': { prompts: ['a'] } }, /prompts is \["a"\]/],
    [
      'a default prompt that is missing',
      { 'config_sentence_transformers.json': { default_prompt_name: 'q' } },
      /default_prompt_name is "q"; the prompts are none/,
    ],
    [
      'a similarity that isn’t known',
      { 'config_sentence_transformers.json': { similarity_fn_name: 'jaccard' } },
      /similarity_fn_name is "jaccard"/,
    ],
    [
      'settings of the model that would change it',
      { 'sentence_bert_config.json': { model_args: { attn: 1 } } },
      /model_args is .* which isn't implemented/,
    ],
  ])('%s', async (_, files, message) => {
    await expect(SentenceEncoder.load(await writeFolder({ ...good, ...files }, bertFolder))).rejects.toThrow(message);
  });

  test.each<[string, Map<string, HostTensor>, RegExp]>([
    ['no table', new Map([['x', hostTensor(new Float32Array(4))]]), /no embedding\.weight, only x/],
    [
      'a table of one axis',
      new Map([['embedding.weight', hostTensor(new Float32Array(4))]]),
      /is float32 \(4\); a StaticEmbedding needs/,
    ],
    [
      'a mapping of ids to rows',
      new Map([
        ['embeddings', hostTensor(new Float32Array(8), [4, 2])],
        ['mapping', hostTensor(new BigInt64Array(9))],
      ]),
      /mapping stands beside the table/,
    ],
    [
      'NaN',
      new Map([['embedding.weight', hostTensor(Float32Array.of(1, NaN), [2, 1])]]),
      /embedding\.weight holds NaN \(value 1 of 2\)/,
    ],
  ])('a StaticEmbedding with %s', async (_, table, message) => {
    const folder = await writeFolder({
      'modules.json': [{ path: '', type: 'sentence_transformers.models.StaticEmbedding' }],
      'tokenizer.json': wordTokenizer(9),
      'model.safetensors': table,
    });
    await expect(SentenceEncoder.load(folder)).rejects.toThrow(message);
  });

  test('files that are missing are named', async () => {
    for (const [name, message] of [
      ['1_Pooling', /lacks 1_Pooling\/config\.json, which its modules\.json needs for Pooling/],
      ['2_Dense/model.safetensors', /lacks 2_Dense\/model\.safetensors/],
      ['model.safetensors', /model\.safetensors/],
      ['tokenizer.json', /no tokenizer\.json/],
    ] as const) {
      const folder = await writeFolder(good, bertFolder);
      rmSync(join(folder, name), { recursive: true });
      await expect(SentenceEncoder.load(folder)).rejects.toThrow(message);
    }
    await expect(SentenceEncoder.load('/nowhere/at/all')).rejects.toThrow(/there is no folder/);
  });

  test('weights of a Dense as pytorch_model.bin are refused, saying what to do', async () => {
    const folder = await writeFolder({ ...good, '2_Dense/pytorch_model.bin': 'PK' }, bertFolder);
    rmSync(join(folder, '2_Dense', 'model.safetensors'));
    await expect(SentenceEncoder.load(folder)).rejects.toThrow(/pytorch_model\.bin, which can hold programs/);
  });

  test('NaN in the body is found when it is opened', async () => {
    const folder = await writeFolder(good, bertFolder);
    const encoder = await SentenceEncoder.load(folder);
    const broken = new Map(encoder.model.weights);
    const name = 'transformer.embeddings.LayerNorm.bias';
    const values = Float32Array.from(broken.get(name)!.data as Float32Array);
    values[5] = Infinity;
    const other = encoder.withWeights(broken.set(name, hostTensor(values)));
    await expect(other.encode(['w4'])).rejects.toThrow(/a vector holds NaN/);
    const to = join(mkdtempSync(join(tmpdir(), 'brickwork-nan-')), 'out');
    await other.save(to);
    await expect(SentenceEncoder.load(to)).rejects.toThrow(/embeddings\.LayerNorm\.bias holds Infinity/);
  });

  test('a body in 0_Transformer, and its settings with it', async () => {
    const folder = await writeFolder({
      'modules.json': [
        { path: '0_Transformer', type: 'sentence_transformers.models.Transformer' },
        ...modulesJson('Pooling').slice(1),
      ],
      '1_Pooling/config.json': poolingJson(32, 'cls_token'),
      '0_Transformer/sentence_bert_config.json': { max_seq_length: 7 },
    });
    cpSync(bertFolder, join(folder, '0_Transformer'), { recursive: true });
    const from = await writeFolder({ 'tokenizer.json': wordTokenizer(97) });
    cpSync(join(from, 'tokenizer.json'), join(folder, '0_Transformer', 'tokenizer.json'));
    const encoder = await SentenceEncoder.load(folder);
    expect([encoder.maxLength, encoder.dimension]).toEqual([7, 32]);
  });
});
