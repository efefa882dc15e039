// The recipes: each runs a few steps on small data of its form, and the small one reaches what nanoGPT publishes for its
// configuration. Minutes, so nightly (npm run test:slow).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasShared, sharedPath } from './fixtures.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const hasShell = process.platform !== 'win32';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'brickwork-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

// What a recipe writes to stdout, after a few steps.
async function run(name: string, args: readonly string[], steps = 3): Promise<string> {
  const recipe = join(root, 'scripts', 'recipes', name);
  const [command, first] = name.endsWith('.sh')
    ? ['bash', [recipe]]
    : [process.execPath, ['scripts/run.mjs', 'node', recipe]];
  const env = { ...process.env, STEPS: String(steps) };
  const { stdout } = await promisify(execFile)(command!, [...first!, ...args], { cwd: root, env });
  return stdout;
}
const lastJson = (stdout: string): Record<string, unknown> =>
  JSON.parse(
    stdout
      .trim()
      .split('\n')
      .findLast((line) => line.startsWith('{'))!,
  ) as Record<string, unknown>;
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const lines = (count: number, line: (i: number) => string): string =>
  `${Array.from({ length: count }, (_, i) => line(i)).join('\n')}\n`;
const animals = ['dog', 'cat', 'horse', 'bird', 'fish'];
const animal = (i: number): string => animals[i % animals.length]!;
const weightsOf = (out: string): string => join(out, 'model.safetensors');

test.skipIf(!hasShell)('sentiment.sh learns lines of text and class, and measures them', async () => {
  const data = (name: string): string =>
    file(
      name,
      lines(40, (i) => `a "${i % 2 ? 'fine' : 'dull'}" film of a ${animal(i)}\t${i % 2}`),
    );
  const out = join(folder, 'sentiment');
  const scores = lastJson(await run('sentiment.sh', [data('train.tsv'), data('dev.tsv'), out]));
  expect(scores['examples']).toBe(40);
  expect(scores['accuracy']).toBeGreaterThanOrEqual(0);
  expect(existsSync(weightsOf(out))).toBe(true);
});

test.skipIf(!hasShell)('acceptability.sh learns lines of source, label, mark and sentence', async () => {
  const data = (name: string): string =>
    file(
      name,
      lines(40, (i) => (i % 2 ? `s${i}\t1\t\tThe ${animal(i)} sleeps.` : `s${i}\t0\t*\tThe sleeps ${animal(i)}.`)),
    );
  const out = join(folder, 'acceptability');
  const scores = lastJson(await run('acceptability.sh', [data('in_domain_train.tsv'), data('in_domain_dev.tsv'), out]));
  expect(scores['examples']).toBe(40);
  expect(Number(scores['matthews'])).toBeLessThanOrEqual(1);
});

test.skipIf(!hasShell)('topics.sh learns a CSV of class, title and description', async () => {
  const news = file(
    'news.csv',
    lines(60, (i) => `"${(i % 4) + 1}","The ${animal(i)}, again","It is said ""so"" of the ${animal(i)}"`),
  );
  const out = join(folder, 'topics');
  await run('topics.sh', [news, out]);
  expect(existsSync(weightsOf(out))).toBe(true);
});

test('similarity.mjs learns the scores of pairs, and correlates', async () => {
  const data = (name: string): string =>
    file(
      name,
      lines(
        40,
        (i) =>
          `g\tf\t2012\t${i}\t${(i % 6).toFixed(3)}\tA ${animal(i)} runs.\tA ${animal(i + (i % 6))} is running.\tmore`,
      ),
    );
  const out = join(folder, 'similarity');
  const scores = lastJson(await run('similarity.mjs', [data('sts-train.csv'), data('sts-dev.csv'), out]));
  for (const when of ['before', 'after']) {
    const { pairs, pearson, spearman } = scores[when] as Record<string, number>;
    expect(pairs).toBe(40);
    for (const value of [pearson!, spearman!]) expect(Math.abs(value)).toBeLessThanOrEqual(1);
  }
  expect(existsSync(weightsOf(out))).toBe(true);
});

test('spam.mjs learns messages, and measures those held out', async () => {
  const messages = file(
    'sms.tsv',
    lines(60, (i) => (i % 3 ? `ham\tI saw the ${animal(i)} at noon` : `spam\tWIN a ${animal(i)}! Call 0900${i}`)),
  );
  const out = join(folder, 'spam');
  const scores = lastJson(await run('spam.mjs', [messages, out]));
  expect(scores['messages']).toBe(12);
  expect(existsSync(weightsOf(out))).toBe(true);
});

test.skipIf(!hasShell)('translation.sh learns pairs of lines, and translates others', async () => {
  const texts = (name: string, count: number, line: (i: number) => string): string =>
    file(`${name}.gz`, gzipSync(lines(count, line)));
  const english = (i: number): string => `A ${animal(i)} runs ${i} times.`;
  const german = (i: number): string => `Ein Tier (${animal(i)}) läuft ${i} Mal.`;
  const out = join(folder, 'translation');
  const args = [texts('train.en', 120, english), texts('train.de', 120, german)];
  const held = [texts('test.en', 4, english), texts('test.de', 4, german)];
  const scores = lastJson(await run('translation.sh', [...args, ...held, out]));
  expect(scores['examples']).toBe(4);
  expect(scores['bleu']).toBeGreaterThanOrEqual(0);
});

