// What lm index reads: folders and files of text, cut into passages, and rows of tables.
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Metadata, MetadataValue } from '@brickwork/embedding';
import { CliError, usage } from './errors.ts';
import { utf8 } from './io.ts';

/** A passage or a row, before it has a vector. */
export interface IndexItem {
  readonly id: string;
  readonly text: string;
  readonly metadata: Metadata;
}

/** A file with what tells whether it is still the same. */
export interface IndexFile {
  readonly path: string;
  /** As it is shown and kept: from the folder that was named. */
  readonly name: string;
  readonly stamp: string;
}

const texts = /\.(txt|text|md|markdown|rst|tex|srt|log)(\.gz)?$/i;
const tables = /\.(jsonl|ndjson|csv|tsv|tab|parquet)(\.gz)?$/i;

/** The files of folders, by name; hidden ones and node_modules are left out. @throws where a path isn't there, or nothing is found. */
export function indexFiles(paths: readonly string[]): IndexFile[] {
  const found = new Map<string, IndexFile>();
  const add = (path: string, name: string): void => {
    const { size, mtimeMs } = statSync(path);
    found.set(name, { path, name, stamp: `${size} ${mtimeMs}` });
  };
  const walk = (folder: string, root: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path, root);
      else if (entry.isFile() && (texts.test(entry.name) || tables.test(entry.name)))
        add(path, relative(root, path).split(sep).join('/'));
    }
  };
  for (const path of paths) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) throw usage(`${path}: there is no such file or folder`);
    if (statSync(path).isDirectory()) walk(path, path);
    else add(path, path);
  }
  if (!found.size) throw usage(`${paths.join(', ')}: no files of text (.txt, .md, …) or rows (.jsonl, .csv, …) in it`);
  return [...found.values()];
}

/** The passages or rows of a file. @throws where it isn't text, or a row has none: with file and line. */
export async function* itemsOf(
  file: IndexFile,
  o: {
    readonly field: string;
    readonly cut: (
      text: string,
    ) => readonly { readonly text: string; readonly line: number; readonly endLine: number }[];
    readonly signal: AbortSignal;
  },
): AsyncGenerator<IndexItem, void, undefined> {
  const { path, name } = file;
  if (tables.test(path)) {
    const { readRows } = await import('@brickwork/training');
    for await (const { values, line } of readRows(path, { signal: o.signal })) {
      const text = values[o.field];
      if (typeof text !== 'string')
        throw new CliError(
          `${path}:${line}: the field ${o.field} is ${JSON.stringify(text) ?? 'missing'}; needs a text (--field)`,
        );
      if (!text.trim()) continue;
      yield { id: `${name}:${line}`, text, metadata: { file: name, line, ...plain(values, o.field) } };
    }
    return;
  }
  const bytes = await readFile(path, { signal: o.signal });
  const text = utf8(/\.gz$/i.test(path) ? gunzipSync(bytes) : bytes, path);
  for (const [i, { text: part, line, endLine }] of o.cut(text).entries())
    yield { id: `${name}#${i}`, text: part, metadata: { file: name, line, endLine } };
}

// What a row says besides its text, where it is of a kind that conditions know.
function plain(values: Readonly<Record<string, unknown>>, field: string): Record<string, MetadataValue> {
  const isPlain = (v: unknown): boolean => v === null || ['string', 'number', 'boolean'].includes(typeof v);
  return Object.fromEntries(
    Object.entries(values)
      .filter(([name, v]) => name !== field && (isPlain(v) || (Array.isArray(v) && v.every(isPlain))))
      .map(([name, v]) => [name, v as MetadataValue]),
  );
}
