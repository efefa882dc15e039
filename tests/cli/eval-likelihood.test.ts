// lm eval blimp, choice and cloze: what a person gives and gets, beside what the library says.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { Scorer } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-likelihood-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(root, name), content);
  return join(root, name);
};
const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const shakespeare = fileURLToPath(new URL('../../models/shakespeare', import.meta.url));
const model = ['-m', shakespeare, '-t', '1'];
const one = (stdout: string): Record<string, unknown> => jsonLines(stdout)[0]!;
const backwards = (text: string): string => [...text].toReversed().join('');

describe('lm eval blimp', () => {
  const sentences = ['What is the matter?', 'I know thee well.', 'Long live the king!'];
  const pair = (good: string, bad: string, UID: string): object => ({
    ...{ sentence_good: good, sentence_bad: bad, UID, field: 'syntax', linguistics_term: 'order' },
  });

  test('a folder of packed files comes out by paradigm, term, field and all', async () => {
    mkdirSync(join(root, 'blimp'));
    file('blimp/a.jsonl.gz', gzipSync(lines(sentences.map((s) => pair(s, backwards(s), 'forward')))));
    file(
      'blimp/b.jsonl',
      lines([...sentences.map((s) => pair(backwards(s), s, 'backward')), pair('same', 'same', 'backward')]),
    );
    file('blimp/README.md', 'not data');
    const args = ['eval', 'blimp', ...model, '-d', join(root, 'blimp')];
    const { code, stdout } = await lm([...args, '--json', '--predictions', join(root, 'pairs.jsonl')]);
    expect(code).toBe(0);
    expect(one(stdout)).toMatchObject({
      ...{ kind: 'causal', overall: 0.5, pairs: 7, accuracy_of_pairs: 3 / 7, fields: { syntax: 0.5 } },
      paradigms: { forward: { accuracy: 1, pairs: 3 }, backward: { accuracy: 0, pairs: 4, ties: 1 } },
    });
    const rows = jsonLines(readFileSync(join(root, 'pairs.jsonl'), 'utf8'));
    const scorer = await Scorer.load(shakespeare, { compile: { threads: 1 } });
    const [scored] = await scorer.score([sentences[0]!]);
    await scorer.dispose();
    expect(rows).toHaveLength(7);
    expect(rows[0]!['good']).toBeCloseTo(scored!.logProb, 4);
    const table = await lm([...args, '--limit', '1']);
    expect(table.stdout).toMatch(/forward +order +100\.0% +±0\.0% +1\n/);
    expect(table.stdout).toContain('50.0% is the mean of 2 paradigms; 50.0% of 2 pairs');
  });

  test('plain pairs may have names of columns or none', async () => {
    const rows = sentences.map((s) => `${s}\t${backwards(s)}\n`).join('');
    for (const [name, content] of [
      ['plain.tsv', rows],
      ['named.tsv', `sentence_good\tsentence_bad\n${rows}`],
    ] as const) {
      const { code, stdout } = await lm(['eval', 'blimp', ...model, '-d', file(name, content), '--json']);
      expect([code, one(stdout)['pairs'], one(stdout)['overall']]).toEqual([0, 3, 1]);
    }
  });

  test('rows that can’t be read are told with file and line', async () => {
    const broken = file('broken.jsonl', `${lines([pair('a', 'b', 'x')])}{"sentence_good": \n`);
    const bad = await lm(['eval', 'blimp', ...model, '-d', broken]);
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('broken.jsonl:2: not JSON')]);
    const lacking = await lm(['eval', 'blimp', ...model, '-d', file('lacking.jsonl', '\n{"sentence_good": "a"}\n')]);
    expect([lacking.code, lacking.stderr]).toEqual([
      1,
      expect.stringContaining('lacking.jsonl:2: sentence_bad is missing'),
    ]);
    const skipped = await lm(['eval', 'blimp', ...model, '-d', broken, '--skip-malformed', '--json']);
    expect([skipped.code, one(skipped.stdout)['pairs']]).toEqual([0, 1]);
    expect(skipped.stderr).toContain('left out: ');
  });

  test('what is asked wrongly is exit code 2', async () => {
    const asked = async (...args: string[]): Promise<[number, string]> => {
      const { code, stderr } = await lm(['eval', 'blimp', ...args]);
      return [code, stderr];
    };
    expect(await asked(...model)).toEqual([2, expect.stringContaining('--data is missing')]);
    expect(await asked(...model, '-d', join(root, 'nowhere'))).toEqual([2, expect.stringContaining('no such file')]);
    mkdirSync(join(root, 'empty'));
    expect(await asked(...model, '-d', join(root, 'empty'))).toEqual([2, expect.stringContaining('no data files')]);
    expect(await asked(...model, '-d', file('none.jsonl', '\n'))).toEqual([2, expect.stringContaining('no rows')]);
    const some = file('some.jsonl', lines([pair('a', 'b', 'x')]));
    expect(await asked(...model, '-d', some, '--method', 'all')).toEqual([2, expect.stringContaining('--method')]);
    const spam = fileURLToPath(new URL('../../models/spam', import.meta.url));
    expect(await asked('-m', spam, '-d', some)).toEqual([
      1,
      expect.stringContaining('gives no probabilities of tokens'),
    ]);
  });

  test('Ctrl-C ends it', async () => {
    const rows = lines(Array.from({ length: 400 }, (_, i) => pair(`the ${'very '.repeat(9)}${i % 9}`, 'b', 'x')));
    // The first note, of a row that is left out, comes before any work.
    const data = file('many.jsonl', `{\n${rows}`);
    const { code, stdout } = await lm(['eval', 'blimp', ...model, '-d', data, '--skip-malformed'], {
      onNote: (_text, interrupt) => interrupt(),
    });
    expect([code, stdout]).toEqual([130, '']);
  });
});

