// What rows are examples of: the columns of well-known data sets, mapped columns, and what doesn't fit.
import { describe, expect, test } from 'vitest';
import { exampleReader, type ColumnMap, type ExampleKind } from './example.ts';
import type { Row } from './row.ts';

const row = (values: Record<string, unknown>, line = 1): Row => ({ values, file: 'data.jsonl', line });
const read = (values: Record<string, unknown>, columns?: ColumnMap, kind?: ExampleKind): unknown =>
  exampleReader(row(values), columns, kind).read(row(values));

describe('recognises', () => {
  test.each([
    ['plain text', { text: 'a' }, { kind: 'text', text: 'a' }],
    ['SST-2', { idx: 1, sentence: 'good', label: 1n }, { kind: 'labelled', text: 'good', pair: null, label: 1 }],
    ['MNLI', { premise: 'a', hypothesis: 'b', label: 'x' }, { kind: 'labelled', text: 'a', pair: 'b', label: 'x' }],
    ['STS-B', { sentence1: 'a', sentence2: 'b', score: 2.5 }, { kind: 'labelled', text: 'a', pair: 'b', label: 2.5 }],
    ['several labels', { text: 'a', labels: [0, 2] }, { kind: 'labelled', text: 'a', pair: null, label: [0, 2] }],
    ['completions', { prompt: 'a', completion: 'b' }, { kind: 'completion', prompt: 'a', completion: 'b' }],
    ['Alpaca', { instruction: 'a', input: '', output: 'b' }, { kind: 'completion', prompt: 'a', completion: 'b' }],
    [
      'Alpaca with an input',
      { instruction: 'a', input: 'x', output: 'b' },
      { kind: 'completion', prompt: 'a\n\nx', completion: 'b' },
    ],
    [
      'messages',
      { messages: [{ role: 'user', content: 'a' }] },
      { kind: 'chat', messages: [{ role: 'user', content: 'a' }] },
    ],
    [
      'ShareGPT',
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
      },
      {
        kind: 'chat',
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      },
    ],
    ['pairs', { anchor: 'a', positive: 'b' }, { kind: 'pair', anchor: 'a', positive: 'b', negative: null }],
    ['triplets', { query: 'a', pos: 'b', neg: 'c' }, { kind: 'pair', anchor: 'a', positive: 'b', negative: 'c' }],
    ['translations', { source: 'a', target: 'b' }, { kind: 'sequence', source: 'a', target: 'b' }],
    [
      'SQuAD',
      { id: '1', question: 'q', context: 'c a', answers: { text: ['a'], answer_start: [2] } },
      { kind: 'question', question: 'q', context: 'c a', answers: [{ text: 'a', start: 2 }] },
    ],
    [
      'SQuAD without an answer',
      { question: 'q', context: 'c', answers: { text: [], answer_start: [] } },
      { kind: 'question', question: 'q', context: 'c', answers: [] },
    ],
    ['CoNLL', { tokens: ['a', 'b'], ner_tags: [0n, 3n] }, { kind: 'words', words: ['a', 'b'], labels: [0, 3] }],
  ])('%s', (_, values, expected) => {
    expect(read(values)).toEqual(expected);
  });
});

test('columns can be mapped, and the kind can be said', () => {
  expect(read({ v1: 'ham', v2: 'hello' }, { text: 'v2', label: 'v1' })).toEqual({
    kind: 'labelled',
    text: 'hello',
    pair: null,
    label: 'ham',
  });
  expect(read({ text: 'a', label: 1 }, {}, 'text')).toEqual({ kind: 'text', text: 'a' });
  expect(exampleReader(row({ en: 'a', de: 'b' }), { source: 'en', target: 'de' }).columns).toEqual({
    source: 'en',
    target: 'de',
  });
});

test('columns that fit nothing are named', () => {
  expect(() => read({ v1: 'a', v2: 'b' })).toThrow(
    'data.jsonl: the columns v1, v2 are not those of any known kind; map them, for example text=v1',
  );
  expect(() => read({ text: 'a' }, {}, 'pair')).toThrow('are not those of kind pair');
  expect(() => read({ text: 'a' }, { text: 'body' })).toThrow('no column is called body (for text); there are text');
  expect(() => read({ text: 'a' }, { texts: 'text' } as ColumnMap)).toThrow('no field is called texts; there are text');
});

test.each([
  [{ text: 'a' }, { text: 1 }, 'data.jsonl:7: the column text is 1; needs a text'],
  [{ text: 'a', label: 0 }, { text: 'a' }, 'the column label is missing; needs a class'],
  [{ text: 'a', label: 0 }, { text: 'a', label: { a: 1 } }, 'the column label is {"a":1}'],
  [{ messages: [] }, { messages: [{ role: 'user' }] }, 'needs a role and a content in every message'],
  [{ tokens: ['a'], tags: [1] }, { tokens: ['a', 'b'], tags: [1] }, 'needs a label for each of 2 words'],
  [
    { question: 'q', context: 'c', answers: [] },
    { question: 'q', context: 'c', answers: { text: ['a'] } },
    'where they start (answer_start)',
  ],
])('a row like %o that is %o is an error of that row', (first, values, message) => {
  const reader = exampleReader(row(first));
  expect(() => reader.read(row(values, 7))).toThrow(message);
});
