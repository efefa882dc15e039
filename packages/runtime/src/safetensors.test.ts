import fc from 'fast-check';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { DType } from '@brickwork/graph';
import { arrayOf, bytesOf } from './dtypes.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';
import { fileTypes } from './safetensors-header.ts';
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from './safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;
const fresh = (): string => join(folder, `${serial++}.safetensors`);

/** What the format's own reader demands (github.com/huggingface/safetensors), read with nothing of ours. */
function byTheBook(path: string): Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  expect(length).toBeLessThan(100_000_000);
  expect(file[8]).toBe('{'.charCodeAt(0));
  expect((8 + length) % 8).toBe(0);
  const { __metadata__, ...entries } = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  expect(Object.values(__metadata__ ?? {}).every((v) => typeof v === 'string')).toBe(true);
  const sizes: Record<string, number> = {
    F64: 8,
    F32: 4,
    F16: 2,
    BF16: 2,
    I64: 8,
    I32: 4,
    I16: 2,
    I8: 1,
    U64: 8,
    U32: 4,
    U16: 2,
    U8: 1,
    BOOL: 1,
  };
  let at = 0;
  for (const {
    dtype,
    shape,
    data_offsets: [begin, end],
  } of Object.values(entries)) {
    expect(begin).toBe(at); // in order, without holes
    expect(end - begin).toBe(shape.reduce((n, d) => n * d, sizes[dtype]!));
    expect((8 + length + begin) % sizes[dtype]!).toBe(0); // can be mapped
    at = end;
  }
  expect(8 + length + at).toBe(file.length);
  return Object.fromEntries(
    Object.entries(entries).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [b, e],
        },
      ]) => [name, { dtype, shape, bytes: file.subarray(8 + length + b, 8 + length + e) }],
    ),
  );
}

const dtypes = Object.values(fileTypes);
const anyTensor = fc
  .tuple(
    fc.constantFrom(...dtypes),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
  )
  .map(([dtype, shape, stream]): HostTensor => {
    const size = shape.reduce((n, d) => n * d, 1);
    const data = new arrayOf[dtype](size);
    const bytes = bytesOf(data);
    for (let i = 0; i < bytes.length; i++) bytes[i] = stream.next().value!;
    return { data, shape, dtype };
  });

