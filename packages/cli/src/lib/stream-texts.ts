// Texts one by one, from arguments, from files or from stdin, so that there may be more of them than fit into memory.
import { createReadStream, statSync } from 'node:fs';
import { CliError, usage } from './errors.ts';
import type { Io } from './io.ts';

/** Where texts are. */
export interface StreamArgs {
  readonly text: readonly string[];
  readonly rest: readonly string[];
  readonly file?: readonly string[];
  readonly field?: string;
}

/** A text, and the object that it is a field of; null where it is a line. */
export interface StreamedText {
  readonly text: string;
  readonly row: Readonly<Record<string, unknown>> | null;
}

/** @throws where texts were given in more than one way, or not at all, or a file isn't there. */
export function checkTexts({ text, rest, file, field }: StreamArgs, io: Io): void {
  const words = text.length + rest.length;
  if (words && file) throw usage('texts were given in more than one way', 'arguments, or -f');
  if (words && field !== undefined) throw usage('--field is for lines of JSON: of -f, or of stdin');
  if (!words && !file && io.stdin.isTTY) throw usage('there is no text', 'a text in quotes, -f, or lines on stdin');
  for (const path of file ?? []) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) throw usage(`--file ${path}: there is no such file`);
    if (found.isDirectory()) throw usage(`--file ${path}: it is a folder`);
  }
}

/** Each argument, or each line; of JSON lines (`--field`, or a file's name that says so) the field `text` or another. */
export async function* streamTexts(a: StreamArgs, io: Io): AsyncGenerator<StreamedText, void, undefined> {
  const words = [...a.text, ...a.rest];
  if (words.length) for (const text of words) yield { text, row: null };
  else if (a.file)
    for (const path of a.file) {
      const isJson = a.field !== undefined || /\.(jsonl|ndjson)$/i.test(path);
      yield* textsOf(createReadStream(path), path, isJson ? (a.field ?? 'text') : null);
    }
  else yield* textsOf(io.stdin, 'stdin', a.field ?? null);
}

async function* textsOf(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  field: string | null,
): AsyncGenerator<StreamedText, void, undefined> {
  let number = 0;
  for await (const line of linesOf(source, name)) {
    number++;
    if (field === null) {
      yield { text: line, row: null };
      continue;
    }
    if (!line.trim()) continue;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (cause) {
      throw new CliError(`${name}:${number}: it isn't JSON: ${(cause as Error).message}`, { cause });
    }
    const text = typeof row === 'object' && row !== null ? (row as Record<string, unknown>)[field] : undefined;
    if (typeof text !== 'string')
      throw new CliError(`${name}:${number}: the field ${field} is ${JSON.stringify(text) ?? 'missing'}; needs a text`);
    yield { text, row: row as Record<string, unknown> };
  }
}

// Lines without their ends; what follows the last line end is none where it is empty.
async function* linesOf(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let held = '';
  try {
    for await (const chunk of source) {
      held += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      const lines = held.split('\n');
      held = lines.pop()!;
      for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
    held += decoder.decode();
  } catch (cause) {
    if (cause instanceof TypeError) throw new CliError(`${name} is not text in UTF-8`, { cause });
    throw cause;
  }
  if (held) yield held;
}
