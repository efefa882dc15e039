// Runs lm in this process, as a person would: what it is given, what it prints, its exit code.
import { EventEmitter } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { main } from '../../packages/cli/src/main.ts';

/** What a command is run with. */
export interface Around {
  /** What stdin holds; without it stdin is a terminal. */
  readonly stdin?: string | Uint8Array;
  /** Called with all of stdout and of stderr after each write; may interrupt. */
  readonly onWrite?: (stdout: string, interrupt: () => void) => void;
  readonly onNote?: (stderr: string, interrupt: () => void) => void;
}
/** What came of it. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs lm. */
export async function lm(args: readonly string[], { stdin, onWrite, onNote }: Around = {}): Promise<Result> {
  const signals = new EventEmitter();
  const interrupt = (): void => void signals.emit('SIGINT');
  const text = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr', onText?: (text: string, interrupt: () => void) => void): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        text[name] += chunk.toString();
        onText?.(text[name], interrupt);
        done();
      },
    });
  const input = Object.assign(Readable.from(stdin === undefined ? [] : [Buffer.from(stdin)]), {
    isTTY: stdin === undefined,
  });
  const code = await main(args, {
    stdin: input,
    stdout: sink('stdout', onWrite),
    stderr: sink('stderr', onNote),
    on: signals.on.bind(signals),
    off: signals.off.bind(signals),
  });
  return { code, ...text };
}

/** The lines of a text as JSON. */
export const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Flags for a model and a run that take a moment. */
export const tiny = [
  ...['--layers', '1', '--heads', '2', '--width', '16', '--context', '16', '--batch-size', '4'],
  ...['--max-steps', '4', '--eval-steps', '2', '--warmup-steps', '1', '--no-picture', '--threads', '1'],
];