describe('lm eval choice', () => {
  const questions = [
    { question: 'What is the', choices: ['matter', 'rettam'], answer: 'A' },
    { question: 'Long live the', choices: ['gnik', 'king'], label: 1 },
    { question: 'I know', choices: { text: ['not', 'ton'], label: ['1', '2'] }, answerKey: '2' },
  ];

  test('the accuracies are lm-evaluation-harness’, with standard errors', async () => {
    const data = file('choice.jsonl', lines(questions));
    const { code, stdout } = await lm([
      'eval',
      'choice',
      ...model,
      '-d',
      data,
      '--json',
      '--predictions',
      join(root, 'c.jsonl'),
    ]);
    expect(code).toBe(0);
    expect(one(stdout)).toEqual({
      ...{ task: 'choice', examples: 3, acc: 2 / 3, acc_norm: 2 / 3, acc_bytes: 2 / 3 },
      ...{
        acc_stderr: expect.closeTo(1 / 3, 12),
        acc_norm_stderr: expect.any(Number),
        acc_bytes_stderr: expect.any(Number),
      },
    });
    const rows = jsonLines(readFileSync(join(root, 'c.jsonl'), 'utf8'));
    const scorer = await Scorer.load(shakespeare, { compile: { threads: 1 } });
    const [scored] = await scorer.score([{ context: 'What is the', text: ' matter' }]);
    await scorer.dispose();
    expect((rows[0]!['log_likelihoods'] as number[])[0]).toBeCloseTo(scored!.logProb, 4);
    expect((await lm(['eval', 'choice', ...model, '-d', data])).stdout).toMatch(/acc +0\.6667 +±0\.3333\n/);
  });

  test('mutual information needs a context where no token begins texts', async () => {
    const data = file('choice2.jsonl', lines(questions));
    const flags = ['eval', 'choice', ...model, '-d', data, '--mutual-information', '--json'];
    const without = await lm(flags);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('domainContext')]);
    const { code, stdout } = await lm([...flags, '--domain-context', 'Answer:']);
    expect([code, typeof one(stdout)['acc_mutual_info']]).toEqual([0, 'number']);
  });

  test('answers out of range and questions without choices are told with file and line', async () => {
    for (const [row, message] of [
      [{ ...questions[1], label: 2 }, 'label is 2, but there are 2 choices'],
      [{ question: 'x', choices: [], answer: 0 }, 'choices has 0 answers'],
      [{ choices: ['a', 'b'], answer: 0 }, 'context is missing'],
    ] as const) {
      const data = file('wrong.jsonl', lines([questions[0]!, row]));
      const { code, stderr } = await lm(['eval', 'choice', ...model, '-d', data]);
      expect([code, stderr]).toEqual([1, expect.stringContaining(`wrong.jsonl:2: ${message}`)]);
    }
  });
});

describe('lm eval cloze', () => {
  test('words for a blank, and where the right one is', async () => {
    const { code, stdout } = await lm(['eval', 'cloze', ...model, 'Long live the …', '--answer', 'king', '-k', '3']);
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((row) => /^0\.\d{4} {2}\w+$/.test(row))).toHaveLength(3);
    expect(stdout).toMatch(/\nking: probability 0\.\d+, /);
    const json = one((await lm(['eval', 'cloze', ...model, 'Long live the ___', '--json', '-k', '2'])).stdout);
    expect((json['results'] as { words: unknown[] }[])[0]!.words).toHaveLength(2);
  });

  test('a file of passages asks for their last words', async () => {
    const data = file('passages.txt', 'What is the matter\nLong live the king\n');
    const { code, stdout } = await lm(['eval', 'cloze', ...model, '-d', data, '-k', '0', '--json']);
    const scorer = await Scorer.load(shakespeare, { compile: { threads: 1 } });
    const scored = await scorer.score([
      { context: 'What is the', text: ' matter' },
      { context: 'Long live the', text: ' king' },
    ]);
    await scorer.dispose();
    expect([code, one(stdout)['examples']]).toEqual([0, 2]);
    expect(one(stdout)['perplexity']).toBeCloseTo(Math.exp(-(scored[0]!.logProb + scored[1]!.logProb) / 2), 2);
    expect((await lm(['eval', 'cloze', ...model, '-d', data, '-k', '0'])).stdout).toMatch(/^accuracy +[\d.]+\n/);
  });

  test('candidates are compared in the whole text', async () => {
    const args = ['eval', 'cloze', ...model, 'Long live the ___!', '--candidates', 'gnik, king', '--json'];
    const { words } = one((await lm(args)).stdout) as unknown as { words: { word: string; probability: number }[] };
    expect(words.map(({ word }) => word)).toEqual(['king', 'gnik']);
    expect(words[0]!.probability + words[1]!.probability).toBeCloseTo(1, 9);
  });

  test('a text without a blank, or two ways to give texts, are exit code 2', async () => {
    for (const [args, message] of [
      [['two ___ blanks ___'], '2 blanks'],
      [['word'], 'no last word'],
      [[], 'there is no text'],
      [['a ___', '-d', 'x.jsonl'], 'more than one way'],
      [['a ___', 'b ___', '--answer', 'x'], 'one text'],
      [['a ___', '--candidates', ' , '], 'needs words'],
    ] as const) {
      const { code, stderr } = await lm(['eval', 'cloze', ...model, ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
  });
});
