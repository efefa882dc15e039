// lm: one command per file in commands/, each loading what it needs only when it runs.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import yargs from 'yargs';
import { generate } from './commands/generate.ts';
import { inspect } from './commands/inspect.ts';
import { pretrain } from './commands/pretrain.ts';
import { tokenizer } from './commands/tokenizer.ts';
import { CliError, usage } from './lib/errors.ts';
import { nearest } from './lib/nearest.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

// 'Unknown arguments: temprature, foo' with the nearest known flag of each.
function explain(message: string, known: readonly string[]): CliError {
  const unknown = /^Unknown arguments?: (.*)$/.exec(message)?.[1]?.split(', ');
  if (!unknown) return usage(message, 'lm --help');
  // yargs lists a mistyped flag as it was written and in camelCase.
  const dashed = (flag: string): string => flag.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  const parts = [...new Set(unknown.map(dashed))].map((flag) => {
    const near = nearest(flag, known);
    return `unknown flag ${flag.length > 1 ? '--' : '-'}${flag}${near ? `; did you mean --${near}?` : ''}`;
  });
  return usage(parts.join(', '), 'lm COMMAND --help lists the flags');
}

/** Runs `lm` with the given arguments and returns its exit code: 0, 1 failed, 2 asked wrongly, 130 interrupted. */
export async function main(argv: readonly string[]): Promise<number> {
  // `lm … | head` closes the pipe early.
  process.stdout.on('error', (e: NodeJS.ErrnoException) => {
    if (e.code === 'EPIPE') process.exit(0);
    throw e;
  });
  const [json, debug] = [argv.includes('--json'), argv.includes('--debug')];
  const cli = yargs([...argv])
    .scriptName('lm')
    .usage('$0 <command> [options]')
    .command([generate, pretrain, tokenizer, inspect] as never)
    .option('debug', { type: 'boolean', default: false, describe: 'show where an error came from', global: true })
    .demandCommand(1, 'which command?')
    .recommendCommands()
    .strict()
    .strictCommands()
    .completion('completion', 'Print a completion script for bash or zsh')
    .showHelpOnFail(false)
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .help()
    .alias('h', 'help')
    .version(version)
    .exitProcess(false)
    .fail((message, error, usageOf) => {
      if (!message) throw error;
      const described = (usageOf as unknown as { getDescriptions(): Record<string, unknown> }).getDescriptions();
      throw explain(
        message,
        Object.keys(described).filter((key) => key.length > 1),
      );
    });
  try {
    await cli.parseAsync();
    return 0;
  } catch (e) {
    const error = e instanceof Error ? e : new Error(String(e));
    const code = error instanceof CliError ? error.exitCode : error.name === 'YError' ? 2 : 1;
    const hint = error instanceof CliError ? error.hint : undefined;
    if (json) process.stderr.write(`${JSON.stringify({ error: { message: error.message, code, hint } })}\n`);
    else process.stderr.write(`lm: ${error.message}${hint ? `\n  try: ${hint}` : ''}\n`);
    if (debug) process.stderr.write(`${error.stack}\n`);
    return code;
  }
}
