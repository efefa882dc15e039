// Files of a tar archive (POSIX ustar, and GNU's long names), read without another program.
import { gunzipSync } from 'node:zlib';

/** The plain files of a gzipped archive by path. */
export function untar(archive: Uint8Array): Map<string, Uint8Array> {
  const bytes = gunzipSync(archive);
  const text = (from: number, length: number): string =>
    bytes.toString('utf8', from, from + length).replace(/\0[^]*$/, '');
  const files = new Map<string, Uint8Array>();
  // A header of 512 bytes (name, size in octal, type, and a prefix of the name), then the file in blocks of 512.
  // GNU's tar puts a name of more than 100 bytes in an entry of type L before its file, and has no prefix.
  let long = '';
  for (let at = 0; at + 512 <= bytes.length && bytes[at];) {
    const size = parseInt(text(at + 124, 12), 8);
    const prefix = bytes[at + 262] ? '' : text(at + 345, 155);
    const name = long || `${prefix && `${prefix}/`}${text(at, 100)}`;
    const type = text(at + 156, 1);
    long = type === 'L' ? text(at + 512, size) : '';
    if (type === '0' || type === '') files.set(name.replace(/^\.\//, ''), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
