import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fileTokens, memoryTokens, type TokenSource } from './token-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-tokens-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (source: TokenSource, begin: number, count: number): number[] => {
  const into = new Int32Array(count);
  source.read(begin, into);
  return [...into];
};
const file = (name: string, ids: Uint16Array | Int32Array): string => {
  const path = join(folder, name);
  writeFileSync(path, ids);
  return path;
};

describe('memoryTokens', () => {
  test('reads any range and knows the largest id', () => {
    for (const ids of [[3, 1, 4, 1, 5], Uint16Array.of(3, 1, 4, 1, 5), Int32Array.of(3, 1, 4, 1, 5)]) {
      const source = memoryTokens(ids);
      expect([source.length, source.maximum]).toEqual([5, 5]);
      expect(read(source, 1, 3)).toEqual([1, 4, 1]);
      expect(read(source, 5, 0)).toEqual([]);
    }
    expect(memoryTokens([]).maximum).toBe(-1);
  });
  test('refuses ranges outside and what is no id', () => {
    const source = memoryTokens([1, 2, 3]);
    for (const [begin, count] of [
      [-1, 1],
      [2, 2],
      [0.5, 1],
    ] as const)
      expect(() => read(source, begin, count)).toThrow('but there are 3');
    for (const bad of [-1, 1.5, NaN, 2 ** 31])
      expect(() => memoryTokens([0, bad])).toThrow('at position 1 is not an id');
  });
});

describe('fileTokens', () => {
  test('reads windows of two and of four bytes, from a first id on', () => {
    const small = file('small', Uint16Array.of(9, 65535, 2, 3, 4));
    const large = file('large', Int32Array.of(9, 100_000, 2, 3, 4));
    for (const [path, width, maximum] of [
      [small, 2, 65535],
      [large, 4, 100_000],
    ] as const) {
      const source = fileTokens({ path, width, begin: 1, length: 4, maximum });
      expect(read(source, 0, 4)).toEqual([maximum, 2, 3, 4]);
      expect(read(source, 2, 1)).toEqual([3]);
      expect(() => read(source, 2, 3)).toThrow('3 from position 2 on, but there are 4');
      source.close();
      source.close();
      expect(() => read(source, 0, 1)).toThrow('was closed');
    }
  });
  test('a file that is too short is refused, when it is opened or later', () => {
    const path = file('cut', Uint16Array.of(1, 2, 3, 4));
    expect(() => fileTokens({ path, width: 2, begin: 0, length: 5, maximum: 9 })).toThrow('8 bytes, needs 10');
    const source = fileTokens({ path, width: 2, begin: 0, length: 4, maximum: 9 });
    truncateSync(path, 5);
    expect(read(source, 0, 2)).toEqual([1, 2]);
    expect(() => read(source, 1, 3)).toThrow('was cut short');
    source.close();
  });
  test('an id above the largest written is refused: the file was changed', () => {
    const source = fileTokens({
      path: file('odd', Int32Array.of(1, -1, 7)),
      width: 4,
      begin: 0,
      length: 3,
      maximum: 5,
    });
    expect(read(source, 0, 1)).toEqual([1]);
    expect(() => read(source, 1, 1)).toThrow('id -1');
    expect(() => read(source, 2, 1)).toThrow('id 7 is above 5');
    source.close();
  });
});
