// Results go to stdout, everything else to stderr.
import { once } from 'node:events';
import process from 'node:process';

/** Writes to stdout, waiting where the reader is slow. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
/** Writes one JSON document and a newline. */
export const writeJson = (value: unknown): Promise<void> => write(`${JSON.stringify(value)}\n`);
/** Writes a line for people. */
export const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** All of stdin as text. */
export async function readStdin(): Promise<string> {
  process.stdin.setEncoding('utf8');
  let text = '';
  for await (const chunk of process.stdin) text += chunk as string;
  return text;
}

/** The first Ctrl-C aborts the signal, so that the command can finish cleanly; the second ends the program at once. */
export function interruptible(): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
    },
  };
}
