import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeAtomic, writeFileAtomic } from './atomic.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-atomic-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('text and bytes are written, over an older file too', async () => {
  const path = join(folder, 'a');
  await writeFileAtomic(path, 'one\n');
  expect(readFileSync(path, 'utf8')).toBe('one\n');
  await writeFileAtomic(relative(process.cwd(), path), Uint8Array.of(1, 2));
  expect([...readFileSync(path)]).toEqual([1, 2]);
  expect(readdirSync(folder)).toEqual(['a']);
});

test('the old file is whole until the new one is', async () => {
  const path = join(folder, 'b');
  writeFileSync(path, 'old');
  await writeAtomic(path, async (file) => {
    await file.write('ne');
    expect(readFileSync(path, 'utf8')).toBe('old');
    await file.write('w');
  });
  expect(readFileSync(path, 'utf8')).toBe('new');
});

test('a write that fails leaves the old file and nothing else', async () => {
  const path = join(folder, 'c');
  writeFileSync(path, 'old');
  const before = readdirSync(folder);
  const failing = writeAtomic(path, async (file) => {
    await file.write('half');
    throw new Error('no more');
  });
  await expect(failing).rejects.toThrow('no more');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(before);
});

test('a target that can’t be replaced is an error, and nothing else is left', async () => {
  const path = join(folder, 'folder');
  mkdirSync(join(path, 'inside'), { recursive: true });
  const before = readdirSync(folder);
  await expect(writeFileAtomic(path, 'x')).rejects.toThrow(/EISDIR|ENOTEMPTY|EPERM|EEXIST/);
  expect(readdirSync(folder)).toEqual(before);
  await expect(writeFileAtomic(join(folder, 'none', 'x'), 'x')).rejects.toThrow('ENOENT');
  expect(existsSync(join(folder, 'none'))).toBe(false);
});

test('many writers of one file at once: the file is that of one of them', async () => {
  const path = join(folder, 'd');
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
  await Promise.all(texts.map((text) => writeFileAtomic(path, text)));
  expect(texts).toContain(readFileSync(path, 'utf8'));
  expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
});

test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('a folder that can’t be written to', async () => {
  const path = join(folder, 'locked');
  mkdirSync(path);
  chmodSync(path, 0o555);
  await expect(writeFileAtomic(join(path, 'x'), 'x')).rejects.toThrow('EACCES');
});
