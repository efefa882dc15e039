// Flags from a YAML file: its fields are the flags' names, and what stands on the command line wins.
import { readFile } from 'node:fs/promises';
import type { Options } from 'yargs';
import { parse } from 'yaml';
import { CliError, usage } from './errors.ts';
import { flags } from './flags.ts';
import { nearest } from './nearest.ts';

type Table = Readonly<Record<string, Options>>;

/** The flags as yargs gets them: what isn't given stays open, so that the file may say it. */
export function configurable(table: Table): Record<string, Options> {
  const open = Object.fromEntries(
    Object.entries(table).map(([name, { default: standard, demandOption, ...rest }]): [string, Options] => {
      const shown = demandOption ? ' [required]' : standard === undefined ? '' : ` [default: ${String(standard)}]`;
      return [name, { ...rest, describe: `${rest.describe ?? ''}${shown}` }];
    }),
  );
  const file = flags('Run', { config: { type: 'text', describe: 'a YAML file with flags by name; flags here win' } });
  return { ...open, ...file };
}

const camel = (name: string): string => name.replaceAll(/[-_](\w)/g, (_, c: string) => c.toUpperCase());
const kebab = (name: string): string => name.replaceAll('_', '-').replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/**
 * What the command line says, then the file, then the defaults.
 *
 * @param table the flags with their defaults
 * @throws where the file can't be read or has other fields, or a required flag is nowhere.
 */
export async function withConfig<A extends { readonly config?: string }>(table: Table, given: A): Promise<A> {
  const all: Record<string, unknown> = { ...given };
  const byAlias = new Map(
    Object.entries(table).flatMap(([name, { alias = [] }]) => [name, ...[alias].flat()].map((one) => [one, name])),
  );
  const read = given.config === undefined ? {} : await readYaml(given.config);
  for (const [field, value] of Object.entries(read)) {
    const name = byAlias.get(field) ?? byAlias.get(kebab(field));
    if (name === undefined) {
      const meant = nearest(kebab(field), [...byAlias.keys()]);
      throw usage(`--config ${given.config}: no flag is called ${field}${meant ? `; did you mean ${meant}?` : ''}`);
    }
    if (all[camel(name)] === undefined && value !== null)
      all[camel(name)] = checked(name, table[name]!, value, given.config!);
  }
  for (const [name, { default: standard, demandOption }] of Object.entries(table)) {
    all[camel(name)] ??= standard;
    if (demandOption && all[camel(name)] === undefined)
      throw usage(`--${name} is missing`, 'the flag, or a field of --config');
  }
  return all as unknown as A;
}

async function readYaml(path: string): Promise<Record<string, unknown>> {
  let content: unknown;
  try {
    content = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(`--config ${path}: ${missing ? 'there is no such file' : (cause as Error).message}`, {
      exitCode: 2,
      cause,
    });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw usage(`--config ${path}: needs fields, such as learning-rate: 5e-5`);
  return content as Record<string, unknown>;
}

// A value as the flag would have read it.
function checked(name: string, { type, array, coerce }: Options, value: unknown, path: string): unknown {
  const fail = (needed: string): never => {
    throw usage(`--config ${path}: ${name} is ${JSON.stringify(value)}; needs ${needed}`);
  };
  if (type === 'boolean') return typeof value === 'boolean' ? value : fail('true or false');
  if (array) {
    const list = [value].flat();
    return list.every((one) => typeof one === 'string') ? list : fail('a text, or a list of texts');
  }
  // Columns are written as fields of their own: {text: sentence, label: class}.
  if (typeof value === 'object' && name === 'columns')
    return Object.entries(value as object)
      .map(([field, column]) => `${field}=${String(column)}`)
      .join(',');
  const text = Array.isArray(value)
    ? value.join(',')
    : typeof value === 'object'
      ? fail('a single value')
      : String(value);
  return coerce ? (coerce(text) as unknown) : text;
}
