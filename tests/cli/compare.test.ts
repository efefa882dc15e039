// lm compare: models trained on two kinds of text tell which of them a text is, and show why.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LikelihoodClassifier } from '../../packages/training/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-compare-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const cats = 'The cat sat on the mat and the cat ate a fish. A cat sleeps in the sun.\n'.repeat(40);
const dogs = 'My dog runs over hills, barks at cars, and digs for bones with his friend!\n'.repeat(40);
const gutenberg = `The Project Gutenberg EBook\r\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\r\n${dogs}*** END OF THIS PROJECT GUTENBERG EBOOK X ***\r\nlicence`;
const small = [
  ...['--layers', '1', '--heads', '2', '--width', '16', '--context', '16', '--batch-size', '4', '--vocab-size', '300'],
  ...['--base-steps', '20', '--max-steps', '20', '--eval-steps', '10', '--learning-rate', '1e-2', '-t', '1'],
  ...['--class-learning-rate', '1e-2', '--passage-words', '10'],
];
const one = (stdout: string): Record<string, unknown> => jsonLines(stdout)[0]!;
const asked = ['the cat sat on the mat', 'My dog runs over hills and barks'];
const flags = ['compare', '-m', at('pets'), '-t', '1'];
let trained: Record<string, unknown>;

beforeAll(async () => {
  const classes = [
    '--class',
    `cat=${file('cat.txt', cats)}`,
    '--class',
    `dog=${file('dog.txt.gz', gzipSync(gutenberg))}`,
  ];
  const { code, stdout, stderr } = await lm(['compare', 'train', ...classes, '-o', at('pets'), ...small, '--json']);
  trained = { code, notes: stderr, ...one(stdout) };
});

