// lm generate on a small model: where prompts come from, what is printed, and how it ends.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonLines, lm, tiny } from './lm.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-generate-'));
const model = join(folder, 'model');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(async () => {
  const corpus = join(folder, 'corpus.txt');
  writeFileSync(
    corpus,
    Array.from({ length: 60 }, (_, i) => `line ${i} counts ${(i * 7919) % 997} things.\n`).join(''),
  );
  const { code, stderr } = await lm(['pretrain', corpus, '-o', model, ...tiny]);
  if (code !== 0) throw new Error(stderr);
});
const generate = (args: readonly string[], around: Parameters<typeof lm>[1] = {}): ReturnType<typeof lm> =>
  lm(['generate', '-m', model, '-t', '1', ...args], around);
const json = async (...args: string[]): Promise<Record<string, unknown>[]> => {
  const { code, stdout, stderr } = await generate([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return jsonLines(stdout);
};

describe('prompts', () => {
  test('are arguments, -p, a file, or stdin, and give the same text', async () => {
    const file = join(folder, 'prompt.txt');
    writeFileSync(file, 'line\n');
    const flags = ['-n', '5', '--seed', '3', '--temp', '1'];
    const first = await generate(['line', ...flags]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^line[^]{5}\n$/);
    expect(await generate(['-p', 'line', ...flags])).toEqual(first);
    expect(await generate(['-f', file, ...flags])).toEqual(first);
    expect(await generate(flags, { stdin: 'line\n' })).toEqual(first);
    expect(await generate([...flags, '--', 'line'])).toEqual(first);
  });

  test('several are a batch, each with the text that it has alone', async () => {
    const batch = await json('line 1', 'th', 'counts', '-n', '6', '--seed', '5', '--temperature', '0.9');
    expect(batch.map(({ prompt }) => prompt)).toEqual(['line 1', 'th', 'counts']);
    for (const { prompt, ids } of batch) {
      const [alone] = await json(String(prompt), '-n', '6', '--seed', '5', '--temperature', '0.9');
      expect(alone!['ids']).toEqual(ids);
    }
    const { stdout } = await generate(['li', 'th', '-n', '2', '--greedy']);
    expect(stdout).toMatch(/^li[^]{2}\n\nth[^]{2}\n$/);
  });

  test.each([
    ['none', [], {}, 2, 'the prompt is empty'],
    ['an empty one', ['', '-n', '1'], {}, 2, 'the prompt is empty'],
    ['an empty stdin', [], { stdin: '' }, 2, 'the prompt is empty'],
    ['bytes that are no text', [], { stdin: new Uint8Array([0xff]) }, 1, 'stdin is not text in UTF-8'],
    ['given in two ways', ['line', '-p', 'line'], {}, 2, 'more than one way'],
    ['a file that there is not', ['-f', 'nothing.txt'], {}, 2, 'there is no such file'],
    [
      'a character outside the vocabulary',
      ['é'],
      {},
      1,
      'the character "é" (U+00E9) at position 0 is not in the vocabulary',
    ],
    ['longer than the context', ['line 1 counts 2 things'], {}, 1, "has 22 tokens, but the model's context holds 16"],
  ])('%s is an error', async (_, args, around, code, message) => {
    const result = await generate(args, around);
    expect(result.stderr).toContain(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  });
});

describe('models', () => {
  test.each([
    ['no folder', 'nowhere', 'no model in nowhere: there is no such folder'],
    ['a folder without a model', '.', 'it has no config.json'],
    ['a file', 'corpus.txt', 'it is a file'],
  ])('%s is an error', async (_, name, message) => {
    const path = name === 'nowhere' ? name : join(folder, name);
    expect(await lm(['generate', '-m', path, 'line'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(message) as string,
    });
  });
});

describe('settings', () => {
  test('names of llama.cpp and Hugging Face mean the same', async () => {
    const long = ['--max-new-tokens', '6', '--temperature', '0.7', '--repetition-penalty', '1.3', '--seed', '4'];
    const short = ['--n-predict', '6', '--temp', '0.7', '--repeat-penalty', '1.3', '-s', '4'];
    const results = await json('line', ...long);
    const ids = (found: Record<string, unknown>[]): unknown => found[0]!['ids'];
    expect(ids(await json('line', ...short))).toEqual(ids(results));
  });

  test('--greedy and --temperature 0 take the most probable token, --seed 0 is a seed', async () => {
    const [greedy] = await json('line', '-n', '4', '--greedy', '--logprobs', '1');
    expect(greedy).not.toHaveProperty('seed');
    const best = greedy!['alternatives'] as { id: number; logprob: number }[][];
    expect(best.map(([first]) => first!.id)).toEqual(greedy!['ids']);
    expect(best.map(([first]) => first!.logprob)).toEqual(greedy!['logprobs']);
    expect((await json('line', '-n', '4', '--temperature', '0'))[0]!['ids']).toEqual(greedy!['ids']);
    expect((await json('line', '-n', '4', '--do-sample', '--seed', '0'))[0]).toMatchObject({ seed: 0 });
    expect((await json('line', '-n', '4', '--temp', '1', '--top-k', '1'))[0]!['ids']).toEqual(greedy!['ids']);
  });

  test('a stop string ends the text and is left out', async () => {
    const [whole] = await json('line', '-n', '10', '--greedy');
    const text = String(whole!['text']);
    const stop = text.slice(2, 4);
    const [cut] = await json('line', '-n', '10', '--greedy', '--stop', 'never', '--stop', stop);
    expect(cut).toMatchObject({ text: text.slice(0, text.indexOf(stop)), finish_reason: 'stop' });
  });

  test('beams come best first, each with its score', async () => {
    const found = await json('line', '-n', '4', '--num-beams', '3', '--num-return-sequences', '2');
    const scores = found.map(({ score }) => score as number);
    expect(scores).toHaveLength(2);
    expect(scores[0]).toBeGreaterThanOrEqual(scores[1]!);
    const sum = (found[0]!['logprobs'] as number[]).reduce((a, b) => a + b);
    expect(scores[0]).toBeCloseTo(sum / 4, 5);
  });

  test('samples of one prompt differ', async () => {
    const found = await json('line', '-n', '10', '--temp', '2', '--num-return-sequences', '3', '--seed', '1');
    expect(new Set(found.map(({ text }) => text)).size).toBe(3);
  });

  test.each([
    ['--greedy with a temperature', ['--greedy', '--temp', '1'], 2, '--temperature was given too'],
    ['beams with chance', ['--num-beams', '2', '--temp', '1'], 1, 'beams are searched without chance'],
    ['--logprobs without --json', ['--logprobs', '1'], 2, 'shows in --json only'],
  ])('%s is an error', async (_, args, code, message) => {
    expect(await generate(['line', ...args])).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message) as string,
    });
  });
});

test('a full context is told, and --context-shift goes on', async () => {
  const full = await generate(['line', '-n', '30', '--greedy', '--no-echo']);
  expect(full.stderr).toContain('The context of 16 tokens is full');
  expect(full.stdout).toHaveLength(12 + 1);
  const shifted = await generate(['line', '-n', '30', '--greedy', '--no-echo', '--context-shift']);
  expect(shifted).toMatchObject({ code: 0, stderr: '' });
  expect(shifted.stdout).toHaveLength(30 + 1);
});

test('no new tokens give the prompt, and --verbose tells times', async () => {
  expect(await generate(['line', '-n', '0'])).toEqual({ code: 0, stdout: 'line\n', stderr: '' });
  expect((await generate(['line', '-n', '2', '-v'])).stderr).toMatch(/^2 tokens: loaded in [\d.]+ ms, the first after/);
});

test('Ctrl-C ends the text where it is, with exit code 130', async () => {
  let count = 0;
  const { code, stdout } = await generate(['line', '-n', '100000', '--temp', '1', '--context-shift'], {
    onWrite: (_, interrupt) => void (++count === 20 && interrupt()),
  });
  expect(code).toBe(130);
  expect(stdout).toMatch(/^line[^]{19,22}\n$/);
});

test('a text is printed as it grows', async () => {
  const seen: string[] = [];
  await generate(['line', '-n', '8', '--greedy'], { onWrite: (text) => void seen.push(text) });
  expect(seen.length).toBeGreaterThanOrEqual(8);
  expect(seen[0]).toHaveLength(5);
});

describe('other searches', () => {
  test('a draft model changes nothing but the time', async () => {
    const flags = ['KING:', '-n', '24', '--greedy', '--json'];
    const plain = jsonLines((await lm(['generate', ...flags])).stdout)[0]!;
    const helped = await lm(['generate', ...flags, '--draft-model', 'shakespeare', '--draft-tokens', '3']);
    expect(helped.code).toBe(0);
    expect(jsonLines(helped.stdout)[0]!['ids']).toEqual(plain['ids']);
    const two = await lm(['generate', 'a', 'b', '-n', '3', '--draft-model', 'shakespeare']);
    expect([two.code, two.stderr]).toEqual([1, expect.stringContaining('one at a time')]);
  });
  test('a regular expression, and a JSON schema, from a file or as it is', async () => {
    const run = async (...flags: string[]): Promise<string> => {
      const { code, stdout, stderr } = await lm([
        'generate',
        'Born on ',
        '-n',
        '120',
        '-s',
        '3',
        '--temp',
        '1',
        '--json',
        ...flags,
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return jsonLines(stdout)[0]!['text'] as string;
    };
    expect(await run('--regex', '[A-Z][a-z]{2,5}, (king|queen)')).toMatch(/^[A-Z][a-z]{2,5}, (king|queen)$/);
    expect(await run('--json-schema', '{"type": "boolean"}')).toMatch(/^(true|false)$/);
    writeFileSync(join(folder, 'schema.json'), '{"enum": [null, true]}');
    expect(await run('--json-schema', join(folder, 'schema.json'))).toMatch(/^(null|true)$/);
    // Its characters hold no quotation mark.
    const { code, stderr } = await lm(['generate', 'a', '--json-schema', '{"type": "string"}']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('no token of the vocabulary goes on')]);
    const bad = await lm(['generate', 'a', '--regex', '(a)\\1']);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('a back reference')]);
    const gone = await lm(['generate', 'a', '--json-schema', 'gone.json']);
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('gone.json')]);
    expect((await lm(['generate', 'a', '--regex', 'a', '--json-schema', '{}'])).code).toBe(2);
  });
  test('contrastive search, and no n-gram twice', async () => {
    const run = async (...flags: string[]): Promise<number[]> =>
      jsonLines((await lm(['generate', 'KING:', '-n', '40', '--json', ...flags])).stdout)[0]!['ids'] as number[];
    const contrast = await run('--penalty-alpha', '0.6', '--top-k', '4');
    expect(contrast).toHaveLength(40);
    expect(contrast).not.toEqual(await run('--greedy'));
    const once = await run('--greedy', '--no-repeat-ngram-size', '3');
    const grams = once.slice(2).map((_, i) => once.slice(i, i + 3).join());
    expect(new Set(grams).size).toBe(grams.length);
  });
});
