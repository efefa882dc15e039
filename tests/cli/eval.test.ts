// lm eval: the scores of each task, beside the same computed by the library from what the model gives.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveTokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import { accuracy, bleu, chrf, exactMatch, wordF1 } from '../../packages/training/src/index.ts';
import { AutoModel, collect, generateFrom, loadModel, seq2seqDecoder } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-eval-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const jsonl = (name: string, rows: readonly object[]): string => {
  writeFileSync(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return at(name);
};
const one = (stdout: string): Record<string, number> => jsonLines(stdout)[0] as unknown as Record<string, number>;
const spam = fileURLToPath(new URL('../../models/spam', import.meta.url));
const corpus = 'the cat sat on the mat. a happy dog ate the cake. rain in paris. '.repeat(20);

beforeAll(async () => {
  const piece = await trainTokenizer([corpus], { type: 'wordpiece', vocabularySize: 90 });
  const bytes = await trainTokenizer([corpus], { type: 'bpe', vocabularySize: 290, specialTokens: ['<pad>', '</s>'] });
  const make = async (name: string, config: Record<string, unknown>, json: object): Promise<void> => {
    await AutoModel.fromConfig(config, { seed: 2 }).save(at(name));
    await saveTokenizer(at(name), json as Record<string, unknown>);
  };
  const sizes = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
  const bert = { model_type: 'bert', vocab_size: 90, max_position_embeddings: 64, ...sizes };
  await make('qa', { ...bert, architectures: ['BertForQuestionAnswering'] }, piece);
  const tags = { 0: 'O', 1: 'B-X', 2: 'I-X' };
  const classes = { id2label: tags, label2id: { O: 0, 'B-X': 1, 'I-X': 2 } };
  await make('tags', { ...bert, ...classes, architectures: ['BertForTokenClassification'] }, piece);
  const gpt = { model_type: 'gpt2', vocab_size: 290, n_positions: 64, n_embd: 16, n_layer: 1, n_head: 2 };
  await make('gpt', { ...gpt, architectures: ['GPT2LMHeadModel'], eos_token_id: 1 }, bytes);
  const t5 = { model_type: 't5', vocab_size: 290, d_model: 16, d_kv: 8, d_ff: 32, num_layers: 1, num_heads: 2 };
  await make('t5', { ...t5, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1 }, bytes);
}, 30_000);

describe('classification', () => {
  const rows = [
    ['ham', 'are we still meeting for lunch today?'],
    ['spam', 'WINNER!! You have won a £1000 prize. Call 09061701461 now to claim'],
    ['ham', 'ok see you later'],
    ['spam', 'FREE entry in a weekly competition, text WIN to 80086 now!'],
    ['spam', 'see you at home tonight'],
  ];

  test('scores by class, every prediction, and a picture of what was taken for what', async () => {
    const data = jsonl(
      'spam.jsonl',
      rows.map(([label, text]) => ({ label, text })),
    );
    const flags = ['eval', '-m', spam, '-d', data, '--top-k', '2', '--positive-label', 'spam', '--threads', '1'];
    const { code, stdout } = await lm([
      ...[...flags, '--json', '--predictions', at('p.jsonl'), '--confusion-matrix', at('matrix.png')],
    ]);
    expect(code).toBe(0);
    const predictions = readFileSync(at('p.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { predicted: string; expected: string });
    expect(predictions.map(({ expected }) => expected)).toEqual(rows.map(([label]) => label));
    const right = predictions.filter(({ predicted, expected }) => predicted === expected);
    const scores = one(stdout);
    expect(scores['accuracy']).toBe(
      accuracy(
        predictions.map((p) => p.predicted),
        rows.map(([label]) => label),
      ),
    );
    expect(scores['top_2_accuracy']).toBe(1);
    const found = predictions.filter(({ predicted }) => predicted === 'spam').length;
    const hits = right.filter(({ predicted }) => predicted === 'spam').length;
    expect(scores['f1']).toBeCloseTo((2 * hits) / (found + 3), 12);
    const { classes } = scores as unknown as { classes: Record<string, { support: number }> };
    expect([classes['ham']!.support, classes['spam']!.support]).toEqual([2, 3]);
    expect([...readFileSync(at('matrix.png')).subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
    const table = await lm(flags);
    expect(table.stdout).toMatch(/class +precision +recall +F1 +examples\nham /);
  });

  test('what can’t be shown is refused', async () => {
    const data = jsonl('one.jsonl', [{ label: 'ham', text: 'hi' }]);
    const wrong = await lm(['eval', '-m', spam, '-d', data, '--confusion-matrix', at('x.jpg')]);
    expect([wrong.code, wrong.stderr.includes('.svg or .png')]).toEqual([2, true]);
    const label = await lm(['eval', '-m', spam, '-d', data, '--positive-label', 'eggs']);
    expect([label.code, label.stderr.includes('the classes are ham, spam')]).toEqual([2, true]);
    expect(existsSync(at('x.jpg'))).toBe(false);
  });
});

test('tags of spans are scored as spans', async () => {
  const rows = [
    { tokens: ['the', 'cat', 'sat'], ner_tags: ['B-X', 'I-X', 'O'] },
    { tokens: ['rain', 'in', 'paris'], ner_tags: ['O', 'O', 'B-X'] },
  ];
  const { code, stdout, stderr } = await lm([
    ...['eval', '-m', at('tags'), '-T', 'tokens', '-d', jsonl('tags.jsonl', rows), '--json', '--threads', '1'],
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(Object.keys(one(stdout))).toEqual(expect.arrayContaining(['entity_f1', 'entity_recall', 'accuracy']));
  expect(Object.keys(one(stdout)['classes']!)).toEqual(['X']);
});

test('answers are scored by their texts', async () => {
  const rows = [
    {
      question: 'where did the cat sit?',
      context: 'the cat sat on the mat.',
      answers: { text: ['the mat'], answer_start: [15] },
    },
    { question: 'who ate?', context: 'a happy dog ate the cake.', answers: { text: ['dog'], answer_start: [8] } },
  ];
  const { code, stdout } = await lm([
    ...['eval', '-m', at('qa'), '-T', 'qa', '-d', jsonl('qa.jsonl', rows), '--json', '--threads', '1'],
    ...['--predictions', at('answers.jsonl')],
  ]);
  expect(code).toBe(0);
  const predicted = readFileSync(at('answers.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { predicted: string; expected: string[] });
  expect(predicted.map((p) => p.expected)).toEqual([['the mat'], ['dog']]);
  const mean = (f: (a: string, b: readonly string[]) => number): number =>
    predicted.reduce((sum, p) => sum + f(p.predicted, p.expected), 0) / 2;
  expect(one(stdout)['exact_match']).toBeCloseTo(mean(exactMatch), 12);
  expect(one(stdout)['f1']).toBeCloseTo(mean(wordF1), 12);
});

test('translations are written and scored; --no-generate gives the loss alone', async () => {
  const rows = [
    { source: 'the cat', target: 'a dog' },
    { source: 'rain in paris', target: 'the cake' },
  ];
  const data = jsonl('mt.jsonl', rows);
  const flags = ['eval', '-m', at('t5'), '-T', 'seq2seq', '-d', data, '--json', '--threads', '1'];
  const { code, stdout } = await lm([...flags, '--max-new-tokens', '6']);
  expect(code).toBe(0);
  const model = await loadModel(at('t5'));
  const decoder = seq2seqDecoder(model);
  const sources = rows.map(({ source }) => source);
  const written = await collect(generateFrom(decoder, await model.tokenizer(), sources, { maxNewTokens: 6 }));
  const texts = written.map(({ text }) => text.trim());
  const references = rows.map(({ target }) => [target]);
  expect(one(stdout)['bleu']).toBeCloseTo(bleu(texts, references).score, 9);
  expect(one(stdout)['chrf']).toBeCloseTo(chrf(texts, references), 9);
  await decoder.dispose();
  expect(Object.keys(one((await lm([...flags, '--no-generate'])).stdout))).not.toContain('bleu');
});

test('a language model’s loss comes in bits of a byte, too', async () => {
  writeFileSync(at('text.txt'), 'the cat sat on the mat.\nrain in paris.\n');
  const { code, stdout } = await lm([
    ...['eval', '-m', at('gpt'), '-T', 'clm', '-d', at('text.txt'), '--json', '--threads', '1'],
  ]);
  expect(code).toBe(0);
  const { loss, perplexity, bits_per_byte: bits } = one(stdout);
  expect(perplexity).toBeCloseTo(Math.exp(loss!), 9);
  expect(bits).toBeGreaterThan(0.5);
  expect(bits).toBeLessThan(8.5);
});