describe('lm compare train', () => {
  test('says how well the classes are told, of text that nothing was learned from', async () => {
    expect(trained['notes']).toContain('class dog, step 20: held out');
    expect(trained).toMatchObject({
      code: 0,
      labels: ['cat', 'dog'],
      calibration: { accuracy: 1 },
      test: { accuracy: 1 },
    });
    const { texts, confusion } = trained['test'] as { texts: number; confusion: number[][] };
    expect(texts).toBeGreaterThan(8);
    expect(confusion.flat().reduce((a, b) => a + b)).toBe(texts);
    for (const part of ['classifier.json', 'cat/model.safetensors', 'dog/tokenizer.json'])
      expect(existsSync(join(at('pets'), part))).toBe(true);
    // The header of the ebook is no part of the dog's text.
    const classifier = await LikelihoodClassifier.load(at('pets'));
    expect(JSON.stringify(readFileSync(join(at('pets'), 'cat/tokenizer.json'), 'utf8'))).not.toContain('Gutenberg');
    await classifier.dispose();
  });

  test('interrupted, it goes on with --resume, and comes to the same', async () => {
    const classes = ['--class', `cat=${at('cat.txt')}`, '--class', `dog=${at('dog.txt.gz')}`];
    const args = ['compare', 'train', ...classes, '-o', at('again'), ...small, '--json'];
    let isStopped = false;
    const stopped = await lm(args, {
      onNote(text, interrupt) {
        if (isStopped || !text.includes('class cat, step 10')) return;
        isStopped = true;
        interrupt();
      },
    });
    expect([stopped.code, stopped.stdout, existsSync(at('again'))]).toEqual([130, '', false]);
    expect(stopped.stderr).toContain('the same command with --resume');
    const without = await lm(args);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('a run is there')]);
    const resumed = one((await lm([...args, '--resume'])).stdout);
    const { code: _, notes: __, ...first } = trained;
    expect(resumed).toEqual({ ...first, out: at('again'), train_seconds: expect.any(Number) });
  });

  test('labelled rows have their classes and shares', async () => {
    const rows = Array.from({ length: 60 }, (_, i) =>
      i % 3 ? `ham\tthe cat sat on mat ${i} and ate\n` : `spam\tdogs! bark at ${i} cars, dig now\n`,
    );
    const data = file('sms.tsv', rows.join(''));
    const args = ['-d', data, '--header', 'label,text', '--frequency', '-o', at('sms'), ...small];
    const { code, stdout, stderr } = await lm(['compare', 'train', ...args]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^accuracy +1\.0000\n/);
    expect(stdout).toMatch(/true \\ found +spam +ham\nspam +\d+ +0\nham +0 +\d+\n/);
    expect(stderr).toContain('passages that nothing was learned from');
    const { classes } = JSON.parse(readFileSync(join(at('sms'), 'classifier.json'), 'utf8')) as {
      classes: { label: string; prior: number }[];
    };
    expect(classes.find(({ label }) => label === 'ham')!.prior).toBeCloseTo(2 / 3, 1);
  });

  test('what makes no sense is exit code 2', async () => {
    const cat = `cat=${at('cat.txt')}`;
    mkdirSync(at('mine'));
    file('mine/file', 'x');
    const train = async (...args: string[]): Promise<[number, string]> => {
      const { code, stderr } = await lm(['compare', 'train', ...args]);
      return [code, stderr];
    };
    const out = ['-o', at('none')];
    expect(await train('--class', cat, ...out)).toEqual([2, expect.stringContaining('one class alone (cat)')]);
    expect(await train(...out)).toEqual([2, expect.stringContaining('no texts')]);
    expect(await train('--class', cat, '--class', `dog=${at('nowhere')}`, ...out)).toEqual([
      ...[2, expect.stringContaining('there is no file')],
    ]);
    expect(await train('--class', cat, '--class', `dog=${file('empty.txt', '')}`, ...out)).toEqual([
      ...[2, expect.stringContaining('the file is empty')],
    ]);
    const both = ['--class', cat, '--class', `dog=${at('dog.txt.gz')}`];
    expect(await train(...both, '-o', at('mine'))).toEqual([2, expect.stringContaining('something else')]);
    expect(await train(...both, ...out, '--prior', 'owl=1')).toEqual([2, expect.stringContaining('no class owl')]);
    expect(await train(...both, ...out, '--prior', 'cat=x')).toEqual([
      2,
      expect.stringContaining('a class and its share'),
    ]);
    expect(await train(...both, ...out, '--prior', 'cat=1')).toEqual([
      2,
      expect.stringContaining('no --prior for dog'),
    ]);
    expect(await train(...both, ...out, '--width', '30')).toEqual([2, expect.stringContaining('--heads 4')]);
    expect(await train('--class', cat, '--class', `dog=${file('short.txt', 'a dog')}`, ...out)).toEqual([
      ...[1, expect.stringContaining('class dog: ')],
    ]);
    expect(await train('--class', cat, '--class', `dog=${file('bad.gz', 'plain')}`, ...out)).toEqual([
      ...[1, expect.stringContaining('not a gzip file')],
    ]);
    expect(existsSync(at('none'))).toBe(false);
  });
});

