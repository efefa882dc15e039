// Blanks: where they are, the words that models put there, and how likely the right one is, beside the scorer's numbers.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tokenizer, trainTokenizer, tokenizerConfig } from '@brickwork/tokenizer';
import { AutoModel } from '../../pretrained.ts';
import type { Model } from '../../model.ts';
import { fillMask } from '../../tasks/fill-mask.ts';
import { Scorer } from '../scorer.ts';
import { lastWord, splitBlank } from './blank.ts';
import { cloze, clozeItem, clozeReport, type ClozeResult } from './cloze.ts';
import { guessWord } from './guess-word.ts';
import { nextWords } from './next-words.ts';
import { continuesWord, pieceTexts } from './word-pieces.ts';

const folder = (name: string): string => fileURLToPath(new URL(`../../../../../models/${name}`, import.meta.url));
const compile = { threads: 1 };
let gpt: Scorer;
let encoder: Model;
let pieces: Tokenizer;
beforeAll(async () => {
  gpt = await Scorer.load(folder('shakespeare'), { compile });
  encoder = await AutoModel.fromPretrained(folder('encoder'), { compile });
  pieces = await encoder.tokenizer();
});
afterAll(async () => {
  await gpt.dispose();
  await encoder.dispose();
});
const all = async (results: AsyncIterable<ClozeResult>): Promise<ClozeResult[]> => {
  const list: ClozeResult[] = [];
  for await (const one of results) list.push(one);
  return list;
};

describe('a blank', () => {
  test('is ___, a mask, or dots at the end', () => {
    expect(splitBlank('I can ___ a can.')).toEqual({ before: 'I can ', after: ' a can.' });
    expect(splitBlank('It was a [MASK] day.')).toEqual({ before: 'It was a ', after: ' day.' });
    expect(splitBlank('Wait … the city of …')).toEqual({ before: 'Wait … the city of ', after: '' });
    expect(splitBlank('the city of...')).toEqual({ before: 'the city of ', after: '' });
    expect(splitBlank('a _____.')).toEqual({ before: 'a ', after: '.' });
  });

  test('has to be there, once', () => {
    expect(() => splitBlank('none')).toThrow('put ___ where the word is missing');
    expect(() => splitBlank('___ and ___')).toThrow('2 blanks');
  });

  test('without one, the last word is asked for', () => {
    expect(lastWord('We went to the\npark ')).toEqual({ before: 'We went to the', word: 'park' });
    expect(() => lastWord('word')).toThrow('no last word after others');
    expect(clozeItem({ text: 'We went to the park' })).toEqual({
      before: 'We went to the ',
      after: '',
      answer: 'park',
    });
    expect(clozeItem({ question: 'Rome lies in ___.', answer: 'Italy' })).toEqual({
      ...{ before: 'Rome lies in ', after: '.', answer: 'Italy' },
    });
    expect(() => clozeItem({ answer: 'x' })).toThrow('text is missing');
    expect(() => clozeItem({ text: 'a ___', answer: 3 })).toThrow('answer is 3');
    expect(() => clozeItem({ text: 'no blank', answer: 'x' })).toThrow('no ___');
  });
});

test('pieces have the space that stands before them, and nothing for special tokens', async () => {
  expect(pieceTexts(pieces)[pieces.tokenToId('the')!]).toBe(' the');
  expect(pieceTexts(pieces)[pieces.tokenToId('##ing')!]).toBe('ing');
  expect(pieceTexts(pieces)[pieces.tokenToId('[MASK]')!]).toBe('');
  const json = await trainTokenizer(['the cat sat on the mat the cat'], { type: 'bpe', vocabularySize: 270 });
  const bytes = new Tokenizer(json, tokenizerConfig(json));
  const { ids } = bytes.encode('a the');
  expect(pieceTexts(bytes)[ids.at(-1)!]).toBe(bytes.decode([ids.at(-1)!]));
});

