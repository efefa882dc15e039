// Text files of any size, read as one text in pieces.
import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** What goes with reading. */
export interface ReadTextOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is fed every byte. */
  readonly hash?: Hash;
}

/**
 * The text of a file in UTF-8, in pieces that split no character. A byte order mark at the beginning is left out; a file
 * called `.gz` is unpacked.
 *
 * @throws where there is no such file, or it isn't UTF-8, or not packed as its name says.
 */
export async function* readText(path: string, { signal, hash }: ReadTextOptions = {}): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let done = 0;
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (cause) {
      const where = bytes ? `between bytes ${done} and ${done + bytes.length}` : 'at its end';
      throw new Error(`corpus: ${path} is not UTF-8 text (${where}); convert it first, for example with iconv`, {
        cause,
      });
    }
  };
  try {
    const file = createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) });
    // An error of either ends the iteration; the callback is only there so that none goes unheard.
    const chunks = path.endsWith('.gz') ? pipeline(file, createGunzip({ chunkSize: 2 ** 20 }), () => {}) : file;
    for await (const chunk of chunks) {
      const bytes = chunk as Buffer;
      hash?.update(bytes);
      const text = decode(bytes);
      done += bytes.length;
      if (text) yield text;
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`corpus: no file ${path}`, { cause });
    if (code?.startsWith('Z_')) throw new Error(`corpus: ${path} is not a gzip file (${code})`, { cause });
    if (code === 'EISDIR') throw new Error(`corpus: ${path} is a folder; name the text files in it`, { cause });
    throw cause;
  }
  const rest = decode();
  if (rest) yield rest;
}
