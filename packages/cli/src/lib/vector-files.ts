// Vectors as files: numpy's .npy (https://numpy.org/neps/nep-0001-npy-format.html), written as they come, and safetensors.
import type { FileHandle } from 'node:fs/promises';

/** Rows of numbers of one type. */
export type Row = Float32Array | Int8Array | Uint8Array;

const descriptions = new Map<string, string>([
  ['Float32Array', '<f4'],
  ['Int8Array', '|i1'],
  ['Uint8Array', '|u1'],
]);
// Room for any number of rows: it is known only at the end.
const headerBytes = 128;

/** The head of an .npy file of `rows` by `width` values like those of an array. */
export function npyHeader(type: string, rows: number, width: number): Uint8Array {
  const text = `{'descr': '${descriptions.get(type)}', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const bytes = new Uint8Array(headerBytes).fill(0x20);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, (headerBytes - 10) & 255, (headerBytes - 10) >> 8]);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[headerBytes - 1] = 0x0a;
  return bytes;
}

/** Writes rows to an .npy file, whole or not at all, and gives how many there were. `empty` says what none would be. */
export async function writeNpy(path: string, rows: AsyncIterable<Row>, empty: Row): Promise<number> {
  const { writeAtomic } = await import('@brickwork/runtime');
  let count = 0;
  await writeAtomic(path, async (file) => {
    let at = headerBytes;
    let [type, width] = [empty.constructor.name, empty.length];
    for await (const row of rows) {
      [type, width] = [row.constructor.name, row.length];
      await put(file, new Uint8Array(row.buffer, row.byteOffset, row.byteLength), at);
      at += row.byteLength;
      count++;
    }
    await put(file, npyHeader(type, count, width), 0);
  });
  return count;
}

async function put(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Writes rows as the tensor `embeddings` (N, D) of a safetensors file, and gives how many there were. */
export async function writeVectorTensor(path: string, rows: AsyncIterable<Row>, empty: Row): Promise<number> {
  const { hostTensor, writeSafetensors } = await import('@brickwork/runtime');
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  const D = (all[0] ?? empty).length;
  const data = new (empty.constructor as new (length: number) => Row)(all.length * D);
  all.forEach((row, i) => data.set(row, i * D));
  await writeSafetensors(path, new Map([['embeddings', hostTensor(data, [all.length, D])]]));
  return all.length;
}
