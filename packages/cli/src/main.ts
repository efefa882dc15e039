// lm: finds the command that was asked for, reads its flags, runs it, and turns what went wrong into a line and an exit code.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import yargs, { type Argv } from 'yargs';
import { commands } from './commands/index.ts';
import { addCommands, Asked, loadAsked, type Command, type Commands, type Entry } from './lib/command.ts';
import { CliError } from './lib/errors.ts';
import { Interrupts, type Signals } from './lib/interrupts.ts';
import { Io, type Streams } from './lib/io.ts';
import { usageError, type Known } from './lib/usage-errors.ts';

/**
 * Runs `lm` and returns its exit code: 0, 1 failed, 2 asked wrongly, 130 interrupted, 143 terminated.
 *
 * @param around what it reads, writes and listens to; the process' own unless given.
 */
export async function main(argv: readonly string[], around: Streams & Signals = process): Promise<number> {
  const interrupts = new Interrupts(around);
  const io = new Io(around, interrupts);
  try {
    const asked = parse(argv, await loadAsked(commands, argv), around.stdout.columns ?? 100);
    if (typeof asked === 'string') await io.write(asked && `${asked}\n`);
    else await asked(io);
    await io.end();
    return interrupts.exitCode ?? 0;
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    // What fails because it was interrupted needs no message.
    if (interrupts.exitCode !== null && isAbort(error)) return interrupts.exitCode;
    const { exitCode, hint } = error instanceof CliError ? error : { exitCode: 1, hint: undefined };
    if (argv.includes('--json')) io.note(JSON.stringify({ error: { message: error.message, code: exitCode, hint } }));
    else io.note(`lm: ${error.message}${hint === undefined ? '' : `\n  try: ${hint}`}`);
    if (argv.includes('--debug')) io.note(traces(error));
    return exitCode;
  } finally {
    interrupts.dispose();
    io.dispose();
  }
}

// yargs would read Hugging Face's name as the opposite of --repeat-ngram-size.
const plainName = (word: string): string => word.replace(/^--no-repeat-ngram-size(?==|$)/, '--block-ngram-size');

const isAbort = ({ name, cause }: Error): boolean =>
  name === 'AbortError' || (cause as Error | undefined)?.name === 'AbortError';

const traces = (error: Error): string =>
  [error.stack, ...(error.cause instanceof Error ? [`Caused by: ${traces(error.cause)}`] : [])].join('\n');

/** What the command line asks for: a command to run, or a text to print (help, the version, completions). */
function parse(
  argv: readonly string[],
  loaded: ReadonlyMap<Entry, Command>,
  columns: number,
): ((io: Io) => Promise<void>) | string {
  let text = '';
  const cli = yargs()
    .scriptName('lm')
    .detectLocale(false) // usageError reads the messages
    .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false })
    .usage('$0 <command> [flags]')
    .option('debug', { type: 'boolean', default: false, describe: 'show where an error came from', global: true })
    .demandCommand(1, 'which command?')
    .strict()
    .showHelpOnFail(false)
    .wrap(Math.min(110, columns))
    .help()
    .alias('h', 'help')
    .version(version())
    .fail((message, error, usage) => {
      throw error instanceof CliError ? error : usageError(message ?? error.message, argv, known(cli, usage));
    });
  addCommands(cli, commands, loaded);
  try {
    void cli.parse(argv.map(plainName), {}, (_error: unknown, _argv: unknown, output: string) => void (text = output));
  } catch (thrown) {
    if (thrown instanceof Asked) return thrown.run;
    throw thrown;
  }
  return text;
}

// By parts of yargs that have no types.
function known(cli: Argv, usage: object): Known {
  const { getContext } = (
    cli as unknown as { getInternalMethods(): { getContext(): { commands: readonly string[] } } }
  ).getInternalMethods();
  const { getDescriptions, getCommands } = usage as {
    getDescriptions(): Readonly<Record<string, unknown>>;
    getCommands(): readonly (readonly [string, ...unknown[]])[];
  };
  const path = [...getContext().commands];
  return {
    path,
    words: wordsOf(path),
    flags: Object.keys(getDescriptions()).filter((name) => name.length > 1),
    commands: getCommands().map(([command]) => command.split(' ')[0]!),
  };
}

// '<files..>' of 'pretrain <files..>'.
function wordsOf(path: readonly string[]): string {
  let all: Commands = commands;
  let words = '';
  for (const name of path) {
    const one = all[name]!;
    words = one.command.split(' ').slice(1).join(' ');
    if ('commands' in one) all = one.commands;
  }
  return words;
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