test.skipIf(!hasShell)('author.sh trains an adapter of the shipped model, and writes with it', async () => {
  const text = file(
    'author.txt.gz',
    gzipSync(lines(120, (i) => `The ${animal(i)} is "observed" [${i}] by naturalists.\n`)),
  );
  const out = join(folder, 'author');
  const stdout = await run('author.sh', [text, out], 20);
  const losses = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as { loss: number }).loss);
  expect(losses).toHaveLength(2);
  expect(losses[1]).toBeLessThan(losses[0]!);
  expect(stdout).toContain('The origin of ');
  expect(existsSync(join(out, 'adapter_model.safetensors'))).toBe(true);
});

test.skipIf(!hasShell)('authorship.sh trains a model for each author, and measures passages held out', async () => {
  const texts = [
    lines(150, (i) => `The ${animal(i)} was seen at noon, and the ${animal(i + 2)} slept in the sun until evening.`),
    lines(150, (i) => `"My dear ${animal(i)}!" cried she; "pray tell me how your ${animal(i + 1)} does today?"`),
  ].map((text, i) => file(`author-${i}.txt.gz`, gzipSync(text)));
  const out = join(folder, 'authorship');
  const stdout = await run('authorship.sh', [out, `one=${texts[0]}`, `two=${texts[1]}`, '--json'], 20);
  const { test: measured } = lastJson(stdout) as { test: { texts: number; accuracy: number } };
  expect(measured.texts).toBeGreaterThan(4);
  expect(measured.accuracy).toBe(1);
  expect(existsSync(join(out, 'classifier.json'))).toBe(true);
});

test('encoder.mjs pretrains on texts and labelled ones', async () => {
  mkdirSync(join(folder, 'texts'));
  const novel = file(
    'texts/novel.txt',
    lines(200, (i) => `Once upon a time a ${animal(i)} went to the ${animal(i + 1)} and said ${i}.\n`),
  );
  const out = join(folder, 'encoder');
  await run('encoder.mjs', [out, novel]);
  expect(existsSync(weightsOf(out))).toBe(true);
});

test('sentences.mjs trains an encoder of sentences, the same bytes each time', async () => {
  const novel = file(
    'sentences.txt',
    lines(300, (i) => `Once upon a time a ${animal(i)} went to the ${animal(i + 1)} and said ${i}.\n`),
  );
  process.env['EPOCHS'] = '1';
  process.env['VOCABULARY'] = '300';
  const outs = [join(folder, 'sentences-1'), join(folder, 'sentences-2')];
  for (const out of outs) await run('sentences.mjs', [out, novel]);
  const [one, two] = outs.map((out) => readFileSync(join(out, 'model.safetensors')));
  expect(existsSync(join(outs[0]!, 'modules.json'))).toBe(true);
  expect(one!.equals(two!)).toBe(true);
});

test.skipIf(!hasShared || !hasShell)(
  'nanogpt-cpu.sh reaches 1.88 nats a character on tinyshakespeare (needs ../shared)',
  async () => {
    const out = join(folder, 'nanogpt');
    await run('nanogpt-cpu.sh', [sharedPath('data/tinyshakespeare/input.txt'), out]);
    const [last] = readFileSync(join(`${out}.run`, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .slice(-1);
    const { step, validationPerCharacter } = JSON.parse(last!) as { step: number; validationPerCharacter: number };
    expect(step).toBe(2000);
    expect(validationPerCharacter).toBeLessThan(1.88);
  },
);

test('digits.mjs learns images of classes, measures them, and draws ten', async () => {
  const idx = (sizes: number[], values: (i: number) => number): Uint8Array => {
    const head = Buffer.alloc(4 + 4 * sizes.length);
    head.set([0, 0, 8, sizes.length]);
    sizes.forEach((s, i) => head.writeUInt32BE(s, 4 + 4 * i));
    const n = sizes.reduce((a, b) => a * b, 1);
    return Buffer.concat([head, Uint8Array.from({ length: n }, (_, i) => values(i))]);
  };
  // A bright row whose height is the class.
  const images = file(
    'images',
    idx([200, 28, 28], (i) => (Math.floor((i % 784) / 56) === Math.floor(i / 784) % 10 ? 255 : 0)),
  );
  const labels = file('labels', gzipSync(idx([200], (i) => i % 10)));
  const out = join(folder, 'digits');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['scripts/run.mjs', 'node', 'scripts/recipes/digits.mjs', out, images, labels, images, labels],
    { cwd: root, env: { ...process.env, EPOCHS: '1' } },
  );
  expect(stdout).toMatch(/test: [\d.]+% of 200 right/);
  expect(stdout).toMatch(/FGSM, ε = 0\.25: [\d.]+% wrong/);
  expect(existsSync(weightsOf(out))).toBe(true);
  expect(existsSync(join(out, 'samples', '9.png'))).toBe(true);
});
