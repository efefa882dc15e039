// TensorBoard's event files: records of TensorFlow's TFRecord format, each an Event message of protocol buffers
// (tensorflow/core/util/event.proto), written as a run goes, so that a killed one leaves what it had.
import { mkdir, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/** Writes scalars of steps. */
export interface TensorBoardWriter {
  readonly path: string;
  /** One point on each curve named. */
  scalars(step: number, values: Readonly<Record<string, number>>): Promise<void>;
  close(): Promise<void>;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0x82f63b78 ^ (c >>> 1) : c >>> 1;
  return c;
});
/** CRC-32C (Castagnoli), RFC 3720. */
export function crc32c(bytes: Uint8Array): number {
  let c = ~0;
  for (const byte of bytes) c = table[(c ^ byte) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}
const masked = (bytes: Uint8Array): number => {
  const c = crc32c(bytes);
  return (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0;
};

// Its length, a checksum of that, the message, and a checksum of it.
function record(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(message.length + 16);
  bytes.writeBigUInt64LE(BigInt(message.length), 0);
  bytes.writeUInt32LE(masked(bytes.subarray(0, 8)), 8);
  bytes.set(message, 12);
  bytes.writeUInt32LE(masked(message), 12 + message.length);
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
// A field of bytes: its number and wire type 2, its length, itself.
const field = (number: number, bytes: ArrayLike<number>): number[] => [
  number * 8 + 2,
  ...varint(bytes.length),
  ...Array.from(bytes),
];
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const fixed = (size: 4 | 8, value: number): Uint8Array => {
  const bytes = Buffer.alloc(size);
  if (size === 4) bytes.writeFloatLE(value);
  else bytes.writeDoubleLE(value);
  return bytes;
};

interface EventParts {
  readonly seconds: number;
  readonly step?: number;
  readonly version?: string;
  readonly scalars?: Readonly<Record<string, number>>;
  /** The run begins anew at this step: what a file before has from there on does not count. */
  readonly starts?: boolean;
}
function event({ seconds, step = 0, version, scalars, starts }: EventParts): Uint8Array {
  const summary = Object.entries(scalars ?? {}).flatMap(([tag, value]) =>
    field(1, [...field(1, text(tag)), 2 * 8 + 5, ...fixed(4, value)]),
  );
  return Uint8Array.from([
    ...[1 * 8 + 1, ...fixed(8, seconds)],
    ...(step ? [2 * 8, ...varint(step)] : []),
    ...(version === undefined ? [] : field(3, text(version))),
    ...(summary.length ? field(5, summary) : []),
    ...(starts ? field(7, [1 * 8, 1]) : []),
  ]);
}

/**
 * Opens an event file in a run's folder. A run that goes on from a checkpoint gets a file of its own, from which TensorBoard
 * learns that later points of the file before don't count.
 *
 * @param step that the run goes on from; 0 where it begins
 */
export async function openTensorBoard(folder: string, step: number): Promise<TensorBoardWriter> {
  const now = (): number => Date.now() / 1000;
  await mkdir(folder, { recursive: true });
  const name = `events.out.tfevents.${String(Math.floor(now())).padStart(10, '0')}.${hostname()}.${process.pid}.${step}`;
  const path = join(folder, name);
  const file = await open(path, 'a');
  const write = async (parts: EventParts): Promise<void> => file.appendFile(record(event(parts)));
  await write({ seconds: now(), version: 'brain.Event:2' });
  // It is what comes after this step that was written before, and comes again.
  if (step) await write({ seconds: now(), step: step + 1, starts: true });
  return {
    path,
    scalars: (at, values) => write({ seconds: now(), step: at, scalars: values }),
    close: () => file.close(),
  };
}