describe('a causal model', () => {
  test('finds whole words, with the probability that they come and end there', async () => {
    const text = 'What is the';
    const decoder = gpt.model.decoder();
    const words = await nextWords(decoder, gpt.tokenizer, text, { topK: 6 });
    await decoder.dispose();
    expect(words).toHaveLength(6);
    expect(words.map(({ probability }) => probability)).toEqual(
      words.map(({ probability }) => probability).toSorted((a, b) => b - a),
    );
    const ends = pieceTexts(gpt.tokenizer).filter((piece) => piece && !continuesWord(piece));
    for (const { word, probability } of words) {
      const scored = await gpt.score(ends.map((end) => ({ context: text, text: ` ${word}${end}` })));
      expect(scored.reduce((sum, { logProb }) => sum + Math.exp(logProb), 0)).toBeCloseTo(probability, 5);
    }
  });

  test('scores answers as the scorer does, whatever stands beside them', async () => {
    const rows = [
      { text: 'What is the ___', answer: 'matter' },
      { text: 'I know ___', answer: 'not' },
      { text: 'ROMEO:\nO, speak again, bright ___', answer: 'angel' },
    ];
    const results = await all(cloze(gpt.model, gpt.tokenizer, rows.map(clozeItem), { topK: 0 }));
    const expected = await gpt.score([
      { context: 'What is the', text: ' matter' },
      { context: 'I know', text: ' not' },
      { context: 'ROMEO:\nO, speak again, bright', text: ' angel' },
    ]);
    results.forEach(({ answer, words }, i) => {
      expect(answer!.logProb).toBeCloseTo(expected[i]!.logProb, 4);
      expect(answer!.tokens).toBe(expected[i]!.count);
      expect(words).toEqual([]);
    });
    const report = clozeReport(results);
    expect(report.perplexity).toBeCloseTo(Math.exp(-expected.reduce((sum, s) => sum + s.logProb, 0) / 3), 2);
    expect(report.found).toBe(null);
  });

  test('is right where each token of the answer is the likeliest', async () => {
    // Greedy decoding, letter by letter.
    const decoder = gpt.model.decoder();
    const [best] = await nextWords(decoder, gpt.tokenizer, 'I pray you, good my', { topK: 1 });
    await decoder.dispose();
    const items = [best!.word, 'xylophone'].map((answer) => clozeItem({ text: 'I pray you, good my ___', answer }));
    const [first, second] = await all(cloze(gpt.model, gpt.tokenizer, items, { topK: 3 }));
    expect([first!.answer!.rank, second!.answer!.rank]).toEqual([1, null]);
    expect(first!.answer!.firstTokenRank).toBe(1);
    expect(second!.answer!.isGreedy).toBe(false);
    expect(clozeReport([first!, second!]).first?.value).toBe(0.5);
  });

  test('guesses a word by the whole text', async () => {
    const candidates = ['king', 'zq', 'the'];
    const guesses = await guessWord(gpt.model, gpt.tokenizer, 'Long live the ___!', { candidates });
    const scored = await gpt.score(candidates.map((word) => `Long live the ${word}!`));
    expect(guesses.map(({ word }) => word)[0]).toBe('king');
    expect(guesses.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9);
    for (const { word, logProb, text } of guesses) {
      expect(logProb).toBeCloseTo(scored[candidates.indexOf(word)]!.logProb, 5);
      expect(text).toBe(`Long live the ${word}!`);
    }
    const thought = await guessWord(gpt.model, gpt.tokenizer, 'To be, or ___ to be', { topK: 3 });
    expect(thought).toHaveLength(3);
    expect(thought[0]!.logProb).toBeGreaterThanOrEqual(thought[1]!.logProb);
  });
});

describe('a masked model', () => {
  const text = 'She opened the ___ and went in.';

  test('gives words of one piece the probabilities of fill-mask', async () => {
    const [result] = await all(cloze(encoder, pieces, [clozeItem({ text, answer: 'door' })], { mostPieces: 1 }));
    const [places] = await fillMask(encoder, pieces, text.replace('___', '[MASK]'), { topK: 50 });
    const expected = places!.filter(({ tokenText }) => /^[a-z0-9]/.test(tokenText));
    result!.words.forEach(({ word, probability }, i) => {
      expect(word).toBe(expected[i]!.tokenText);
      expect(probability).toBeCloseTo(expected[i]!.score, 5);
    });
    const door = places!.findIndex(({ tokenText }) => tokenText === 'door');
    expect(door).toBeGreaterThanOrEqual(0);
    expect(result!.answer!.firstTokenRank).toBe(door + 1);
    expect(Math.exp(result!.answer!.logProb)).toBeCloseTo(places![door]!.score, 5);
  });

  test('scores a word of several pieces from left to right, the rest of it hidden', async () => {
    const word = 'portcullis';
    const { ids } = pieces.encode(word, { addSpecialTokens: false });
    expect(ids.length).toBeGreaterThan(1);
    const [result] = await all(cloze(encoder, pieces, [clozeItem({ text, answer: word })], { topK: 0 }));
    const scorer = new Scorer(encoder, pieces);
    const [scored] = await scorer.score([text.replace('___', word)], { pll: 'word_l2r' });
    const own = scored!.tokens.filter(({ start, end }) => start >= 15 && end <= 15 + word.length);
    expect(own).toHaveLength(ids.length);
    expect(result!.answer!.logProb).toBeCloseTo(
      own.reduce((sum, { logProb }) => sum + logProb!, 0),
      4,
    );
    expect(result!.answer!.tokens).toBe(ids.length);
  });

  test('begins words with pieces that begin words, and inside a word has no space', async () => {
    const [result] = await all(cloze(encoder, pieces, [clozeItem({ text: 'He was walk___.' })], { topK: 40 }));
    const inside = new Set(result!.words.map(({ word }) => word));
    expect(inside.size).toBe(40);
    for (const word of inside) expect(word).not.toContain('##');
    const [own] = await gpt.score(['I am unhappy']);
    const [guess] = await guessWord(gpt.model, gpt.tokenizer, 'I am un___', { candidates: ['happy'] });
    expect([guess!.text, guess!.logProb]).toEqual(['I am unhappy', expect.closeTo(own!.logProb, 4)]);
    const item = clozeItem({ text: 'I am un___', answer: 'happy' });
    const [inner] = await all(cloze(gpt.model, gpt.tokenizer, [item], { topK: 3 }));
    const [scored] = await gpt.score([{ context: 'I am un', text: 'happy' }]);
    expect(inner!.answer!.logProb).toBeCloseTo(scored!.logProb, 4);
    expect(inner!.words.length).toBeGreaterThan(0);
  });

  test('guesses among candidates, and by itself', async () => {
    const [best] = await guessWord(encoder, pieces, text, { candidates: ['door', 'theology'] });
    expect([best!.word, best!.text]).toEqual(['door', 'She opened the door and went in.']);
    expect(await guessWord(encoder, pieces, text, { topK: 2, mostPieces: 2 })).toHaveLength(2);
  });
});

