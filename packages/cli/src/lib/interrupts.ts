// What ends a command from outside: Ctrl-C, a signal, a reader that went away.
import process from 'node:process';

/** What signals come to: a process, or an emitter in a test. */
export interface Signals {
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** The first signal aborts where a command said that it watches; the second, and one that nobody watches, ends the program. */
export class Interrupts {
  /** The exit code for what came, as a shell has it (0 for a reader that went away); null where nothing did. */
  exitCode: 0 | 130 | 143 | null = null;
  readonly #signals: Signals;
  readonly #controller = new AbortController();
  #watched = false;
  #diverted: (() => void) | null = null;

  constructor(signals: Signals) {
    this.#signals = signals;
    signals.on('SIGINT', this.#onInterrupt);
    signals.on('SIGTERM', this.#onTerminate);
  }

  /** From now on a signal aborts this one, and the command has to end soon. */
  watch(): AbortSignal {
    this.#watched = true;
    return this.#controller.signal;
  }

  /**
   * Until the returned function is called, Ctrl-C calls `stop` and nothing else: it ends a part of the work, not the
   * program.
   */
  divert(stop: () => void): () => void {
    this.#diverted = stop;
    return () => {
      if (this.#diverted === stop) this.#diverted = null;
    };
  }

  /** Nobody reads what is written: a command that watches ends early. */
  readerLeft(): void {
    this.exitCode ??= 0;
    this.#controller.abort();
  }

  /** As Ctrl-C. */
  interrupt(): void {
    this.#onInterrupt();
  }

  /** Leaves signals to others again. */
  dispose(): void {
    this.#signals.off('SIGINT', this.#onInterrupt);
    this.#signals.off('SIGTERM', this.#onTerminate);
  }

  readonly #onInterrupt = (): void => (this.#diverted ? this.#diverted() : this.#stop(130));
  readonly #onTerminate = (): void => this.#stop(143);

  #stop(code: 130 | 143): void {
    if (this.exitCode !== null || !this.#watched) process.exit(code);
    this.exitCode = code;
    this.#controller.abort();
  }
}
