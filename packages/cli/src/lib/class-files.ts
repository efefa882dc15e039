// Classes as the command line names them: `austen=FILE`, and shares of classes: `austen=0.7`.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CliError, usage } from './errors.ts';
import { utf8 } from './io.ts';

/**
 * `label=value` as its two parts; without a label, the name of the file or folder. A path that is there may hold `=` itself.
 *
 * @param flag how it was given: of a `class` the file's ending is no part of its name
 */
export function labelled(text: string, flag: 'class' | 'model'): { label: string; value: string } {
  const at = existsSync(text) ? -1 : text.indexOf('=');
  const value = at < 0 ? text : text.slice(at + 1);
  const own = basename(text.replace(/(?<=.)[/\\]+$/, ''));
  const plain = flag === 'class' ? own.replace(/(?<=.)\..*$/, '') : own;
  const label = at < 0 ? plain : text.slice(0, at).trim();
  if (!label || !value) throw usage(`--${flag} is '${text}'; needs a name and a path`, `--${flag} austen=emma`);
  return { label, value };
}

/** Shares by class. @throws where one isn't a number above 0, or of no class. */
export function sharesOf(
  given: readonly string[] | undefined,
  labels: readonly string[],
): Record<string, number> | undefined {
  if (given === undefined) return undefined;
  const shares = new Map<string, number>();
  for (const text of given) {
    const [label, share] = text.split(/=(?=[^=]*$)/) as [string, string | undefined];
    const n = Number(share);
    if (!share?.trim() || !(n > 0 && n < Infinity))
      throw usage(`--prior is '${text}'; needs a class and its share`, '--prior ham=0.87 --prior spam=0.13');
    if (!labels.includes(label)) throw usage(`--prior ${text}: no class ${label}; there are ${labels.join(', ')}`);
    shares.set(label, n);
  }
  const lacking = labels.filter((label) => !shares.has(label));
  if (lacking.length) throw usage(`no --prior for ${lacking.join(', ')}`, 'one for each class, or none');
  return Object.fromEntries(shares);
}

/** The text of a file, packed or not. @throws where there is none, or it isn't UTF-8. */
export function textOf(path: string, flag: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw usage(`--${flag}: there is no file ${path}`);
  if (found.isDirectory())
    throw usage(`--${flag}: ${path} is a folder`, `name the text files in it, each with --${flag}`);
  const bytes = readFileSync(path);
  if (!path.endsWith('.gz')) return utf8(bytes, path);
  try {
    return utf8(gunzipSync(bytes), path);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`${path} is not a gzip file (${(cause as Error).message})`, { cause });
  }
}