test('an encoder-decoder writes the word for T5’s blank', async () => {
  const json = await trainTokenizer(['the cat sat on the mat. a dog ran. '.repeat(9)], {
    ...{ type: 'bpe', vocabularySize: 290, specialTokens: ['<pad>', '</s>', '<extra_id_0>', '<extra_id_1>'] },
  });
  const tokenizer = new Tokenizer(json, tokenizerConfig(json));
  const sizes = { d_model: 16, d_kv: 8, d_ff: 32, num_layers: 1, num_heads: 2 };
  const ids = { decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1 };
  const config = { model_type: 't5', vocab_size: tokenizer.vocabularySize, ...sizes, ...ids };
  const model = AutoModel.fromConfig(config, { class: 'T5ForConditionalGeneration', seed: 3, compile });
  const candidates = ['cat', 'dog'];
  const guesses = await guessWord(model, tokenizer, 'the ___ sat.', { candidates });
  const scored = await new Scorer(model, tokenizer).score(
    candidates.map((word) => ({ context: 'the <extra_id_0> sat.', text: `<extra_id_0> ${word}<extra_id_1>` })),
    { end: false },
  );
  for (const { word, logProb } of guesses) expect(logProb).toBeCloseTo(scored[candidates.indexOf(word)]!.logProb, 5);
  await expect(all(cloze(model, tokenizer, [clozeItem({ text: 'a ___' })]))).rejects.toThrow('guessWord');
  const thought = await guessWord(model, tokenizer, 'the ___ sat.', { topK: 3 });
  expect(thought.length).toBeGreaterThan(0);
  expect(thought[0]!.text).toBe(`the ${thought[0]!.word} sat.`);
  await model.dispose();
});

test('an encoder-decoder with a mask writes the text again, with the word', async () => {
  const json = await trainTokenizer(['the cat sat on the mat. a dog ran. '.repeat(9)], {
    ...{ type: 'bpe', vocabularySize: 290, specialTokens: ['<s>', '<pad>', '</s>', '<mask>'] },
  });
  const tokenizer = new Tokenizer(json, tokenizerConfig(json));
  const layers = { encoder_layers: 1, decoder_layers: 1, encoder_attention_heads: 2, decoder_attention_heads: 2 };
  const sizes = { d_model: 16, encoder_ffn_dim: 32, decoder_ffn_dim: 32, max_position_embeddings: 64 };
  const ids = { decoder_start_token_id: 2, pad_token_id: 1, eos_token_id: 2, bos_token_id: 0 };
  const config = { model_type: 'bart', vocab_size: tokenizer.vocabularySize, ...layers, ...sizes, ...ids };
  const model = AutoModel.fromConfig(config, { class: 'BartForConditionalGeneration', seed: 3, compile });
  const candidates = ['cat', 'dog'];
  const guesses = await guessWord(model, tokenizer, 'the ___ sat.', { candidates });
  const scored = await new Scorer(model, tokenizer).score(
    candidates.map((word) => ({ context: 'the <mask> sat.', text: `the ${word} sat.` })),
    { end: true },
  );
  for (const { word, logProb } of guesses) expect(logProb).toBeCloseTo(scored[candidates.indexOf(word)]!.logProb, 5);
  // It has learned nothing, and so doesn't write the text again.
  await expect(guessWord(model, tokenizer, 'the ___ sat.')).rejects.toThrow('give candidates');
  await model.dispose();
});

test('what can’t be guessed is said', async () => {
  const guess = (text: string, o = {}): Promise<unknown> => guessWord(gpt.model, gpt.tokenizer, text, o);
  await expect(guess('no blank')).rejects.toThrow('put ___');
  await expect(guess('a ___', { candidates: [] })).rejects.toThrow('empty list');
  await expect(guess('a ___', { candidates: [' '] })).rejects.toThrow('candidate 0 is " "');
  await expect(guess('a ___', { topK: 0 })).rejects.toThrow('topK is 0');
  await expect(guess('a ___', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  await expect(all(cloze(gpt.model, gpt.tokenizer, [], { topK: -1 }))).rejects.toThrow('topK is -1');
  expect(() => clozeReport([])).toThrow('no answers are known');
  // No token begins this model's texts.
  await expect(all(cloze(gpt.model, gpt.tokenizer, [clozeItem({ text: '___', answer: 'a' })]))).rejects.toThrow(
    'nothing stands before the blank',
  );
});
