// Text files named on the command line: checked before any work, and read as a stream.
import { createReadStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { CliError, usage } from './errors.ts';

/** Bytes of all files. @throws where one is missing or isn't a file. */
export function sizeOfFiles(files: readonly string[]): number {
  let bytes = 0;
  for (const path of files) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) throw usage(`there is no file ${path}`);
    if (found.isDirectory()) throw usage(`${path} is a folder`, `name the text files in it: ${path}/*.txt`);
    bytes += found.size;
  }
  return bytes;
}

/** The text of files, one after another, in pieces. @throws where one isn't UTF-8. */
export async function* readTextFiles(files: readonly string[], signal?: AbortSignal): AsyncGenerator<string> {
  for (const path of files) {
    const bytes = Readable.toWeb(createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) }));
    try {
      yield* bytes.pipeThrough(new TextDecoderStream('utf-8', { fatal: true }));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new CliError(`${path} is not text in UTF-8`, { cause, hint: `iconv -t UTF-8 ${path}` });
    }
  }
}
