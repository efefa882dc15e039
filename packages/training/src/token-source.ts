// A sequence of token ids that may be larger than memory: held in an array, or read in windows from a file of
// little-endian uint16 or uint32. Node can't map files; a positional read of a cached window takes microseconds.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Token ids, numbered from 0. */
export interface TokenSource {
  readonly length: number;
  /** The largest id; -1 where there are none. */
  readonly maximum: number;
  /**
   * Copies `into.length` ids that begin at a position.
   *
   * @throws where the range leaves the sequence, or a file is not what it was.
   */
  read(begin: number, into: Int32Array): void;
  /** Closes the file. */
  close(): void;
}

function checkRange(source: { readonly length: number }, begin: number, count: number): void {
  if (!(Number.isInteger(begin) && begin >= 0 && begin + count <= source.length))
    throw new Error(`tokens: ${count} from position ${begin} on, but there are ${source.length}`);
}

/** A sequence in memory. @throws where an id is no whole number of 31 bits. */
export function memoryTokens(ids: ArrayLike<number>): TokenSource {
  let maximum = -1;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!(Number.isInteger(id) && id >= 0 && id < 2 ** 31))
      throw new Error(`tokens: ${id} at position ${i} is not an id; ids are whole numbers below 2^31`);
    if (id > maximum) maximum = id;
  }
  const isTyped = ids instanceof Uint16Array || ids instanceof Int32Array;
  const data = isTyped ? ids : Int32Array.from(ids);
  return {
    length: data.length,
    maximum,
    read(begin, into) {
      checkRange(this, begin, into.length);
      into.set(data.subarray(begin, begin + into.length));
    },
    close() {},
  };
}

/** Where in a file the ids lie. */
export interface TokenFile {
  readonly path: string;
  /** Bytes of an id. */
  readonly width: 2 | 4;
  /** Position of the first id, in ids. */
  readonly begin: number;
  readonly length: number;
  readonly maximum: number;
}

/** A sequence in a file, which stays open until `close`. @throws where the file is shorter than that. */
export function fileTokens({ path, width, begin: first, length, maximum }: TokenFile): TokenSource {
  const file = openSync(path, 'r');
  const { size } = fstatSync(file);
  if (size < width * (first + length)) {
    closeSync(file);
    throw new Error(`${path}: ${size} bytes, needs ${width * (first + length)}; delete it, and it is made anew`);
  }
  let bytes = new Uint8Array(0);
  let isOpen = true;
  return {
    length,
    maximum,
    read(begin, into) {
      checkRange(this, begin, into.length);
      if (!isOpen) throw new Error(`${path}: was closed`);
      const wanted = width * into.length;
      if (bytes.length < wanted) bytes = new Uint8Array(wanted);
      for (let at = 0; at < wanted;) {
        const count = readSync(file, bytes, at, wanted - at, width * (first + begin) + at);
        if (!count) throw new Error(`${path}: was cut short while it was read`);
        at += count;
      }
      into.set(
        width === 2 ? new Uint16Array(bytes.buffer, 0, into.length) : new Int32Array(bytes.buffer, 0, into.length),
      );
      for (let i = 0; i < into.length; i++)
        if (!(into[i]! >= 0 && into[i]! <= maximum))
          throw new Error(
            `${path}: id ${into[i]} is above ${maximum}, the largest written; delete it, and it is made anew`,
          );
    },
    close() {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}
