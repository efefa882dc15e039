// The texts that a command works on, from wherever they were given: arguments, -p, -f, or stdin.
import { readFile } from 'node:fs/promises';
import { usage } from './errors.ts';
import { utf8, type Io } from './io.ts';

/** Where texts may be. */
export interface TextArgs {
  readonly text: readonly string[];
  /** Words after `--`. */
  readonly rest: readonly string[];
  readonly prompt?: readonly string[];
  readonly file?: readonly string[];
}

/**
 * The texts that were asked for: each argument is one, and each file, as it is.
 *
 * @throws where they were given in more than one way, or a file can't be read.
 */
export async function readTexts({ text, rest, prompt, file }: TextArgs, io: Io): Promise<string[]> {
  const words = [...text, ...rest];
  const ways = [words.length ? words : null, prompt ?? null, file ? await Promise.all(file.map(readText)) : null];
  const given = ways.filter((way) => way !== null);
  if (given.length > 1) throw usage('texts were given in more than one way', 'one of: arguments, -p, -f');
  return [...(given[0] ?? [await io.readStdin()])];
}

/**
 * The prompts that were asked for. Of a file and of stdin, the line end that editors put at the end is left out.
 *
 * @throws as {@link readTexts}, and where there are none or one is empty.
 */
export async function readPrompts(a: TextArgs, io: Io): Promise<string[]> {
  const typed = a.text.length + a.rest.length > 0 || a.prompt !== undefined;
  const isNone = !typed && a.file === undefined && io.stdin.isTTY === true;
  const texts = isNone ? [] : await readTexts(a, io);
  const prompts = typed ? texts : texts.map((text) => text.replace(/\r?\n$/, ''));
  if (!prompts.length || prompts.includes('')) throw usage('the prompt is empty', 'lm generate "To be, or not to be"');
  return prompts;
}

async function readText(path: string): Promise<string> {
  const content = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const why = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' }[cause.code ?? ''] ?? cause.message;
    throw usage(`--file ${path}: ${why}`);
  });
  return utf8(content, path);
}

/**
 * The texts that were asked for: each argument is one, and each line of files and of stdin that isn't blank.
 *
 * @throws as {@link readTexts}, and where there are none.
 */
export async function readLines(a: TextArgs, io: Io): Promise<string[]> {
  const words = [...a.text, ...a.rest];
  const isNone = !words.length && a.file === undefined && io.stdin.isTTY === true;
  const texts = isNone ? [] : await readTexts(a, io);
  const lines = words.length ? texts : texts.flatMap((text) => text.split(/\r?\n/));
  const given = lines.filter((line) => line.trim());
  if (!given.length) throw usage('there is no text', 'a text in quotes, or lines on stdin');
  return given;
}
