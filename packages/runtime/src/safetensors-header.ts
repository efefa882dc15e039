// The header of a safetensors file, read with distrust: everything that it claims is checked before it is used.
import type { DType } from '@brickwork/graph';

/** Where one tensor lies, in bytes after the header. */
export interface Entry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly count: number;
  readonly begin: number;
  readonly end: number;
}

const kinds: readonly [string, DType, number][] = [
  ['F64', 'float64', 8],
  ['F32', 'float32', 4],
  ['F16', 'float16', 2],
  ['BF16', 'bfloat16', 2],
  ['I64', 'int64', 8],
  ['I32', 'int32', 4],
  ['I16', 'int16', 2],
  ['I8', 'int8', 1],
  ['U64', 'uint64', 8],
  ['U32', 'uint32', 4],
  ['U16', 'uint16', 2],
  ['U8', 'uint8', 1],
  ['BOOL', 'bool', 1],
];
/** Element types in the format's names. */
export const safetensorsType = Object.fromEntries(kinds.map(([name, dtype]) => [dtype, name])) as Readonly<
  Record<DType, string>
>;
const byName = new Map(kinds.map(([name, dtype, size]) => [name, { dtype, size }]));

/** The format allows headers up to 100 MB. */
const largest = 100_000_000;
const whole = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0;

/** Tensors and metadata of a header, for a file with `size` bytes after it. */
export function parseHeader(
  path: string,
  bytes: Uint8Array,
  size: number,
): { entries: Map<string, Entry>; metadata: Record<string, string> } {
  const fail = (why: string): never => {
    throw new Error(`safetensors ${path}: ${why}`);
  };
  if (bytes.length > largest) fail(`the header has ${bytes.length} bytes, more than the format's ${largest}`);
  let json: unknown;
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    json = JSON.parse(text);
  } catch {
    fail('the header is not JSON. Is this a safetensors file?');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) fail('the header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== null) fail(`the header names ${repeated} twice`);
  const entries = new Map<string, Entry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json as Record<string, unknown>)) {
    if (name === '__metadata__') {
      if (typeof value !== 'object' || value === null || Object.values(value).some((v) => typeof v !== 'string'))
        fail('__metadata__ is not an object of strings');
      metadata = { ...(value as Record<string, string>) };
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    const kind = byName.get(dtype as string);
    if (!kind) fail(`${name} has the type ${JSON.stringify(dtype)}; known are ${[...byName.keys()].join(', ')}`);
    if (!Array.isArray(shape) || !shape.every(whole))
      fail(`${name} has the shape ${JSON.stringify(shape)}; needs whole numbers`);
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole))
      fail(`${name} has the offsets ${JSON.stringify(offsets)}; needs two whole numbers`);
    const [begin, end] = offsets as [number, number];
    const count = (shape as number[]).reduce((a, b) => a * b, 1);
    if (begin > end || end > size)
      fail(`${name} lies at bytes ${begin} to ${end} of ${size}. Is the download complete?`);
    if (count * kind!.size !== end - begin)
      fail(
        `${name} is ${dtype} (${(shape as number[]).join(', ')}), ${count * kind!.size} bytes, but has ${end - begin}`,
      );
    entries.set(name, { dtype: kind!.dtype, shape: shape as number[], count, begin, end });
  }
  let at = 0;
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      fail(
        `${name} begins at byte ${begin}, ${begin < at ? 'inside another tensor' : 'after a hole'}; the one before ends at ${at}`,
      );
    at = end;
  }
  if (at !== size) fail(`the tensors end at byte ${at}, the file at ${size}`);
  return { entries, metadata };
}

// JSON.parse keeps the last of two equal keys in silence, so the top level's keys are read from the text.
function repeatedKey(text: string): string | null {
  const seen = new Set<string>();
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;
  let depth = 0;
  let atKey = false;
  for (const [found] of text.matchAll(token)) {
    if (found === '{' || found === '[') depth++;
    else if (found === '}' || found === ']') depth--;
    else if (found[0] === '"' && depth === 1 && atKey) {
      const key = JSON.parse(found) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
    atKey = depth === 1 && (found === '{' || found === ',');
  }
  return null;
}
