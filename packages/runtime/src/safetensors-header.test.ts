import fc from 'fast-check';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { bytesOf } from './dtypes.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';
import { SafetensorsError } from './safetensors-header.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;
const fresh = (): string => join(folder, `${serial++}.safetensors`);

/** A file from any header text, for headers that no writer makes. */
function raw(header: string | Uint8Array, data = 0, length?: bigint): string {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  const path = fresh();
  writeFileSync(path, bytes);
  return path;
}
const refused = (path: string, message: RegExp): Promise<void> =>
  expect(readSafetensors(path)).rejects.toSatisfy((error) => {
    expect(error).toBeInstanceOf(SafetensorsError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message.length).toBeLessThan(1000);
    return true;
  });
const entry = (o: object = {}): object => ({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...o });

describe('a hostile file is a SafetensorsError', () => {
  test.each([
    ['an empty file', '', /0 bytes/],
    ['7 bytes', '1234567', /7 bytes/],
    ['text', 'Dear reader, this is a plain text file.', /the header should be \d+ bytes long, but \d+ follow/],
  ])('%s', async (_, text, message) => {
    const path = fresh();
    writeFileSync(path, text);
    await refused(path, message);
  });

  test('a folder', async () => {
    const path = fresh();
    mkdirSync(path);
    if (process.platform !== 'win32') await refused(path, /not a file/);
  });

  test.each([
    ['2^60 bytes of header', 2n ** 60n],
    ['2^64 - 1 bytes of header', 2n ** 64n - 1n],
    ['2^63 bytes of header', 2n ** 63n],
    ['one byte more of header than the file has', 3n],
  ])('%s', async (_, length) => {
    const before = process.memoryUsage().arrayBuffers;
    await refused(raw('{}', 0, length), /the header should be \d+ bytes long, but 2 follow/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  test('a header over the limit, in a file that long', async () => {
    const path = raw('{}', 0, 100_000_001n);
    truncateSync(path, 100_000_100);
    await refused(path, /more than 100000000 are never read/);
    rmSync(path);
  });

  test.each([
    ['no header', '', /does not begin with \{/],
    ['an array', '[]', /does not begin with \{/],
    ['null', 'null', /does not begin with \{/],
    ['a space first', ' {}', /does not begin with \{/],
    ['no JSON', '{"a":', /not JSON/],
    ['a string that doesn’t end', '{"a', /not JSON/],
    ['an escape at the end', '{"a\\', /not JSON/],
    ['something after the object', '{}x', /not JSON/],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7b, 0x7d, 0x7d), /not UTF-8/],
    ['a byte order mark', '\uFEFF{}', /does not begin with \{/],
    ['a million nested arrays', `{"a":${'['.repeat(1e6)}`, /nested 1000001 deep/],
    ['a million nested objects', `${'{"a":'.repeat(1e6)}0${'}'.repeat(1e6)}`, /nested 1000000 deep/],
    ['millions of values', `{"a":[${'0,'.repeat(5e6)}0]}`, /5000005 braces, brackets, colons and commas/],
    ['a tensor that is null', '{"a":null}', /tensor "a": is null; needs an object/],
    ['a tensor that is a number', '{"a":1}', /tensor "a": is 1/],
    ['a tensor that is an array', '{"a":[]}', /tensor "a": is \[\]/],
    ['a tensor called __proto__ that is a text', '{"__proto__":"x"}', /tensor "__proto__": is "x"/],
    ['notes that are an array', '{"__metadata__":[]}', /__metadata__ is \[\]/],
    ['a note that is a number', '{"__metadata__":{"a":1}}', /__metadata__ has 1 for "a"/],
  ])('%s', async (_, header, message) => refused(raw(header), message));

  test.each([
    ['no dtype', { dtype: undefined }, /dtype missing is unknown/],
    ['an unknown dtype', { dtype: 'F8_E4M3' }, /dtype "F8_E4M3" is unknown; known are F64, F32/],
    ['a dtype by another object’s name', { dtype: 'constructor' }, /dtype "constructor" is unknown/],
    ['a dtype that is a number', { dtype: 1 }, /dtype 1 is unknown/],
    ['no shape', { shape: undefined }, /shape missing/],
    ['a negative axis', { shape: [-2] }, /shape \[-2\]; needs a list of whole numbers/],
    ['two negative axes', { shape: [-1, -2] }, /shape \[-1,-2\]/],
    ['half an axis', { shape: [0.5, 4] }, /shape \[0.5,4\]/],
    ['an axis that is a text', { shape: ['2'] }, /shape \["2"\]/],
    ['an axis of 2^53', { shape: [2 ** 53] }, /whole numbers/],
    ['axes whose product is 2^64', { shape: [2 ** 32, 2 ** 32] }, /larger than any file/],
    ['axes whose product overflows to what fits', { shape: [2 ** 52, 2 ** 12, 2] }, /larger than any file/],
    ['a shape larger than its bytes', { shape: [3] }, /F32 \(3\) needs 12 bytes, but data_offsets \[0,8\] hold 8/],
    ['a shape smaller than its bytes', { shape: [1] }, /needs 4 bytes/],
    ['another type’s bytes', { dtype: 'F64' }, /F64 \(2\) needs 16 bytes/],
    ['a scalar of two values', { shape: [] }, /needs 4 bytes/],
    ['a shape that is an object', { shape: { length: 1 } }, /shape \{"length":1\}/],
    ['no offsets', { data_offsets: undefined }, /data_offsets missing/],
    ['one offset', { data_offsets: [0] }, /needs two whole numbers/],
    ['three offsets', { data_offsets: [0, 8, 8] }, /needs two whole numbers/],
    ['negative offsets', { data_offsets: [-8, 0] }, /needs two whole numbers/],
    ['fractional offsets', { data_offsets: [0.5, 8.5] }, /needs two whole numbers/],
    ['offsets that are texts', { data_offsets: ['0', '8'] }, /needs two whole numbers/],
    ['offsets that end before they begin', { data_offsets: [8, 0] }, /end before they begin/],
    ['offsets past the end', { shape: [3], data_offsets: [0, 12] }, /go past the end: the file holds 8 bytes/],
    ['offsets of 2^53 - 1', { data_offsets: [2 ** 53 - 9, 2 ** 53 - 1] }, /go past the end/],
    ['offsets of 1e300', { data_offsets: [0, 1e300] }, /needs two whole numbers/],
    [
      'a hole at the start',
      { shape: [1], data_offsets: [4, 8] },
      /4 bytes at the start of the data belong to no tensor/,
    ],
    [
      'a hole at the end',
      { shape: [1], data_offsets: [0, 4] },
      /4 bytes after the last tensor, "a", belong to no tensor/,
    ],
  ])('%s', async (_, change, message) => {
    await readSafetensors(raw(JSON.stringify({ a: entry() }), 8)); // right without the change
    await refused(raw(JSON.stringify({ a: entry(change) }), 8), message);
  });

  test('a name of any length is cut in the message', () =>
    refused(raw(JSON.stringify({ [`x${'y'.repeat(100_000)}`]: 1 })), /tensor "xy{76}…": is 1/));

  test('tensors that overlap, and a hole between two', async () => {
    const two = (begin: number, size: number): string =>
      JSON.stringify({
        a: entry(),
        b: entry({ data_offsets: [begin, begin + 8] }),
        c: entry({ shape: [size - begin - 8], dtype: 'U8', data_offsets: [begin + 8, size] }),
      });
    await readSafetensors(raw(two(8, 24), 24));
    await refused(raw(two(4, 24), 24), /tensor "b": overlaps "a", which ends at 8; this one begins at 4/);
    await refused(raw(two(0, 24), 24), /tensor "b": overlaps "a"/);
    await refused(raw(two(12, 24), 24), /tensor "b": 4 bytes after "a" belong to no tensor/);
  });

  test('an empty tensor inside another', () =>
    refused(raw(JSON.stringify({ a: entry(), b: entry({ shape: [0], data_offsets: [4, 4] }) }), 8), /overlaps/));

  test.each([
    ['a tensor twice', `{"a":${JSON.stringify(entry())},"a":${JSON.stringify(entry())}}`, /the key "a" twice/],
    [
      'a tensor twice, once escaped',
      `{"\\u0061":${JSON.stringify(entry())},"a":${JSON.stringify(entry())}}`,
      /the key "a" twice/,
    ],
    [
      'a tensor’s shape twice',
      '{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}',
      /the key "shape" twice/,
    ],
    ['a note twice', `{"__metadata__":{"n":"1","n":"2"},"a":${JSON.stringify(entry())}}`, /the key "n" twice/],
    [
      'notes twice',
      `{"__metadata__":{},"a":${JSON.stringify(entry())},"__metadata__":{}}`,
      /the key "__metadata__" twice/,
    ],
  ])('%s', async (_, header, message) => refused(raw(header, 8), message));

  test('names that only look alike are two tensors', async () => {
    const b = entry({ data_offsets: [8, 16] });
    const { tensors } = await readSafetensors(
      raw(JSON.stringify({ 'a"': entry(), 'a\\"': b, '__proto__ ': entry({ data_offsets: [16, 24] }) }), 24),
    );
    expect([...tensors.keys()]).toEqual(['a"', 'a\\"', '__proto__ ']);
  });

  test('a tensor that doesn’t begin at a multiple of its size is read all the same', async () => {
    const header = JSON.stringify({
      a: entry({ dtype: 'U8', shape: [1], data_offsets: [0, 1] }),
      b: entry({ data_offsets: [1, 9] }),
    });
    for (const pad of ['', ' ', '   ']) {
      const path = raw(header + pad, 9);
      const file = readFileSync(path);
      file.set(bytesOf(Float32Array.of(1.5, -2)), file.length - 8);
      writeFileSync(path, file);
      expect((await readSafetensors(path)).tensors.get('b')!.data).toEqual(Float32Array.of(1.5, -2));
    }
  });

  // A file that says truly that it is 4 TB: no array is that long.
  test('a tensor larger than any memory', async ({ skip }) => {
    const size = 2 ** 42;
    const path = raw(JSON.stringify({ a: { dtype: 'F32', shape: [size / 4], data_offsets: [0, size] } }));
    try {
      truncateSync(path, readFileSync(path).length + size);
    } catch {
      return skip('this file system has no files of 4 TB');
    }
    await refused(path, /tensor "a": no memory for its 4398046511104 bytes/);
    rmSync(path);
  });

  const sound = async (): Promise<Uint8Array> => {
    const path = fresh();
    await writeSafetensors(
      path,
      new Map<string, HostTensor>([
        ['weight', hostTensor(Float32Array.of(1, 2, 3, 4), [2, 2])],
        ['bias', hostTensor(Uint16Array.of(1, 2), [2], 'bfloat16')],
        ['n', hostTensor(BigInt64Array.of(7n), [])],
      ]),
      { metadata: { format: 'pt' } },
    );
    return readFileSync(path);
  };

  test('cut short at every byte', async () => {
    const bytes = await sound();
    for (let n = 0; n < bytes.length; n++) {
      const path = join(folder, 'cut');
      writeFileSync(path, bytes.subarray(0, n));
      await refused(path, /./);
    }
  });

  test('bytes changed, put in, and taken out anywhere: an error, or tensors that fill their shapes', async () => {
    const bytes = await sound();
    let read = 0;
    const change = fc.record({
      at: fc.nat(bytes.length - 1),
      remove: fc.nat(3),
      insert: fc.uint8Array({ maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let damaged: number[] = [...bytes];
        for (const { at, remove, insert } of changes)
          damaged = [...damaged.slice(0, at), ...insert, ...damaged.slice(at + remove)];
        const path = join(folder, 'damaged');
        writeFileSync(path, Uint8Array.from(damaged));
        try {
          const { tensors } = await readSafetensors(path, { widen: true });
          read++;
          for (const { data, shape } of tensors.values()) expect(data.length).toBe(shape.reduce((n, d) => n * d, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
      { numRuns: 1000 },
    );
    expect(read).toBeLessThan(1000);
  });

  test('cut short while it is read', async () => {
    const path = fresh();
    await writeSafetensors(
      path,
      new Map([
        ['a', hostTensor(new Float32Array(2))],
        ['b', hostTensor(new Float32Array(2))],
      ]),
    );
    const length = readFileSync(path).length;
    await expect(readSafetensors(path, { onProgress: () => truncateSync(path, length - 5) })).rejects.toThrow(
      'tensor "b" ends after 3 of 8 bytes; the file was cut short',
    );
  });

  test('a file that isn’t there is the file system’s error', async () => {
    await expect(readSafetensors(join(folder, 'none'))).rejects.toThrow('ENOENT');
  });
});
