// Commands as the files in commands/ describe them, and how yargs gets to know them.
import type { Argv, Options, PositionalOptions } from 'yargs';
import { chooseProvider } from './engine-flags.ts';
import type { Io } from './io.ts';

/** What a command takes and does. */
export interface Command<Args = never> {
  readonly positionals?: Readonly<Record<string, PositionalOptions>>;
  readonly flags: Readonly<Record<string, Options>>;
  /** Command lines without `lm`, each with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Flags come by their names in camelCase, words that follow `--` in `rest`. */
  run(args: Args & Rest, io: Io): Promise<void>;
}
/** What follows `--` on the command line. */
export interface Rest {
  readonly rest: readonly string[];
}

/** A command in the list of all: its file is read when it is asked for. */
export interface Entry {
  /** As yargs has it: `generate [text..]`. */
  readonly command: string;
  readonly describe: string;
  /** Of a group's commands, the one that runs where none is named: `lm eval -m …`. */
  readonly isDefault?: boolean;
  load(): Promise<Command>;
}
/** Commands under one name: `lm tokenizer train`. */
export interface Group {
  readonly command: string;
  readonly describe: string;
  readonly commands: Commands;
}
/** Commands by name. */
export type Commands = Readonly<Record<string, Entry | Group>>;

/** The commands that a command line asks for; completions may ask for any. */
export async function loadAsked(all: Commands, argv: readonly string[]): Promise<ReadonlyMap<Entry, Command>> {
  const anyOf = argv.some((word) => word.startsWith('--get-yargs-completions'));
  const loaded = new Map<Entry, Command>();
  const walk = async (commands: Commands): Promise<void> => {
    for (const [name, one] of Object.entries(commands)) {
      if (!anyOf && !argv.includes(name) && !('isDefault' in one)) continue;
      if ('commands' in one) await walk(one.commands);
      else loaded.set(one, await one.load());
    }
  };
  await walk(all);
  return loaded;
}

/**
 * Thrown by yargs' handler with what to run. Where a handler returns, yargs renders the command's whole help text, which
 * takes longer than all else that it does.
 */
export class Asked {
  readonly run: (io: Io) => Promise<void>;
  constructor(run: (io: Io) => Promise<void>) {
    this.run = run;
  }
}

/** Makes commands known to yargs; {@link Asked} is thrown with the one that the command line asks for. */
export function addCommands(y: Argv, all: Commands, loaded: ReadonlyMap<Entry, Command>, depth = 1): Argv {
  for (const one of Object.values(all)) {
    const { command, describe } = one;
    if ('commands' in one) {
      const hasDefault = Object.values(one.commands).some((inner) => 'isDefault' in inner);
      y.command(command, describe, (inner) => {
        const all = addCommands(inner, one.commands, loaded, depth + 1);
        return hasDefault ? all : all.demandCommand(1, 'which command?');
      });
    } else {
      const own = loaded.get(one);
      y.command(
        one.isDefault ? [command, '$0'] : command,
        describe,
        (inner) => (own ? describeTo(inner, own) : inner),
        (argv) => {
          const rest = argv._.slice(depth).map(String);
          throw new Asked(async (io) => own!.run((await chooseProvider({ ...argv, rest }, io)) as never, io));
        },
      );
    }
  }
  return y;
}

function describeTo(y: Argv, { positionals = {}, flags, examples }: Command): Argv {
  for (const [name, options] of Object.entries(positionals)) y.positional(name, options);
  return y.options(flags).example(examples.map(([line, what]): [string, string] => [`$0 ${line}`, what]));
}
