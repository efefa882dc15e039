// README promises that its code runs as written, that its links lead somewhere, and that its tree is the real one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code!);
const isBuilt = existsSync(join(root, 'packages/cli/dist/bin.js'));

/** What an example prints where a user puts it: in a file of the repository's folder, with the built packages. */
function run(code: string): string[] {
  const folder = mkdtempSync(join(root, '.brickwork', 'example-'));
  try {
    writeFileSync(join(folder, 'example.mjs'), code);
    symlinkSync(join(root, 'models'), join(folder, 'models'));
    symlinkSync(join(root, 'README.md'), join(folder, 'README.md'));
    const { stdout, stderr, status } = spawnSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout.trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('there are the seven examples', () => {
  const marks = [
    'new Linear(4, 3)',
    'generateText(',
    'model.run(',
    'writeAdapter(',
    'pretrain(model',
    'VectorIndex.create',
    'ImageModel.fromPretrained',
  ];
  expect(examples).toHaveLength(marks.length);
  marks.forEach((mark, i) => expect(examples[i]).toContain(mark));
});

test.skipIf(!isBuilt)('the gradient of a brick', () => {
  const [line] = run(examples[0]!);
  const [, loss, shape] = /^(\d\.\d+) (\[ 3, 4 \])$/.exec(line!)!;
  expect(Number(loss)).toBeGreaterThan(0.2);
  expect(Number(loss)).toBeLessThan(5);
  expect(shape).toBe('[ 3, 4 ]');
});

test.skipIf(!isBuilt)('text with log-probabilities', () => {
  const lines = run(examples[1]!).map((line) => /^(".*") (\d+) (-?\d+\.\d{3})$/.exec(line)!);
  expect(lines.length).toBe(100);
  for (const [, , , logprob] of lines) expect(Number(logprob)).toBeLessThanOrEqual(0);
  expect(lines.map(([, text]) => JSON.parse(text!) as string).join('')).toMatch(/\w+ \w+/);
});

test.skipIf(!isBuilt)('outputs by their names', () => {
  const printed = run(examples[2]!).join('\n');
  const [shapes] = /\[ 1, 19, 192 \] \[ 1, 6, 19, 19 \]$/.exec(printed)!;
  expect(shapes).toBeTruthy();
  const logProbs = [...printed.slice(0, -shapes.length).matchAll(/-\d+\.\d+/g)].map(Number);
  expect(logProbs).toHaveLength(18); // of all characters but the first
});

test.skipIf(!isBuilt)('an adapter trained on a frozen model', () => {
  const losses = run(examples[3]!).map((line) => Number(line.split(' ')[1]));
  expect(losses).toHaveLength(5);
  expect(losses.at(-1)!).toBeLessThan(losses[0]!);
});

test.skipIf(!isBuilt)('a GPT trained on a text, whose loss falls', () => {
  const losses = run(examples[4]!).map((line) => Number(line.split(' ')[1]));
  expect(losses.length).toBe(20);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1);
});

test.skipIf(!isBuilt)('a digit named, explained and changed', () => {
  const [named, fooled] = run(examples[6]!);
  expect(named).toMatch(/^7 [01]\.\d{3}$/);
  const [, before, after] = /^(\d) [01]\.\d{3} (\d) [01]\.\d{3}$/.exec(fooled!)!;
  expect(before).toBe('7');
  expect(after).not.toBe('7');
});

test.skipIf(!isBuilt)('texts found by meaning and by words, with a condition', () => {
  const lines = run(examples[5]!);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^0 \d\.\d+ The ship sailed over the sea\.$/);
});

test('every link leads to a file', () => {
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
  const files = links.filter((target) => !target.startsWith('http'));
  expect(files.length).toBeGreaterThan(15);
  expect(files.filter((target) => !existsSync(join(root, target)))).toEqual([]);
});

test('the tree names every package and folder of scripts, and nothing that isn’t there', () => {
  const [, tree] = /^## Where things are\n\n```\n(.*?)^```/ms.exec(readme)!;
  const path: string[] = [];
  const named = tree!
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, indent, name] = /^( *)(\S+)/.exec(line)!;
      path.length = Math.ceil(indent!.length / 2);
      path.push(name!);
      return path.join('');
    });
  expect(named.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  const folders = ['packages', 'scripts'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${parent}/${entry.name}/`),
  );
  expect(folders.filter((folder) => !named.includes(folder))).toEqual([]);
});