describe('lm compare', () => {
  test('the class of each text, how probable it is, and the words that say so', async () => {
    const { code, stdout } = await lm([...flags, ...asked]);
    expect(code).toBe(0);
    const [first, second] = stdout.split('\n\n');
    expect(first).toMatch(/^class +probability +log-likelihood +bits a byte\ncat +[01]\.\d{4} +-\d/);
    expect(first).toContain('for cat: ');
    expect(second).toMatch(/\ndog /);
    const rows = jsonLines((await lm([...flags, ...asked, '--json'])).stdout) as {
      label: string;
      classes: Record<string, { probability: number; log_likelihood: number }>;
      evidence: { text: string; log_ratio: number }[];
    }[];
    expect(rows.map(({ label }) => label)).toEqual(['cat', 'dog']);
    const [row] = rows;
    expect(row!.evidence.map(({ text }) => text).join('')).toBe(asked[0]);
    expect(row!.evidence.reduce((sum, { log_ratio: ratio }) => sum + ratio, 0)).toBeCloseTo(
      row!.classes['cat']!.log_likelihood - row!.classes['dog']!.log_likelihood,
      6,
    );
  });

  test('texts come from files and stdin, whole or line by line', async () => {
    const text = `${asked.join('\n')}\n`;
    const whole = await lm([...flags, '--json'], { stdin: text });
    expect(jsonLines(whole.stdout).map((row) => row['text'])).toEqual([asked.join('\n')]);
    const byLine = await lm([...flags, '--json', '--lines', '-f', file('lines.txt', text)]);
    expect(jsonLines(byLine.stdout).map((row) => row['text'])).toEqual(asked);
  });

  test('a page in colours, all of it in one file', async () => {
    const { code } = await lm([...flags, '<b>the cat & the mat</b>', '--html', at('why.html')]);
    expect(code).toBe(0);
    const page = readFileSync(at('why.html'), 'utf8');
    expect(page).not.toMatch(/<b>|<script|https?:|src=/);
    expect(page.replaceAll(/<[^>]*>/g, '')).toContain('&lt;b&gt;the cat &amp; the mat&lt;/b&gt;');
  });

  test('labelled texts are measured, and may calibrate', async () => {
    const rows = [
      ['cat', asked[0]],
      ['dog', asked[1]],
      ['cat', 'barks at cars'],
      ['cat', 'a fish'],
    ];
    const data = file('labelled.tsv', `label\ttext\n${rows.map((row) => row.join('\t')).join('\n')}\n`);
    const { code, stdout } = await lm([
      ...flags,
      '-d',
      data,
      '--json',
      '--predictions',
      at('p.jsonl'),
      '--confusion-matrix',
      at('m.svg'),
    ]);
    expect(code).toBe(0);
    expect(one(stdout)).toMatchObject({
      texts: 4,
      accuracy: 0.75,
      confusion: [
        [2, 1],
        [0, 1],
      ],
      labels: ['cat', 'dog'],
    });
    expect(jsonLines(readFileSync(at('p.jsonl'), 'utf8')).map((row) => row['actual'])).toEqual(
      rows.map(([label]) => label),
    );
    expect(readFileSync(at('m.svg'), 'utf8')).toContain('<svg');
    const calibrated = await lm([...flags, '-d', data, '--calibrate', data, '--json']);
    expect(calibrated.stderr).toContain('fitted to 4 texts');
    expect(one(calibrated.stdout)['negative_log_likelihood']).toBeLessThan(
      one(stdout)['negative_log_likelihood'] as number,
    );
  });

  test('models of any kind are classes, under their folders’ names or others', async () => {
    const shakespeare = fileURLToPath(new URL('../../models/shakespeare', import.meta.url));
    const models = ['-m', shakespeare, '-m', `pet=${join(at('pets'), 'dog')}`, '-t', '1'];
    const [row] = jsonLines((await lm(['compare', ...models, 'ROMEO: What light is this?', '--json'])).stdout);
    expect([row!['label'], Object.keys(row!['classes'] as object)]).toEqual(['shakespeare', ['shakespeare', 'pet']]);
  });

  test('what makes no sense is said, with exit codes', async () => {
    const shakespeare = fileURLToPath(new URL('../../models/shakespeare', import.meta.url));
    const owl = file('owl.tsv', 'label\ttext\nowl\thoot\n');
    const several = file('several.jsonl', '{"text": "a", "label": ["x", "y"]}\n');
    const broken = file('broken.jsonl', '{"text": "a", "label": "cat"}\n{"text"\n');
    for (const [args, code, message] of [
      [['-m', shakespeare, 'x'], 2, 'one model alone'],
      [['-m', at('nowhere'), 'x'], 2, 'there is no folder'],
      [['x'], 2, '--model is missing'],
      [['-m', shakespeare, '-m', shakespeare, 'x'], 2, 'two models are called shakespeare'],
      [['-m', at('pets')], 2, 'there is no text'],
      [['-m', at('pets'), ''], 2, 'a text is empty'],
      [['-m', at('pets'), 'x', '-d', owl], 2, 'more than one way'],
      [['-m', at('pets'), '-d', owl], 2, 'the data have the class owl; the models are cat, dog'],
      [['-m', at('pets'), 'x', '--prior', 'cat=1'], 2, 'a classifier has its own'],
      [['-m', at('pets'), 'x', '--confusion-matrix', 'm.svg'], 2, 'for labelled texts'],
      [['-m', at('pets'), '-d', several], 1, 'several.jsonl:1: several labels'],
      [['-m', at('pets'), '-d', broken], 1, 'broken.jsonl:2: not JSON'],
    ] as const) {
      const { code: actual, stderr, stdout } = await lm(['compare', ...args]);
      expect([actual, stdout, stderr]).toEqual([code, '', expect.stringContaining(message)]);
    }
  });
});
