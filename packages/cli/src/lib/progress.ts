// The line that shows how far a long run is: rewritten in place on a terminal, a line now and then elsewhere.
import type { MemoryEstimate } from '@brickwork/training';
import type { Io } from './io.ts';

/** A number with its thousands apart. */
export const count = (n: number): string => Math.round(n).toLocaleString('en');

/** A size in bytes. */
export function bytes(n: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  return `${power ? (n / 1000 ** power).toFixed(1) : n} ${units[power]}`;
}

/** What a run is going to take, in one line. */
export const memoryText = (m: MemoryEstimate): string =>
  `memory: about ${bytes(m.total)} at its peak (${bytes(m.resident)} now, ${bytes(m.state)} gradients and optimizer, ${bytes(m.activations)} activations, ${bytes(m.engine)} engine)`;

/** Shows how far a run is, on stderr. */
export class ProgressLine {
  readonly #io: Io;
  #last: number;
  #shown = false;

  constructor(io: Io) {
    this.#io = io;
    this.#last = io.stderr.isTTY ? 0 : Date.now();
  }

  /** Shows a text in place of the one before: at most ten times a second on a terminal, every ten seconds elsewhere. */
  show(text: () => string): void {
    const terminal = this.#io.stderr.isTTY ?? false;
    const now = Date.now();
    if (now - this.#last < (terminal ? 100 : 10_000)) return;
    this.#last = now;
    this.#shown = terminal;
    const columns = (this.#io.stderr.columns ?? 80) - 1;
    this.#io.stderr.write(terminal ? `\r\u001b[2K${text().slice(0, columns)}` : `${text()}\n`);
  }

  /** Takes the line off the terminal, before something else is written there. */
  clear(): void {
    if (this.#shown) this.#io.stderr.write('\r\u001b[2K');
    this.#shown = false;
  }
}
