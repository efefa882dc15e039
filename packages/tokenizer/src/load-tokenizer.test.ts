import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadTokenizer } from './load-tokenizer.ts';
import { saveTokenizer, tokenizerConfig } from './save-tokenizer.ts';
import { Tokenizer } from './tokenizer.ts';
import { trainTokenizer } from './train-tokenizer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));
const put = (name: string, value: unknown): Promise<void> =>
  writeFile(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));

test('what is saved is loaded to the same ids, roles included', async () => {
  const text = 'low lower lowest new newer newest';
  for (const type of ['bpe', 'wordpiece', 'char'] as const) {
    const json = await trainTokenizer([text], { type, vocabularySize: 300 });
    const target = join(folder, 'deep', type);
    await saveTokenizer(target, json);
    expect(await readdir(target)).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    const loaded = await loadTokenizer(target);
    expect(loaded.encode(text).ids).toEqual(new Tokenizer(json).encode(text).ids);
    expect((await loadTokenizer(join(target, 'tokenizer.json'))).specialTokens).toEqual(loaded.specialTokens);
    if (type === 'bpe') expect(loaded.specialTokens.eos).toEqual({ id: 0, content: '<|endoftext|>' });
    if (type === 'wordpiece') expect(loaded.specialTokens.mask).toEqual({ id: 4, content: '[MASK]' });
    if (type === 'char') expect(loaded.specialTokens).toEqual({});
  }
});

test('what is no tokenizer is not saved', async () => {
  await expect(saveTokenizer(folder, { model: {} }, {})).rejects.toThrow('model.vocab');
  expect(await readdir(folder)).toEqual([]);
});

test('a save that fails leaves nothing behind', async () => {
  const json = await trainTokenizer(['abc'], { type: 'char' });
  await mkdir(join(folder, 'tokenizer.json'));
  await expect(saveTokenizer(folder, json)).rejects.toThrow('tokenizer.json');
  expect(await readdir(folder)).toEqual(['tokenizer.json']);
});

test('roles come from tokenizer_config.json and special_tokens_map.json', async () => {
  const specialTokens = ['<unk>', '<begin>', '<end>', '<fill>'];
  await put('tokenizer.json', await trainTokenizer(['abc'], { type: 'char', specialTokens }));
  await put('special_tokens_map.json', { bos_token: '<begin>', eos_token: 'other', mask_token: '<absent>' });
  await put('tokenizer_config.json', {
    eos_token: { content: '<end>', lstrip: false },
    pad_token: '<fill>',
    sep_token: null,
  });
  expect((await loadTokenizer(folder)).specialTokens).toEqual({
    bos: { id: 1, content: '<begin>' },
    eos: { id: 2, content: '<end>' },
    pad: { id: 3, content: '<fill>' },
    unk: { id: 0, content: '<unk>' },
  });
});

test("GPT-2's vocab.json and merges.txt are read", async () => {
  const json = await trainTokenizer(['low low lower'], { type: 'bpe', vocabularySize: 300 });
  await put('vocab.json', json.model.vocab);
  await put('merges.txt', `#version: 0.2\n${(json.model['merges'] as string[]).join('\n')}\n`);
  const tokenizer = await loadTokenizer(folder);
  expect(tokenizer.encode('low low<|endoftext|>').ids).toEqual(new Tokenizer(json).encode('low low<|endoftext|>').ids);
  await put('merges.txt', '#version: 0.2\nĠ zz\n');
  await expect(loadTokenizer(folder)).rejects.toThrow('vocab.json: model.merges[0], "Ġ zz", names the token "zz"');
  await put('vocab.json', { 'a</w>': 0 });
  await expect(loadTokenizer(folder)).rejects.toThrow('no byte-level vocabulary as GPT-2 has it');
});

test("BERT's vocab.txt is read, with the options of tokenizer_config.json", async () => {
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'cafe', 'Café', '中', '国', '中国'];
  await put('vocab.txt', tokens.join('\r\n') + '\r\n');
  const words = async (text: string): Promise<string[]> => (await loadTokenizer(folder)).encode(text).tokens;
  expect(await words('Café 中国')).toEqual(['[CLS]', 'cafe', '中', '国', '[SEP]']);
  await put('tokenizer_config.json', { do_lower_case: false, tokenize_chinese_chars: false, pad_token: '[PAD]' });
  expect(await words('Café 中国')).toEqual(['[CLS]', 'Café', '中国', '[SEP]']);
  await put('vocab.txt', '[UNK]\na\na\n');
  await expect(loadTokenizer(folder)).rejects.toThrow('the token "a" stands on two lines');
  await put('vocab.txt', 'some text\n');
  await expect(loadTokenizer(folder)).rejects.toThrow('no unknown token "[UNK]"');
});

