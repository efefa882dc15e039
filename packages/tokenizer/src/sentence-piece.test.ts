// Folders with SentencePiece's file alone give the ids that Google's library gives.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { loadTokenizer } from './load-tokenizer.ts';
import { llamaLike, unigramLike, writeSentencePiece } from './sentence-piece.fixture.ts';
import { readSentencePiece, type Piece } from './sentence-piece.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-pieces-'));
afterAll(() => rmSync(root, { recursive: true }));
let serial = 0;
let folder = '';
beforeEach(() => {
  folder = join(root, String(serial++));
  mkdirSync(folder);
});
const put = (files: Readonly<Record<string, Uint8Array | string | object>>): void => {
  for (const [name, content] of Object.entries(files)) {
    const isRaw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(join(folder, name), isRaw ? content : JSON.stringify(content));
  }
};
const plain = { addSpecialTokens: false };

test('a model is read as it was written', () => {
  const model = readSentencePiece(writeSentencePiece({ ...llamaLike, charsmap: Uint8Array.of(1, 200, 3) }));
  expect(model.pieces).toEqual(llamaLike.pieces);
  expect({ ...model, pieces: null, charsmap: [...model.charsmap] }).toEqual({
    ...{ pieces: null, type: 'bpe', byteFallback: true, unknownId: 0, bosId: 1, eosId: 2, padId: -1 },
    ...{ charsmap: [1, 200, 3], addsDummyPrefix: true, removesExtraSpaces: false, escapesSpaces: true },
  });
});

// Ids of python's sentencepiece 0.2: SentencePieceProcessor(model_file=…).encode(text) of the bytes that the test writes.
describe('BPE with bytes, as Llama’s tokenizer.model', () => {
  beforeEach(() => put({ 'tokenizer.model': writeSentencePiece(llamaLike) }));

  test.each<[string, number[]]>([
    ['the and abc', [261, 265, 271, 269]],
    ['then  he', [261, 275, 271, 267]],
    ['  the  house', [270, 261, 270, 273, 114, 120, 118, 274]],
    ['é 日', [271, 198, 172, 271, 233, 154, 168]],
    ['abcabc thth', [271, 269, 269, 260, 259]],
    ['', []],
    ['a   the', [271, 276, 270, 261]],
    ['thé house', [260, 198, 172, 271, 273, 114, 120, 118, 274]],
  ])('%s', async (text, ids) => {
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.encode(text, plain).ids).toEqual(ids);
    expect(tokenizer.encode(text).ids).toEqual([1, ...ids]);
    expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
  });

  test('begins and ends texts as tokenizer_config.json says', async () => {
    put({ 'tokenizer_config.json': { tokenizer_class: 'LlamaTokenizer', add_bos_token: false, add_eos_token: true } });
    expect((await loadTokenizer(folder)).encode('the and').ids).toEqual([261, 265, 2]);
  });
});

describe('unigram, as T5’s spiece.model', () => {
  beforeEach(() => {
    put({
      'spiece.model': writeSentencePiece(unigramLike),
      'tokenizer_config.json': { tokenizer_class: 'T5Tokenizer', extra_ids: 2 },
    });
  });

  test.each<[string, number[]]>([
    ['the and abc', [2, 3, 1, 3, 1]],
    ['then  he', [2, 1, 8, 11, 12]],
    ['  the  house', [2, 4]],
    ['é 日', [8, 1, 8, 1]],
    ['abcabc thth', [3, 1, 13, 1, 8, 10, 11, 10, 11]],
    ['', []],
    ['the a houses', [2, 3, 4, 9]],
    ['hous usehouse', [6, 16, 9, 8, 7, 5]],
    ['a   the', [3, 2]],
    ['thé house', [8, 10, 11, 1, 4]],
  ])('%s', async (text, ids) => {
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.encode(text, plain).ids).toEqual(ids);
    expect(tokenizer.encode(text).ids).toEqual([...ids, 0]);
  });

  test('the marks for hidden parts count down from the end', async () => {
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.vocabularySize).toBe(20);
    expect(tokenizer.encode('a<extra_id_0> the<extra_id_1>').ids).toEqual([3, 19, 2, 18, 0]);
    expect(tokenizer.decode([3, 19, 2, 0])).toBe('a the');
  });
});

