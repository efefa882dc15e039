import { EventEmitter } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { Interrupts } from './interrupts.ts';
import { Io, utf8 } from './io.ts';

const around = (stdout: Writable) => {
  const signals = new EventEmitter();
  const interrupts = new Interrupts(signals);
  const stdin = Readable.from([Buffer.from([0xc3]), Buffer.from([0xa9])]);
  return { io: new Io({ stdin, stdout, stderr: new PassThrough() }, interrupts), interrupts, signals };
};
const failing = (code: string): Writable =>
  new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) });

test('a slow reader is waited for', async () => {
  const stdout = new PassThrough({ highWaterMark: 4 });
  const { io } = around(stdout);
  let done = false;
  const writing = io.write('more than four').then(() => (done = true));
  await new Promise(setImmediate);
  expect(done).toBe(false);
  stdout.resume();
  await writing;
});

test('a reader that left is no error, and what watches is told', async () => {
  const { io, interrupts } = around(failing('EPIPE'));
  const signal = io.interruptible();
  await io.write('text');
  await new Promise(setImmediate);
  expect(signal.aborted).toBe(true);
  await io.write('more');
  await io.end();
  expect(interrupts.exitCode).toBe(0);
});

test('a write that fails is an error of the next one, and of the end', async () => {
  const { io } = around(failing('ENOSPC'));
  await io.write('text');
  await new Promise(setImmediate);
  await expect(io.write('more')).rejects.toThrow('stdout can’t be written to: ENOSPC');
  await expect(io.end()).rejects.toThrow('ENOSPC');
});

test('the first signal aborts what watches and sets the exit code', () => {
  const { io, interrupts, signals } = around(new PassThrough());
  const signal = io.interruptible();
  signals.emit('SIGTERM');
  expect([signal.aborted, interrupts.exitCode]).toEqual([true, 143]);
  interrupts.dispose();
  expect(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM')).toBe(0);
});

test('text is whole characters in UTF-8 without a byte order mark', async () => {
  expect(await around(new PassThrough()).io.readStdin()).toBe('é');
  expect(utf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]), 'x')).toBe('a');
  expect(() => utf8(new Uint8Array([0x61, 0xe9]), 'x.txt')).toThrow('x.txt is not text in UTF-8');
});
