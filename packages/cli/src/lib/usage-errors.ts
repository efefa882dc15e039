// What yargs says about a wrong command line, said so that it helps: which flag, what was meant, what is needed.
import type { CliError } from './errors.ts';
import { usage } from './errors.ts';
import { nearest } from './nearest.ts';

/** What the command line could have held. */
export interface Known {
  /** As in `lm tokenizer train`: the commands that were understood. */
  readonly path: readonly string[];
  /** Names of this command's flags, in kebab-case. */
  readonly flags: readonly string[];
  /** Names of its commands; for a command without any, none. */
  readonly commands: readonly string[];
  /** What it needs besides flags, as help shows it: `<files..>`. */
  readonly words: string;
}

const dashed = (name: string): string => `${name.length > 1 ? '--' : '-'}${name}`;
const meant = (word: string | null, prefix = ''): string => (word === null ? '' : `; did you mean ${prefix}${word}?`);

/** An error for yargs' message. */
export function usageError(message: string, argv: readonly string[], known: Known): CliError {
  const hint = `${['lm', ...known.path].join(' ')} --help`;
  const unknown = /^Unknown arguments?: ([^]*)$/.exec(message)?.[1];
  if (unknown !== undefined) return usage(unknownArguments(unknown.split(', '), argv, known).join(', '), hint);

  const lacking = /^Not enough arguments following: (.*)$/.exec(message)?.[1];
  if (lacking !== undefined)
    return usage(`${dashed(lacking)} needs a value`, `${dashed(lacking)}=VALUE where the value begins with a dash`);

  const missing = /^Missing required arguments?: (.*)$/.exec(message)?.[1];
  if (missing !== undefined) return usage(`${missing.split(', ').map(dashed).join(', ')} is missing`, hint);

  if (message.startsWith('Not enough non-option arguments'))
    return usage(`${['lm', ...known.path].join(' ')} needs ${known.words}`, hint);
  return usage(message, hint);
}

// yargs lists what it doesn't know as it was written and in camelCase, flags and words alike.
function unknownArguments(
  names: readonly string[],
  argv: readonly string[],
  { path, flags, commands }: Known,
): string[] {
  const kebab = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  const ends = argv.indexOf('--');
  const dashes = argv.slice(0, ends < 0 ? argv.length : ends).filter((word) => word.startsWith('-'));
  const text = dashes.find((word) => /\s/.test(word.split('=')[0]!));
  if (text !== undefined)
    return [`${JSON.stringify(text)} was read as flags; write -- before a text that begins with a dash`];
  const found = [...new Set(names.map((name) => (name.length > 1 ? kebab(name) : name)))].map((name) => {
    const isFlag = dashes.some((word) => {
      const flag = word.split('=')[0]!;
      return flag.replace(/^-+(no-)?/, '') === name || kebab(flag.replace(/^-+/, '')) === name || isCluster(flag, name);
    });
    return { name, isFlag };
  });
  // Of words where a command should be, the first is the one.
  const word = commands.length ? found.find(({ isFlag }) => !isFlag)?.name : undefined;
  if (word !== undefined) return [`no command ${word}${meant(nearest(word, commands), ['lm', ...path, ''].join(' '))}`];
  return found.map(({ name, isFlag }) => {
    if (!isFlag) return `one word too many: ${name}`;
    return `unknown flag ${dashed(name)}${name.length > 1 ? meant(nearest(name, flags), '--') : ''}`;
  });
}

// `-xyz` is x, y and z.
const isCluster = (flag: string, name: string): boolean =>
  /^-[^-]/.test(flag) && name.length === 1 && flag.includes(name);
