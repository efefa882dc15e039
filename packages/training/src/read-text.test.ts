import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readText } from './read-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, bytes: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
async function all(path: string, o?: Parameters<typeof readText>[1]): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of readText(path, o)) pieces.push(piece);
  return pieces;
}

describe('readText', () => {
  test('splits no character between pieces, and hashes every byte', async () => {
    const text = 'a😀é'.repeat(300_000); // 7 bytes each: pieces of 2^20 bytes end within characters
    const hash = createHash('sha256');
    const pieces = await all(file('long.txt', text), { hash });
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('') === text).toBe(true);
    for (const piece of pieces) expect(/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(piece)).toBe(false);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(text).digest('hex'));
  });
  test('leaves a byte order mark out, and an empty file is no text', async () => {
    expect(await all(file('bom.txt', '\uFEFFabc'))).toEqual(['abc']);
    expect(await all(file('empty.txt', ''))).toEqual([]);
  });
  test('what is not UTF-8 is refused, within and at the end', async () => {
    await expect(all(file('latin.txt', Uint8Array.of(97, 0xe9, 97)))).rejects.toThrow(/latin\.txt is not UTF-8 text/);
    await expect(all(file('cut.txt', Uint8Array.of(97, 0xf0, 0x9f)))).rejects.toThrow(/not UTF-8 text \(at its end\)/);
  });
  test('no file, and a folder, are told apart', async () => {
    await expect(all(join(folder, 'none.txt'))).rejects.toThrow('corpus: no file');
    await expect(all(folder)).rejects.toThrow('is a folder');
  });
  test('stops on a signal', async () => {
    const stop = new AbortController();
    const pieces = readText(file('stop.txt', 'x'.repeat(3 * 2 ** 20)), { signal: stop.signal });
    await pieces.next();
    stop.abort(new Error('enough'));
    await expect(
      (async () => {
        for await (const _ of pieces);
      })(),
    ).rejects.toThrow('enough');
  });
});
