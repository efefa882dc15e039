// Word vectors as files that word2vec, GloVe, fastText and gensim read.
import { writeAtomic } from '@brickwork/runtime';
import type { WordVectors } from './word-vectors.ts';

/** `text`: word2vec's and fastText's, with a first line; `glove`: without; `binary`: word2vec's. */
export type WordFileFormat = 'text' | 'glove' | 'binary';

/** The format that a name asks for: .bin is binary, all else (.vec, .txt) text. */
export const wordFormatOf = (path: string): WordFileFormat => (/\.bin$/i.test(path) ? 'binary' : 'text');

/**
 * Writes a file, whole or not at all. As text, each value has as many digits as tell its float32 from all others.
 *
 * @throws where a word is empty or has a line end, or in a binary file a space: it would be read as another one.
 */
export async function writeWordVectors(
  path: string,
  vectors: WordVectors,
  { format = wordFormatOf(path), signal }: { readonly format?: WordFileFormat; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { words, dimension: D } = vectors;
  const bad = words.find(
    (word) => !word || /[\n\r]/.test(word) || (format === 'binary' ? / /.test(word) : /^\s|\s$/.test(word)),
  );
  if (bad !== undefined) throw new Error(`${path}: the word ${JSON.stringify(bad)} can’t be written as ${format}`);
  await writeAtomic(path, async (file) => {
    let parts: Uint8Array[] = [];
    let bytes = 0;
    const put = async (part: Uint8Array | string): Promise<void> => {
      const own = typeof part === 'string' ? Buffer.from(part) : part;
      parts.push(own);
      if ((bytes += own.length) < 2 ** 20) return;
      signal?.throwIfAborted();
      await flush();
    };
    const flush = async (): Promise<void> => {
      const all = Buffer.concat(parts);
      [parts, bytes] = [[], 0];
      for (let done = 0; done < all.length;) done += (await file.write(all, done)).bytesWritten;
    };
    if (format !== 'glove') await put(`${words.length} ${D}\n`);
    for (const [i, word] of words.entries()) {
      const row = vectors.vectors.subarray(i * D, (i + 1) * D);
      if (format === 'binary') {
        await put(`${word} `);
        await put(new Uint8Array(Float32Array.from(row).buffer));
        await put('\n');
      } else await put(`${word} ${Array.from(row, (x) => String(Number(x.toPrecision(9)))).join(' ')}\n`);
    }
    await flush();
  });
}
