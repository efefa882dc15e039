import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { crc32c, openTensorBoard } from './tensorboard.ts';
import { events, toy } from './toy.fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-tensorboard-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

// RFC 3720, appendix B.4.
test('the checksum is that of the specification', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

type Field = readonly [number: number, value: number | bigint | Buffer];
/** A reader of protocol buffers that knows no messages. */
function fields(bytes: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
      shift += 7n;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const [number, wire] = [key >> 3, key & 7];
    if (wire === 0) found.push([number, varint()]);
    else if (wire === 1) found.push([number, bytes.readDoubleLE((at += 8) - 8)]);
    else if (wire === 5) found.push([number, bytes.readFloatLE((at += 4) - 4)]);
    else {
      const length = Number(varint());
      found.push([number, bytes.subarray(at, (at += length))]);
    }
  }
  return found;
}
interface Read {
  step: number;
  version?: string;
  starts?: boolean;
  scalars: Record<string, number>;
}
function readEvents(path: string): Read[] {
  const bytes = readFileSync(path);
  const unmasked = (value: number): number => {
    const rest = (value - 0xa282ead8) >>> 0;
    return ((rest >>> 17) | (rest << 15)) >>> 0;
  };
  const found: Read[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmasked(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const message = bytes.subarray(at + 12, at + 12 + length);
    expect(unmasked(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(message));
    at += length + 16;
    const read: Read = { step: 0, scalars: {} };
    for (const [number, value] of fields(message)) {
      if (number === 1) expect(Math.abs((value as number) - Date.now() / 1000)).toBeLessThan(600);
      else if (number === 2) read.step = Number(value);
      else if (number === 3) read.version = String(value);
      else if (number === 7) read.starts = fields(value as Buffer)[0]![1] === 1n;
      else
        for (const [, one] of fields(value as Buffer)) {
          const [[, tag], [, scalar]] = fields(one as Buffer) as [Field, Field];
          read.scalars[String(tag)] = scalar as number;
        }
    }
    found.push(read);
  }
  return found;
}

test('scalars come back as they were written', async () => {
  const writer = await openTensorBoard(join(root, 'a'), 0);
  await writer.scalars(1, { 'train/loss': 2.5, 'train/é': -1e-3 });
  await writer.scalars(70_000, { 'eval/loss': 0.25 });
  await writer.close();
  expect(readEvents(writer.path)).toEqual([
    { step: 0, version: 'brain.Event:2', scalars: {} },
    { step: 1, scalars: { 'train/loss': 2.5, 'train/é': Math.fround(-1e-3) } },
    { step: 70_000, scalars: { 'eval/loss': 0.25 } },
  ]);
});

test('a run writes its curves, and a resumed one takes back what comes again', async () => {
  const folder = join(root, 'run');
  const options = { steps: 6, rate: 0.05, evaluateEvery: 3, folder, tensorBoard: true };
  const all = await events(toy().trainee, { ...options, steps: 4, schedule: 'constant' });
  await events(toy().trainee, { ...options, schedule: 'constant', resume: true });
  const files = readdirSync(folder)
    .filter((name) => name.startsWith('events.out.tfevents.'))
    .toSorted((a, b) => Number(a.split('.').at(-1)) - Number(b.split('.').at(-1)));
  expect(files).toHaveLength(2);
  const [first, second] = files.map((name) => readEvents(join(folder, name))) as [Read[], Read[]];
  expect(first.map(({ step }) => step)).toEqual([0, 1, 2, 3, 3, 4, 4]);
  const step = all.find((e) => e.type === 'step' && e.step === 2) as { loss: number; rate: number; norm: number };
  expect(first[2]!.scalars).toMatchObject({
    'train/loss': Math.fround(step.loss),
    'train/learning_rate': Math.fround(step.rate),
    'train/grad_norm': Math.fround(step.norm),
  });
  expect(Object.keys(first[4]!.scalars)).toEqual(['eval/loss']);
  expect(second[1]).toEqual({ step: 5, starts: true, scalars: {} });
  expect(second.slice(2).map(({ step: at }) => at)).toEqual([5, 6, 6]);
});