test('Marian: pieces of source.spm with the ids of vocab.json', async () => {
  const pieces = unigramLike.pieces.map(({ piece }) => piece).filter((piece) => !['</s>', '<unk>'].includes(piece));
  const tokens = ['</s>', '<unk>', '>>de<<', ...pieces.toReversed(), '▁das', '▁Haus', '<pad>'];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  put({
    'source.spm': writeSentencePiece(unigramLike),
    'target.spm': writeSentencePiece(unigramLike),
    'vocab.json': vocab,
    'tokenizer_config.json': { source_lang: 'en', target_lang: 'de' },
  });
  const tokenizer = await loadTokenizer(folder);
  const ids = (...of: string[]): number[] => of.map((token) => vocab[token]!);
  expect(tokenizer.encode('the a houses').ids).toEqual(ids('▁the', '▁a', '▁house', 's', '</s>'));
  expect(tokenizer.encode('>>de<< the').ids).toEqual(ids('>>de<<', '▁the', '</s>'));
  expect(tokenizer.encode('thé').ids).toEqual(ids('▁', 't', 'h', '<unk>', '</s>'));
  expect(tokenizer.decode(ids('▁das', '▁Haus', '</s>'))).toBe('das Haus');
  put({ 'tokenizer_config.json': { separate_vocabs: true } });
  await expect(loadTokenizer(folder)).rejects.toThrow('source.spm: separate_vocabs is true');
  put({ 'tokenizer_config.json': {}, 'vocab.json': { '</s>': 0, '<unk>': 0 } });
  await expect(loadTokenizer(folder)).rejects.toThrow(
    'vocab.json: the token "<unk>" has the id 0; needs one of its own',
  );
});

describe('fairseq’s, with special tokens of its own before the pieces', () => {
  // As in the sentencepiece.bpe.model of these models: <unk>, <s>, </s>, then pieces.
  const [, , ...words] = unigramLike.pieces;
  const control = (piece: string): Piece => ({ piece, score: 0, kind: 'control' });
  const pieces = [{ piece: '<unk>', score: 0, kind: 'unknown' as const }, control('<s>'), control('</s>'), ...words];
  const model = writeSentencePiece({ ...unigramLike, pieces, ids: [0, 1, 2, -1] });
  const at = (piece: string): number => pieces.findIndex((one) => one.piece === piece);

  // Ids of transformers' XLMRobertaTokenizer: a piece's place and 1; unknown is 3.
  test('XLM-RoBERTa', async () => {
    put({ 'sentencepiece.bpe.model': model, 'config.json': { model_type: 'xlm-roberta' } });
    const tokenizer = await loadTokenizer(folder);
    const ids = [at('▁the') + 1, at('▁house') + 1];
    expect(tokenizer.encode('the house').ids).toEqual([0, ...ids, 2]);
    expect(tokenizer.encode('the', { textPair: 'house' }).ids).toEqual([0, ids[0], 2, 2, ids[1], 2]);
    expect(tokenizer.encode('é').ids).toEqual([0, at('▁') + 1, 3, 2]);
    expect(tokenizer.tokenToId('<mask>')).toBe(pieces.length + 1);
    expect(tokenizer.encode('the <mask>').ids).toEqual([0, ids[0], pieces.length + 1, 2]);
  });

  // CamembertTokenizer: a piece's place and 4; <s> is 5 and </s> is 6.
  test('CamemBERT', async () => {
    put({
      'sentencepiece.bpe.model': model,
      'tokenizer_config.json': { tokenizer_class: 'CamembertTokenizer' },
    });
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.encode('the é').ids).toEqual([5, at('▁the') + 4, at('▁') + 4, 3, 6]);
    expect(tokenizer.tokenToId('<mask>')).toBe(pieces.length + 4);
  });
});

