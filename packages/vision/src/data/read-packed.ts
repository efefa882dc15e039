// Files of many images: what is common to the ways in which they are stored.
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { fileSize } from '../images/file-size.ts';

const unzip = promisify(gunzip);
/** The most that a file of images may hold, 2 GiB: a larger one isn't read, and a compressed one not unpacked. */
const mostBytes = 2 ** 31;

/** A file's bytes, unpacked where it is gzip. @throws where it is missing, or larger than is read here. */
export async function readBytes(path: string): Promise<Uint8Array> {
  const size = await fileSize(path, 'a file of images');
  if (size > mostBytes) throw new Error(`${path}: ${size} bytes are more than ${mostBytes}; split the file`);
  const bytes = await readFile(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await unzip(bytes, { maxOutputLength: mostBytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `${path}: it unpacks to more than ${mostBytes} bytes; split the file`
        : `${path}: it isn't whole, or no gzip file: ${message}`,
      { cause: error },
    );
  }
}

/** Bytes in memory that threads share. */
export function shared(length: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(length));
}
