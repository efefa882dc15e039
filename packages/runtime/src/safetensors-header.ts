// The header of a safetensors file (https://huggingface.co/docs/safetensors): 8 bytes with its length, then JSON that
// says where each tensor lies. Nothing in it is believed before it is checked: these files come from strangers.
import { show, type DType } from '@brickwork/graph';
import { arrayOf } from './dtypes.ts';
import { duplicateKey, nesting } from './json-keys.ts';

/** A safetensors file that can't be read or written; the message names the file and the tensor. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/** Where a tensor lies in the file's data. */
export interface SafetensorsEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  /** The byte after the last. */
  readonly end: number;
}

/** What a header says: the tensors in its order, and the file's own notes. */
export interface SafetensorsHeader {
  readonly tensors: Map<string, SafetensorsEntry>;
  readonly metadata: Record<string, string>;
}

/** Element types by the names they have in the file. */
export const fileTypes: Readonly<Record<string, DType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
};

/** The longest header that is read; the format's reference implementation has the same limit. */
export const longestHeader = 100_000_000;

// A header's tensors are 3 deep and have about 16 marks each. More is only of use to exhaust a reader's memory: a quarter
// of a million tensors are several times those of the largest models, and these come in shards.
const deepest = 8;
const mostMarks = 2 ** 22;

/** A tensor's name as messages print it: quoted, and not longer than a line. */
export const quote = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}…` : name);

/**
 * Checks the length that a file's first 8 bytes give for its header.
 *
 * @throws SafetensorsError where the header would not fit in the file, or is longer than anyone needs.
 */
export function headerLength(first: Uint8Array, fileSize: number, path: string): number {
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(fileSize) - 8n)
    throw new SafetensorsError(
      `${path}: the header should be ${length} bytes long, but ${fileSize - 8} follow; the file is truncated, or isn't safetensors`,
    );
  if (length > BigInt(longestHeader))
    throw new SafetensorsError(
      `${path}: the header should be ${length} bytes long; more than ${longestHeader} are never read`,
    );
  return Number(length);
}

/**
 * Reads a header and checks all of it: every tensor has a known type, its bytes are as many as its shape needs, and
 * the tensors fill the data from the first byte to the last, with no hole and no overlap.
 *
 * @param dataSize how many bytes follow the header.
 * @throws SafetensorsError naming the file, the tensor and what is wrong.
 */
export function parseHeader(bytes: Uint8Array, dataSize: number, path: string): SafetensorsHeader {
  const fail = (why: string): never => {
    throw new SafetensorsError(`${path}: ${why}`);
  };
  if (bytes[0] !== 0x7b) fail('the header does not begin with {; the file is damaged, or not safetensors');
  let text = '';
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail('the header is not UTF-8 text; the file is damaged, or not safetensors');
  }
  const { depth, marks } = nesting(text);
  if (depth > deepest) fail(`the header's JSON is nested ${depth} deep; more than ${deepest} is never read`);
  if (marks > mostMarks)
    fail(`the header has ${marks} braces, brackets, colons and commas; more than ${mostMarks} are never read`);
  try {
    json = JSON.parse(text);
  } catch (error) {
    fail(`the header is not JSON (${(error as Error).message}); the file is damaged, or not safetensors`);
  }
  if (!isObject(json)) return fail('the header is not a JSON object');
  const tensors = new Map<string, SafetensorsEntry>();
  let metadata: Record<string, string> = {};
  for (const name of Object.keys(json)) {
    const value = json[name];
    if (name === '__metadata__') metadata = parseMetadata(value, fail);
    else
      tensors.set(
        name,
        parseEntry(value, dataSize, (why) => fail(`tensor ${quote(name)}: ${why}`)),
      );
  }
  const twice = duplicateKey(text);
  if (twice !== null) fail(`the header has the key ${quote(twice)} twice`);
  checkLayout(tensors, dataSize, fail);
  return { tensors, metadata };
}

type Fail = (why: string) => never;
type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const own = (fields: Fields, key: string): unknown => (Object.hasOwn(fields, key) ? fields[key] : undefined);
const print = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, 100);

function parseMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (!isObject(value)) return fail(`__metadata__ is ${print(value)}; needs an object of texts`);
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') fail(`__metadata__ has ${print(text)} for ${quote(key)}; needs a text`);
  return value as Record<string, string>;
}

function parseEntry(value: unknown, dataSize: number, fail: Fail): SafetensorsEntry {
  if (!isObject(value)) return fail(`is ${print(value)}; needs an object with dtype, shape and data_offsets`);
  const [type, shape, offsets] = [own(value, 'dtype'), own(value, 'shape'), own(value, 'data_offsets')];
  if (typeof type !== 'string' || !Object.hasOwn(fileTypes, type))
    return fail(`dtype ${print(type)} is unknown; known are ${Object.keys(fileTypes).join(', ')}`);
  if (!Array.isArray(shape) || !shape.every(isWhole))
    return fail(`shape ${print(shape)}; needs a list of whole numbers`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isWhole))
    return fail(`data_offsets ${print(offsets)}; needs two whole numbers, from 0`);
  const [begin, end] = offsets as [number, number];
  if (begin > end) fail(`data_offsets ${print(offsets)} end before they begin`);
  if (end > dataSize)
    fail(`data_offsets ${print(offsets)} go past the end: the file holds ${dataSize} bytes of data; is it truncated?`);
  const dtype = fileTypes[type]!;
  let size = arrayOf[dtype].BYTES_PER_ELEMENT;
  for (const axis of shape as number[]) {
    size *= axis;
    if (size > Number.MAX_SAFE_INTEGER) fail(`shape ${show(shape as number[])} is larger than any file`);
  }
  if (size !== end - begin)
    fail(
      `${type} ${show(shape as number[])} needs ${size} bytes, but data_offsets ${print(offsets)} hold ${end - begin}`,
    );
  return { dtype, shape: shape as number[], begin, end };
}

function checkLayout(tensors: ReadonlyMap<string, SafetensorsEntry>, dataSize: number, fail: Fail): void {
  let at = 0;
  let before = '';
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    const where = before ? `after ${quote(before)}` : 'at the start of the data';
    if (begin < at)
      fail(`tensor ${quote(name)}: overlaps ${quote(before)}, which ends at ${at}; this one begins at ${begin}`);
    if (begin > at) fail(`tensor ${quote(name)}: ${begin - at} bytes ${where} belong to no tensor`);
    at = end;
    before = name;
  }
  if (at !== dataSize)
    fail(
      `${dataSize - at} bytes ${before ? `after the last tensor, ${quote(before)},` : 'of data'} belong to no tensor`,
    );
}