describe('refused', () => {
  const good = writeSentencePiece(unigramLike);
  test.each<[string, Uint8Array, string]>([
    ['a text', Buffer.from('hello, this is text'), 'spiece.model: it is no SentencePiece model'],
    ['nothing', new Uint8Array(), 'spiece.model: it is no SentencePiece model: it has no pieces'],
    ['a file cut short', good.subarray(0, 100), 'it is no SentencePiece model, or was cut short'],
    ['words', writeSentencePiece({ ...llamaLike, type: 'word' }), "isn't known; save the tokenizer with"],
    ['an unknown id that isn’t there', writeSentencePiece({ ...unigramLike, ids: [99, -1, 0, -1] }), ''],
  ])('%s', async (name, bytes, message) => {
    put({ 'spiece.model': bytes });
    if (message) return await expect(loadTokenizer(folder)).rejects.toThrow(message);
    put({ 'tokenizer_config.json': { tokenizer_class: 'T5Tokenizer' } });
    await expect(loadTokenizer(folder), name).rejects.toThrow('its unk_id is 99; needs the place of one of its 18');
  });

  test('a tokenizer whose habits aren’t known, with what to do', async () => {
    put({ 'spiece.model': good, 'tokenizer_config.json': { tokenizer_class: 'XLNetTokenizer' } });
    await expect(loadTokenizer(folder)).rejects.toThrow(
      /spiece\.model: what stands around a text for "XLNetTokenizer" isn't known; save the tokenizer with a tokenizer\.json: python3/,
    );
  });
});

const shared = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
describe.skipIf(!existsSync(join(shared, 'tok_t5')))('T5’s own file (needs ../shared)', () => {
  test('gives the ids of the tokenizer.json beside it, on every kind of text', async () => {
    copyFileSync(join(shared, 'tok_t5', 'spiece.model'), join(folder, 'spiece.model'));
    const pieces = await loadTokenizer(folder);
    const json = await loadTokenizer(join(shared, 'tok_t5'));
    expect(pieces.vocabularySize).toBe(json.vocabularySize);
    const texts = [
      '',
      '  two  spaces ',
      'tab\there\nline',
      'ﬁne Ａｂｃ ½ ™',
      'naïve e\u0301',
      '日本語',
      '😀 x',
      'a\u00a0b\u200bc',
    ];
    texts.push('a<extra_id_0>b <extra_id_99>', '</s> x <pad>', '▁under', 'ｶﾞ 한국어 ﷺ');
    for (const name of ['tinyshakespeare', 'wikitext2', 'multi30k', 'xquad']) {
      const at = join(shared, name);
      if (!existsSync(at)) continue;
      for (const file of readdirSync(at)
        .filter((one) => /\.(txt|en|de|json|raw|tokens)$/.test(one))
        .slice(0, 2))
        texts.push(...readFileSync(join(at, file), 'utf8').slice(0, 60_000).split('\n'));
    }
    expect(texts.length).toBeGreaterThan(300);
    texts.forEach((text, i) => {
      const { ids, tokens, offsets } = pieces.encode(text);
      expect(ids).toEqual(json.encode(text).ids);
      if (i % 20 && i > 20) return;
      // What is placed in the text is what the ids are.
      expect(tokens.map((token) => pieces.tokenToId(token) ?? 2)).toEqual(ids);
      expect(offsets.every(([start, end]) => start <= end && end <= text.length)).toBe(true);
    });
  });

  test('is not cut or padded, though its tokenizer.json has that switched on', async () => {
    for (const name of ['tok_t5', 'tok_bert_uncased']) {
      const tokenizer = await loadTokenizer(join(shared, name));
      expect(tokenizer.json['truncation']).not.toBe(null);
      expect(tokenizer.encode('one two three four '.repeat(200)).ids.length).toBeGreaterThan(800);
      expect(tokenizer.encode('one').ids.length).toBeLessThan(5);
    }
  });
});
