// lm score: what it prints is what the library's scores are, in every unit and from every source.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Scorer, type Scored } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-score-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(root, name), content);
  return join(root, name);
};
const shipped = (name: string): string => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
const causal = ['-m', shipped('shakespeare'), '-t', '1'];
const masked = ['-m', shipped('encoder'), '-t', '1'];
const texts = ['To be, or not to be', 'KING:\nWhat news?', 'the'];
let scores: Scored[];
beforeAll(async () => {
  const scorer = await Scorer.load(shipped('shakespeare'));
  scores = await scorer.score(texts);
  await scorer.dispose();
});

describe('lm score', () => {
  test('is ln p of each text, a line each, in order', async () => {
    const { code, stdout, stderr } = await lm(['score', ...causal, ...texts]);
    expect([code, stderr]).toEqual([0, '']);
    const lines = scores.map(({ logProb, text }) => `${logProb.toFixed(4)}\t${text.replace('\n', '\\n')}\n`);
    expect(stdout).toBe(lines.join(''));
  });

  test('in bits, by token, character or byte', async () => {
    const [{ logProb, count, characters }] = scores as [Scored];
    for (const [flags, value] of [
      [['--bits'], logProb / Math.LN2],
      [['--normalize', 'token'], logProb / count],
      [['--normalize', 'character', '--bits'], logProb / characters / Math.LN2],
      [['--normalize', 'byte'], logProb / Buffer.byteLength(texts[0]!)],
    ] as const) {
      const [found] = jsonLines((await lm(['score', ...causal, texts[0]!, ...flags, '--json'])).stdout);
      expect(Number(found!['score'])).toBeCloseTo(value, 5);
    }
  });

  test('shows tokens, words and sentences, whose scores add up', async () => {
    const text = 'My lord, he comes. Go in!';
    const by = async (part: string): Promise<{ text: string; log_prob: number | null }[]> => {
      const { stdout } = await lm(['score', ...causal, text, '--by', part, '--json']);
      return jsonLines(stdout)[0]![`${part}s`] as { text: string; log_prob: number | null }[];
    };
    const [tokens, words, sentences] = [await by('token'), await by('word'), await by('sentence')];
    expect(tokens.map((t) => t.text).join('')).toBe(text);
    expect(words.map((w) => w.text)).toEqual(['My', 'lord,', 'he', 'comes.', 'Go', 'in!']);
    expect(sentences.map((s) => s.text)).toEqual(['My lord, he comes.', 'Go in!']);
    const sum = (parts: { log_prob: number | null }[]): number => parts.reduce((a, { log_prob: x }) => a + (x ?? 0), 0);
    // The first token has no score here, so the first word and sentence have none.
    expect([tokens[0]!.log_prob, words[0]!.log_prob, sentences[0]!.log_prob]).toEqual([null, null, null]);
    expect(sum(words.slice(1))).toBeCloseTo(sum(tokens.slice(2)), 6);
    expect(sentences[1]!.log_prob).toBeCloseTo(sum(words.slice(4)), 6);
    const { stdout } = await lm(['score', ...causal, text, '--by', 'word', '--bits']);
    expect(stdout.split('\n')[1]).toMatch(/^ *bits +p +word$/);
    expect(stdout).toContain('lord,');
  });

  test('reads lines, fields of JSON and stdin; what else a row has stays', async () => {
    const expected = [scores[0]!.logProb, scores[2]!.logProb];
    const found = async (args: readonly string[], stdin?: string): Promise<Record<string, unknown>[]> => {
      const { code, stdout } = await lm(['score', ...causal, ...args, '--json'], stdin === undefined ? {} : { stdin });
      expect(code).toBe(0);
      return jsonLines(stdout);
    };
    const lines = `${texts[0]}\n\n${texts[2]}\r\n`;
    const rows = [texts[0], texts[2]].map((text, id) => JSON.stringify({ id, text })).join('\n');
    for (const got of [
      await found(['-f', file('lines.txt', lines)]),
      await found([], lines),
      await found(['-f', file('rows.jsonl', rows)]),
    ])
      got.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!, 5));
    expect((await found(['-f', join(root, 'rows.jsonl')])).map(({ id }) => id)).toEqual([0, 1]);
  });

  test('a context isn’t scored: given once, in pairs, or in rows', async () => {
    const scorer = await Scorer.load(shipped('shakespeare'));
    const [one] = await scorer.score([{ context: 'JULIET:\n', text: 'O Romeo' }]);
    await scorer.dispose();
    const row = JSON.stringify({ prompt: 'JULIET:\n', completion: 'O Romeo' });
    for (const args of [
      ['O Romeo', '--context', 'JULIET:\n'],
      ['-f', file('row.jsonl', row), '--field', 'completion'],
    ]) {
      const [found] = jsonLines((await lm(['score', ...causal, ...args, '--json'])).stdout);
      expect(found!['score']).toBeCloseTo(one!.logProb, 6);
    }
    const pairs = file('pairs.tsv', 'My lord\t, he comes\nGood\t morrow\n');
    const found = jsonLines((await lm(['score', ...causal, '--pairs', '-f', pairs, '--json'])).stdout);
    expect(found.map(({ context, text }) => [context, text])).toEqual([
      ['My lord', ', he comes'],
      ['Good', ' morrow'],
    ]);
    const pmi = jsonLines(
      (await lm(['score', ...causal, '--pairs', '-f', pairs, '--pmi', '--domain-context', 'A', '--json'])).stdout,
    );
    const [alone] = jsonLines((await lm(['score', ...causal, ', he comes', '--context', 'A', '--json'])).stdout);
    expect(pmi[0]!['score']).toBeCloseTo(Number(found[0]!['score']) - Number(alone!['score']), 5);
  });

  test('of documents is their perplexity, however long they are', async () => {
    const text = 'To be, or not to be, that is the question: whether it is nobler in the mind to suffer. '.repeat(6);
    const path = file('long.txt', text);
    const args = ['score', ...causal, '--documents', '-f', path, '--window', '64', '--stride', '16'];
    const [found] = jsonLines((await lm([...args, '--perplexity', '--json'])).stdout);
    const [whole] = jsonLines((await lm([...args, '--json'])).stdout);
    expect(whole!['token_count']).toBe(text.length - 1);
    expect(found!['nats']).toBeCloseTo(-Number(whole!['log_prob']), 6);
    expect(found!['perplexity']).toBeCloseTo(Math.exp(Number(found!['nats']) / (text.length - 1)), 6);
    expect(found!['bitsPerByte']).toBeCloseTo(Number(found!['nats']) / Math.LN2 / text.length, 9);
    expect((await lm([...args, '--perplexity'])).stdout).toMatch(/^perplexity \(token\) +\d/);
  });

  test('draws a page, where what is in a text stays text', async () => {
    const page = join(root, 'page.html');
    await lm(['score', ...masked, '<b>To</b> be & "not"', '--by', 'word', '--html', page]);
    const html = readFileSync(page, 'utf8');
    expect(html).toContain('&lt;b&gt;To&lt;/b&gt;');
    expect(html).not.toContain('<b>');
    expect(html).not.toMatch(/<script|https?:/);
    expect(html.match(/<span style="--s:[\d.]+" title="[\d.]+ nats, p = /g)!.length).toBe(4);
  });

  test('masked models score by hiding each token, alone or with the rest of its word', async () => {
    const scorer = await Scorer.load(shipped('encoder'));
    for (const pll of ['original', 'word_l2r'] as const) {
      const [one] = await scorer.score(['An unquestionable traveller slept.'], { pll });
      const args = ['An unquestionable traveller slept.', '--pll', pll, '--json'];
      const [found] = jsonLines((await lm(['score', ...masked, ...args])).stdout);
      expect(found!['score']).toBeCloseTo(one!.logProb, 6);
    }
    await scorer.dispose();
  });

  test('Ctrl-C ends it, with what was done', async () => {
    let isDone = false;
    const lines = `${'To be, or not to be, that is the question\n'.repeat(3000)}`;
    const { code, stdout } = await lm(['score', ...causal], {
      stdin: lines,
      onWrite(_, interrupt) {
        if (!isDone) interrupt();
        isDone = true;
      },
    });
    expect(code).toBe(130);
    const done = stdout.split('\n').filter(Boolean).length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(3000);
  });

  test.each([
    [[], 2, /there is no text/],
    [['a', '-f', 'x.txt'], 2, /more than one way/],
    [['a', '--pmi'], 2, /--pmi needs a context for each text/],
    [['a', '--pmi', '--perplexity'], 2, /--pmi and --perplexity were both given/],
    [['a', '--domain-context', 'b'], 2, /--domain-context is for --pmi/],
    [['a', '--by', 'sentence', '--html', 'x.html'], 2, /--html colours tokens or words/],
    [['a', '--perplexity', '--by', 'word'], 2, /one result for all texts/],
    [['a', '--normalize', 'mean'], 2, /--normalize is 'mean'/],
    [['a', '--pll', 'original'], 2, /--pll is for masked models; this one is causal/],
    [['ab', '--window', '100000'], 1, /the window is 100000; needs a whole number of at most/],
    [['ab', '--stride', '4000'], 1, /the stride is 4000/],
    [['-f', 'nowhere.txt'], 2, /nowhere\.txt: there is no such file/],
    [['', '--json'], 1, /text 1 is empty/],
    [['a', '--documents'], 2, /--documents is for files and stdin/],
    [['--pairs', '--documents', '-f', 'x'], 2, /one of them/],
  ])('lm score %j says what is wrong', async (args, expected, message) => {
    const { code, stderr, stdout } = await lm(['score', ...causal, ...args]);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
  });

  test('lines that are no pairs, and models that are no language models, are named', async () => {
    const bad = await lm(['score', ...causal, '--pairs', '-f', file('bad.tsv', 'a\tb\nonly one\n')]);
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringMatching(/text 2: "only one" is no pair/)]);
    const binary = await lm(['score', ...causal, '-f', file('bin.txt', Uint8Array.of(0xff, 0xfe, 0))]);
    expect([binary.code, binary.stderr]).toEqual([1, expect.stringMatching(/is not text in UTF-8/)]);
    const spam = await lm(['score', '-m', shipped('spam'), 'a']);
    expect([spam.code, spam.stderr]).toEqual([1, expect.stringMatching(/gives no probabilities of tokens/)]);
  });
});