describe('what is written is read', () => {
  test.each(dtypes)('%s: every bit comes back, in any shape', async (dtype) => {
    const type = arrayOf[dtype];
    const random = bytesOf(new type(24));
    for (let i = 0; i < random.length; i++) random[i] = (i * 197 + 255) & 255;
    const data = new type(random.buffer, 0, 24);
    const tensors = new Map<string, HostTensor>([
      ['matrix', { data, shape: [2, 3, 4], dtype }],
      ['scalar', { data: data.slice(0, 1), shape: [], dtype }],
      ['none', { data: new type(0), shape: [3, 0, 2], dtype }],
      ['view', { data: data.subarray(3, 5), shape: [2], dtype }],
    ]);
    const path = fresh();
    await writeSafetensors(path, tensors);
    const { tensors: read } = await readSafetensors(path);
    expect([...read.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { data, shape }] of tensors) {
      expect(read.get(name)!.dtype).toBe(dtype);
      expect(read.get(name)!.shape).toEqual(shape);
      expect(read.get(name)!.data.constructor).toBe(type);
      expect(bytesOf(read.get(name)!.data)).toEqual(bytesOf(data));
    }
    byTheBook(path);
  });

  test('any tensors under any names, by the rules of the format’s own reader', async () => {
    const names = fc.string({ unit: 'binary' }).filter((n) => n !== '__metadata__');
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(names, anyTensor, { maxKeys: 8 }),
        fc.option(fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))),
        async (tensors, metadata) => {
          const path = fresh();
          await writeSafetensors(path, new Map(Object.entries(tensors)), metadata ? { metadata } : {});
          const book = byTheBook(path);
          const read = await readSafetensors(path);
          expect([...read.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
          for (const [name, { data, shape, dtype }] of Object.entries(tensors)) {
            const back = read.tensors.get(name)!;
            expect([back.dtype, back.shape]).toEqual([dtype, shape]);
            expect(bytesOf(back.data)).toEqual(bytesOf(data));
            expect(fileTypes[book[name]!.dtype]).toBe(dtype);
            expect(Buffer.compare(book[name]!.bytes, bytesOf(data))).toBe(0);
          }
          expect(Object.entries(read.metadata)).toEqual(Object.entries(metadata ?? {}));
          rmSync(path);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('payloads of NaN, -0 and subnormal values are kept', async () => {
    const bits = Uint32Array.of(0x7f800001, 0xffc12345, 0x7fffffff, 0x80000000, 1, 0x807fffff);
    const path = fresh();
    await writeSafetensors(path, new Map([['x', hostTensor(new Float32Array(bits.buffer))]]));
    expect(new Uint32Array((await readSafetensors(path)).tensors.get('x')!.data.buffer)).toEqual(bits);
  });

  test('no tensors, and notes', async () => {
    const path = fresh();
    await writeSafetensors(path, new Map(), { metadata: { format: 'pt', ünïcode: '✓"\\' } });
    expect(await readSafetensors(path)).toEqual({ tensors: new Map(), metadata: { format: 'pt', ünïcode: '✓"\\' } });
    byTheBook(path);
  });

  test('the same tensors give the same bytes', async () => {
    const tensors = new Map([
      ['b', hostTensor(Int8Array.of(1))],
      ['a', hostTensor(Float64Array.of(1))],
      ['c', hostTensor(Int8Array.of(2))],
    ]);
    const [one, two] = [fresh(), fresh()];
    await writeSafetensors(one, tensors);
    await writeSafetensors(two, new Map(tensors));
    expect(readFileSync(one)).toEqual(readFileSync(two));
    expect([...(await readSafetensors(one)).tensors.keys()]).toEqual(['a', 'b', 'c']);
  });
});

describe('reading a part', () => {
  const path = join(folder, 'part.safetensors');
  const ready = writeSafetensors(
    path,
    new Map([
      ['a', hostTensor(Float32Array.of(1, 2))],
      ['b', hostTensor(Float32Array.of(3))],
      ['c', hostTensor(Int8Array.of(4))],
    ]),
    { metadata: { note: 'x' } },
  );

  test('tensors by name, or by a test of their names', async () => {
    await ready;
    expect([...(await readSafetensors(path, { names: ['b'] })).tensors]).toEqual([
      ['b', hostTensor(Float32Array.of(3))],
    ]);
    expect([...(await readSafetensors(path, { names: (n) => n !== 'b' })).tensors.keys()]).toEqual(['a', 'c']);
  });

  test('a name that isn’t there is refused with those that are', async () => {
    await ready;
    await expect(readSafetensors(path, { names: ['a', 'z'] })).rejects.toThrow(
      `${path}: no tensor "z"; there are 3 ("a", "b", "c")`,
    );
  });

  test('the header alone', async () => {
    await ready;
    const { tensors, metadata } = await readSafetensorsHeader(path);
    expect(tensors.get('b')).toEqual({ dtype: 'float32', shape: [1], begin: 8, end: 12 });
    expect(metadata).toEqual({ note: 'x' });
  });

  test('progress goes up to the bytes of what was asked for', async () => {
    await ready;
    const seen: [number, number][] = [];
    await readSafetensors(path, { names: ['a', 'c'], onProgress: (...p) => seen.push(p) });
    expect(seen).toEqual([
      [8, 9],
      [9, 9],
    ]);
  });

  test('a tensor beyond 4 GB of others, which take no memory', async ({ skip }) => {
    const large = fresh();
    const size = 2 ** 32 + 16;
    const header = JSON.stringify({
      before: { dtype: 'U8', shape: [size], data_offsets: [0, size] },
      last: { dtype: 'F32', shape: [2], data_offsets: [size, size + 8] },
    });
    const file = Buffer.alloc(8 + header.length);
    file.writeBigUInt64LE(BigInt(header.length));
    file.write(header, 8);
    writeFileSync(large, file);
    try {
      truncateSync(large, file.length + size); // a hole, which takes no disk
    } catch {
      return skip('this file system has no files of 4 GB');
    }
    appendFileSync(large, bytesOf(Float32Array.of(1.5, -2)));
    const { tensors } = await readSafetensors(large, { names: ['last'] });
    expect([...tensors]).toEqual([['last', hostTensor(Float32Array.of(1.5, -2))]]);
    rmSync(large);
  });

  test('an abort ends it with the signal’s reason', async () => {
    await ready;
    await expect(readSafetensors(path, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    await expect(
      writeSafetensors(join(folder, 'aborted'), new Map(), { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
    const controller = new AbortController();
    await expect(
      readSafetensors(path, { signal: controller.signal, onProgress: () => controller.abort(new Error('now')) }),
    ).rejects.toThrow('now');
    expect(readdirSync(folder).filter((n) => n.includes('aborted'))).toEqual([]);
  });

  test('halves come widened where asked for', async () => {
    const halves = fresh();
    await writeSafetensors(
      halves,
      new Map([
        ['f', hostTensor(Uint16Array.of(0x3c00, 0xc000, 0x7c00), [3], 'float16')],
        ['b', hostTensor(Uint16Array.of(0x3f80, 0xc000, 0x7f80), [1, 3], 'bfloat16')],
        ['i', hostTensor(Int16Array.of(1))],
      ]),
    );
    const { tensors } = await readSafetensors(halves, { widen: true });
    expect(tensors.get('f')).toEqual({ data: Float32Array.of(1, -2, Infinity), shape: [3], dtype: 'float32' });
    expect(tensors.get('b')).toEqual({ data: Float32Array.of(1, -2, Infinity), shape: [1, 3], dtype: 'float32' });
    expect(tensors.get('i')!.dtype).toBe('int16');
    expect((await readSafetensors(halves)).tensors.get('f')).toEqual({
      data: Uint16Array.of(0x3c00, 0xc000, 0x7c00),
      shape: [3],
      dtype: 'float16',
    });
  });
});

describe('what can’t be written is refused, and leaves the old file', () => {
  const path = join(folder, 'old.safetensors');
  const ready = writeSafetensors(path, new Map([['old', hostTensor(Float32Array.of(1))]]));
  test.each<[string, [string, HostTensor], object, RegExp]>([
    [
      'a tensor called __metadata__',
      ['__metadata__', hostTensor(Float32Array.of(1))],
      {},
      /keeps that name for itself/,
    ],
    ['half a character in a name', ['\ud800', hostTensor(Float32Array.of(1))], {}, /holds half a character/],
    [
      'too few values',
      ['x', { data: Float32Array.of(1), shape: [2], dtype: 'float32' }],
      {},
      /tensor "x": 1 values don't fill \(2\), which holds 2/,
    ],
    [
      'another type’s array',
      ['x', { data: Float32Array.of(1), shape: [1], dtype: 'float16' }],
      {},
      /the data is Float32Array; float16 needs Uint16Array/,
    ],
    [
      'an unknown type',
      ['x', { data: Float32Array.of(1), shape: [1], dtype: 'float8' as DType }],
      {},
      /the type float8 is unknown/,
    ],
    ['half an axis', ['x', { data: Float32Array.of(1), shape: [0.5, 2], dtype: 'float32' }], {}, /has the axis 0.5/],
    [
      'a note that is a number',
      ['x', hostTensor(Float32Array.of(1))],
      { metadata: { step: 3 } },
      /metadata "step" is number; needs a text/,
    ],
  ])('%s', async (_, tensor, options, message) => {
    await ready;
    const before = readdirSync(folder);
    await expect(writeSafetensors(path, new Map([tensor]), options)).rejects.toThrow(message);
    expect([...(await readSafetensors(path)).tensors.keys()]).toEqual(['old']);
    expect(readdirSync(folder)).toEqual(before);
  });

  test('a write that fails half-way', async () => {
    await ready;
    const before = readdirSync(folder);
    const stop = (done: number): void => {
      if (done > 200) throw new Error('disk full');
    };
    await expect(
      writeSafetensors(
        path,
        new Map([
          ['a', hostTensor(new Float32Array(99))],
          ['b', hostTensor(new Float32Array(99))],
        ]),
        { onProgress: stop },
      ),
    ).rejects.toThrow('disk full');
    expect([...(await readSafetensors(path)).tensors.keys()]).toEqual(['old']);
    expect(readdirSync(folder)).toEqual(before);
  });
});

// Files that Python's safetensors wrote from PyTorch.
const shared = fileURLToPath(new URL('../../../../shared/fixtures/', import.meta.url));
describe.skipIf(!existsSync(shared))('the reference files in ../shared', () => {
  const files = existsSync(shared)
    ? readdirSync(shared, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.safetensors'))
    : [];
  test('there are some', () => expect(files.length).toBeGreaterThan(10));
  test('all are read, and written again to the same tensors', async () => {
    for (const file of files) {
      const { tensors, metadata } = await readSafetensors(join(shared, file));
      const book = byTheBook(join(shared, file));
      expect(Object.keys(book).sort()).toEqual([...tensors.keys()].sort());
      for (const [name, { dtype, shape, bytes }] of Object.entries(book)) {
        const tensor = tensors.get(name)!;
        expect([tensor.dtype, tensor.shape]).toEqual([fileTypes[dtype], shape]);
        expect(Buffer.compare(bytesOf(tensor.data), bytes), `${file} ${name}`).toBe(0);
      }
      const copy = fresh();
      await writeSafetensors(copy, tensors, { metadata });
      const again = byTheBook(copy);
      for (const [name, { dtype, shape, bytes }] of Object.entries(book)) {
        expect([again[name]!.dtype, again[name]!.shape]).toEqual([dtype, shape]);
        expect(Buffer.compare(again[name]!.bytes, bytes)).toBe(0);
      }
      rmSync(copy);
    }
  });
});