test('a folder without a tokenizer, and a path to nothing, are errors', async () => {
  await expect(loadTokenizer(folder)).rejects.toThrow(`${folder}: no tokenizer.json`);
  await expect(loadTokenizer(join(folder, 'none'))).rejects.toThrow('no such file or folder');
});

type Json = Record<string, unknown>;
const bpe = (model: Json, more: Json = {}): Json => ({
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: [], ...model },
  ...more,
});
const nested = (depth: number, list: string): string =>
  `{"type":"Sequence","${list}":[`.repeat(depth) + '{"type":"NFC"}' + ']}'.repeat(depth);

describe('hostile files are clear errors', () => {
  test.each<[string, unknown, RegExp]>([
    ['not JSON', 'hello', /isn't JSON/],
    ['empty', '', /isn't JSON/],
    ['cut off', '{"model": {"type": "BPE", "vocab": {"a": 0', /isn't JSON/],
    ['null', 'null', /it holds null/],
    ['a list', [1, 2], /it holds \[1,2\]/],
    ['a number', '7', /it holds 7/],
    ['another kind of JSON', { architectures: ['GPT2'] }, /no model with a vocabulary/],
    ['model of another kind', { model: 'bpe' }, /no model/],
    ['no vocabulary', bpe({ vocab: undefined }), /model\.vocab is undefined/],
    ['vocabulary a text', bpe({ vocab: 'abc' }), /model\.vocab is "abc"/],
    ['vocabulary a list', bpe({ vocab: ['a'] }), /model\.vocab is a list/],
    ['empty vocabulary', bpe({ vocab: {} }), /no tokens/],
    ['unknown model', bpe({ type: 'Magic' }), /model\.type is "Magic"/],
    ['a kind that the library lacks', bpe({ type: 'WordLevel' }), /WordLevel/],
    ['negative id', bpe({ vocab: { a: -1 } }), /"a" has the id -1/],
    ['broken id', bpe({ vocab: { a: 1.5 } }), /"a" has the id 1\.5/],
    ['huge id', bpe({ vocab: { a: 1e15 } }), /needs a whole number below 2\^24/],
    ['id that is a text', bpe({ vocab: { a: '0' } }), /"a" has the id "0"/],
    ['duplicate id', bpe({ vocab: { a: 3, b: 3 } }), /"a" and "b" have the same id 3/],
    ['merges missing', bpe({ merges: null }), /model\.merges is null/],
    ['merge of one', bpe({ merges: ['a'] }), /merges\[0\] is "a"; needs two tokens/],
    ['merge of three', bpe({ merges: ['a b ab'] }), /needs two tokens/],
    ['merge of numbers', bpe({ merges: [[1, 2]] }), /needs two tokens/],
    ['merge of unknown tokens', bpe({ merges: ['a x'] }), /names the token "x", which the vocabulary lacks/],
    ['merge to an unknown token', bpe({ merges: ['b a'] }), /names the token "ba"/],
    ['unknown token not there', bpe({ unk_token: '<unk>' }), /unk_token is "<unk>"; needs a token/],
    ['unknown token no text', bpe({ unk_token: 5 }), /unk_token is 5/],
    ['WordPiece without unknown token', bpe({ type: 'WordPiece' }), /unk_token is missing/],
    ['Unigram with a wrong unk_id', bpe({ type: 'Unigram', vocab: [['a', 0]], unk_id: 4 }), /unk_id is 4/],
    ['Unigram without scores', bpe({ type: 'Unigram', vocab: ['a'] }), /vocab\[0\] is "a"; needs \[token, score\]/],
    ['added tokens no list', bpe({}, { added_tokens: {} }), /added_tokens is \{\}; needs a list/],
    ['added token null', bpe({}, { added_tokens: [null] }), /added_tokens\[0\] is null/],
    ['added token without content', bpe({}, { added_tokens: [{ id: 3 }] }), /added_tokens\[0\]/],
    [
      'added token without id',
      bpe({}, { added_tokens: [{ content: 'x' }] }),
      /added_tokens: the token "x" has the id undefined/,
    ],
    [
      'added token with a taken id',
      bpe({}, { added_tokens: [{ id: 0, content: 'x' }] }),
      /"a" and "x" have the same id 0/,
    ],
    ['added token with two ids', bpe({}, { added_tokens: [{ id: 5, content: 'a' }] }), /"a" has the id 5, and 0/],
    [
      'added token with a wrong flag',
      bpe({}, { added_tokens: [{ id: 5, content: 'x', lstrip: 'yes' }] }),
      /lstrip is "yes"/,
    ],
    ['unknown normalizer', bpe({}, { normalizer: { type: 'Magic' } }), /Unknown Normalizer type: Magic/],
    ['normalizer a text', bpe({}, { normalizer: 'NFC' }), /normalizer is "NFC"/],
    ['unknown pre-tokenizer', bpe({}, { pre_tokenizer: { type: 'Magic' } }), /Unknown PreTokenizer type: Magic/],
    ['unknown post-processor', bpe({}, { post_processor: { type: 'Magic' } }), /Unknown PostProcessor type: Magic/],
    ['unknown decoder', bpe({}, { decoder: { type: 'Magic' } }), /Unknown Decoder type: Magic/],
    ['no pattern', bpe({}, { pre_tokenizer: { type: 'Split' } }), /Split has the pattern undefined/],
    [
      'template without texts',
      bpe({}, { post_processor: { type: 'TemplateProcessing' } }),
      /post_processor is incomplete/,
    ],
    [
      'template of an unknown token',
      bpe({}, { post_processor: { type: 'BertProcessing', sep: ['x', 7], cls: ['a', 0] } }),
      /post_processor names "x", which the vocabulary lacks/,
    ],
    [
      'invalid pattern',
      bpe({}, { pre_tokenizer: { type: 'Split', pattern: { Regex: '(' } } }),
      /[Ii]nvalid regular expression/,
    ],
  ])('%s', async (_, value, message) => {
    await put('tokenizer.json', value);
    const failure = loadTokenizer(folder);
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toThrow(join(folder, 'tokenizer.json'));
  });

  test('nested a hundred thousand deep', async () => {
    for (const [step, list] of [
      ['normalizer', 'normalizers'],
      ['pre_tokenizer', 'pretokenizers'],
      ['decoder', 'decoders'],
    ] as const) {
      await put(
        'tokenizer.json',
        JSON.stringify(bpe({}, { [step]: 0 })).replace(`"${step}":0`, `"${step}":${nested(1e5, list)}`),
      );
      await expect(loadTokenizer(folder)).rejects.toThrow(/nested too deeply|isn't JSON/);
    }
  });

  test('a configuration that is none', async () => {
    await put('tokenizer.json', bpe({}));
    await put('tokenizer_config.json', '[]');
    await expect(loadTokenizer(folder)).rejects.toThrow('tokenizer_config.json: it holds a list; needs an object');
    await put('tokenizer_config.json', '{');
    await expect(loadTokenizer(folder)).rejects.toThrow("tokenizer_config.json: it isn't JSON");
    await put('tokenizer_config.json', { additional_special_tokens: [null, 7, 'a'], eos_token: 9 });
    expect((await loadTokenizer(folder)).decode([0, 1])).toBe('b');
  });
});

test('a file of an early version, which does not name the kind of its model, is a tokenizer', async () => {
  const json = await trainTokenizer(['low low lower'], { type: 'bpe', vocabularySize: 300 });
  const { type: _, ...model } = json.model;
  const early = new Tokenizer({ ...json, model: { ...model, continuing_subword_prefix: '', end_of_word_suffix: '' } });
  expect(early.encode('a low lower').tokens).toEqual(['a', 'Ġlow', 'Ġlow', 'e', 'r']);
  const pieces = { type: 'WordPiece', unk_token: '[UNK]', vocab: { '[UNK]': 0, a: 1, '##b': 2 } };
  expect(new Tokenizer(bpe(pieces)).encode('ab').ids).toEqual([1, 2]);
});

test('a file without optional parts is a tokenizer', () => {
  const tokenizer = new Tokenizer({ model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']] } });
  expect(tokenizer.encode('aba').ids).toEqual([2, 0]);
});

test('ids outside the vocabulary are errors of decoding', () => {
  const tokenizer = new Tokenizer(bpe({ vocab: { a: 0, c: 5 } }));
  expect(tokenizer.vocabularySize).toBe(6);
  for (const id of [-1, 1, 6, 0.5, NaN]) {
    expect(() => tokenizer.decode([0, id])).toThrow(`decode: the id ${id} is outside the vocabulary of 6`);
    expect(() => tokenizer.decodeStream().push(id)).toThrow('outside the vocabulary');
  }
  expect(tokenizer.decode([])).toBe('');
});

test('the configuration for a vocabulary names the roles of its tokens', async () => {
  const json = await trainTokenizer(['abc'], { type: 'char', specialTokens: ['<unk>', '<s>', '</s>', '<pad>', '<x>'] });
  expect(tokenizerConfig(json)).toEqual({
    unk_token: '<unk>',
    bos_token: '<s>',
    eos_token: '</s>',
    pad_token: '<pad>',
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
  });
});

test('the model that ships keeps its ids', async () => {
  const path = new URL('../../../models/shakespeare/tokenizer.json', import.meta.url);
  const json = JSON.parse(await readFile(path, 'utf8')) as Json;
  const { vocab } = json['model'] as { vocab: Record<string, number> };
  const tokenizer = new Tokenizer(json);
  const text = 'O Romeo , 3\n!';
  expect(tokenizer.encode(text).ids).toEqual([...text].map((char) => vocab[char]));
  expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
});
