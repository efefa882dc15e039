import { describe, expect, test } from 'vitest';
import { encodeStream } from './encode-stream.ts';
import type { Encoder } from './token-data.ts';

// A word and a space before it are one token, as in GPT-2, and so are other spaces in a row.
const words: Encoder = {
  encode: (text) => ({ ids: (text.match(/ ?\S+|\s+(?!\S)|\s/g) ?? []).map(hash) }),
};
// Marks the beginning of every text it is given: no cut is safe.
const marked: Encoder = { encode: (text) => ({ ids: [0, ...(words.encode(text).ids as number[])] }) };
const characters: Encoder = { encode: (text) => ({ ids: [...text].map((c) => c.codePointAt(0)!) }) };
function hash(s: string): number {
  let h = 7;
  for (const c of s) h = (Math.imul(h, 31) + c.codePointAt(0)!) & 0xfffffff;
  return h;
}

function* pieces(text: string, size: number): Generator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}
async function ids(text: string, encoder: Encoder, part: number, size: number): Promise<number[][]> {
  const parts: number[][] = [];
  for await (const p of encodeStream(pieces(text, size), encoder, { part })) parts.push(Array.from(p));
  return parts;
}
const text = Array.from(
  { length: 400 },
  (_, i) => `${' '.repeat(i % 3)}line ${i}  of\tmany 😀 é${i % 7 ? '\n' : '\n\n'}`,
).join('');

describe('encodeStream', () => {
  test('gives the ids of the whole text, however it comes and is cut', async () => {
    for (const encoder of [words, characters])
      for (const part of [20, 100, 1000, 1e6])
        for (const size of [1, 7, 333, 1e6]) {
          if (size === 1 && part === 20) continue;
          const parts = await ids(text, encoder, part, size);
          expect(parts.flat()).toEqual(encoder.encode(text).ids);
          if (part < 1000) expect(parts.length).toBeGreaterThan(5);
        }
  });
  test('a tokenizer that has no safe place to cut gets the whole text', async () => {
    const parts = await ids(text, marked, 100, 50);
    expect(parts).toHaveLength(1);
    expect(parts[0]).toEqual(marked.encode(text).ids);
  });
  test('a text without lines is encoded whole', async () => {
    const long = 'word '.repeat(2000);
    expect((await ids(long, words, 100, 64)).flat()).toEqual(words.encode(long).ids);
  });
  test('no text, no ids', async () => {
    expect(await ids('', words, 10, 10)).toEqual([]);
  });
});
