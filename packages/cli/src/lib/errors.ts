// Errors that the command line turns into one clear line and an exit code.

/** An error for the person at the terminal. */
export class CliError extends Error {
  /** 1: it failed. 2: it was asked wrongly. */
  readonly exitCode: 1 | 2;
  /** What to try next. */
  readonly hint: string | undefined;

  constructor(message: string, o: { exitCode?: 1 | 2; hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: o.cause });
    this.name = 'CliError';
    this.exitCode = o.exitCode ?? 1;
    this.hint = o.hint;
  }
}

/** The command was asked wrongly. */
export const usage = (message: string, hint?: string): CliError => new CliError(message, { exitCode: 2, hint });
