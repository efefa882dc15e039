// Rows of a benchmark's files, each read as one item: files, patterns, or all data files of a folder.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { RowFormat } from '@brickwork/training';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import type { Io } from './io.ts';

/** What the flags hold. */
export interface BenchmarkArgs {
  readonly data: readonly string[];
  readonly rest: readonly string[];
  readonly limit?: number;
  readonly batchSize: number;
  readonly predictions?: string;
  readonly skipMalformed: boolean;
  readonly json: boolean;
}

/** Flags that benchmarks have in common; what `--limit` counts differs. */
export const benchmarkFlags = (limit: string): ReturnType<typeof flags> =>
  flags('Data', {
    data: {
      type: 'texts',
      alias: 'd',
      describe: 'files (.gz, too), patterns in quotes, or folders of them',
    },
    limit: { type: 'number', min: 1, whole: true, describe: limit },
    'skip-malformed': { type: 'switch', default: false, describe: 'leave out rows that can’t be read, and tell each' },
    'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 32, describe: 'rows of a run at most' },
    predictions: { type: 'text', describe: 'writes a line of JSON for each example to this file' },
    json: { type: 'switch', default: false, describe: 'one line of JSON' },
  });

const isData = (name: string): boolean => /\.(jsonl|ndjson|json|csv|tsv|tab|parquet)(\.gz)?$/i.test(name);

/** The files that paths, patterns and folders name. @throws where there are none. */
export async function benchmarkFiles(paths: readonly string[] | undefined): Promise<string[]> {
  if (!paths?.length) throw usage('--data is missing', '--data FILE, or a folder of data files');
  const { dataFiles } = await import('@brickwork/training');
  const files: string[] = [];
  for (const path of paths) {
    if (existsSync(path) && statSync(path).isDirectory()) {
      const own = readdirSync(path).filter(isData).toSorted();
      if (!own.length) throw usage(`--data ${path}: no data files in the folder (.jsonl, .csv, .tsv, .parquet)`);
      files.push(...own.map((name) => join(path, name)));
    } else if (existsSync(path)) files.push(path);
    else if (/[*?[\]{}]/.test(path)) files.push(...(await dataFiles(path)));
    else throw usage(`--data ${path}: there is no such file or folder`);
  }
  return files;
}

/** A file's name without folders and endings. */
export const bareName = (file: string): string =>
  basename(file)
    .replace(/\.gz$/i, '')
    .replace(/\.[^.]+$/, '');

/** How rows are read. */
export interface ReadItems<T> {
  /** Makes an item of a row. @throws saying what is wrong with it. */
  readonly read: (row: Readonly<Record<string, unknown>>, file: string) => T;
  /** What the columns of a file without a line of names are; undefined where it has one. */
  readonly header?: (firstLine: string, file: string) => readonly string[] | undefined;
  readonly format?: RowFormat;
  /** Most items of a file. */
  readonly limitPerFile?: number | undefined;
  readonly limit?: number | undefined;
  readonly skipMalformed: boolean;
  readonly signal: AbortSignal;
}

/**
 * The items of files, in order. A row that can't be read is an error with file and line, or left out and told.
 *
 * @throws also where there are no items.
 */
export async function readItems<T>(files: readonly string[], io: Io, o: ReadItems<T>): Promise<T[]> {
  const { readRows, RowError, formatOf } = await import('@brickwork/training');
  const { read, signal, limitPerFile = Infinity, limit = Infinity } = o;
  const items: T[] = [];
  for (const file of files) {
    const kind = o.format ?? formatOf(file);
    const isTable = kind === 'csv' || kind === 'tsv';
    const header = isTable && o.header ? o.header(await firstLine(file, signal), file) : undefined;
    let own = 0;
    const rows = readRows(file, {
      format: kind,
      signal,
      ...(header && { header }),
      ...(o.skipMalformed && { onMalformed: (error) => io.note(`left out: ${error.message}`) }),
    });
    for await (const { values, line } of rows) {
      if (own >= limitPerFile || items.length >= limit) break;
      try {
        items.push(read(values, file));
        own++;
      } catch (cause) {
        const error = new RowError(file, line, (cause as Error).message, { cause });
        if (!o.skipMalformed) throw error;
        io.note(`left out: ${error.message}`);
      }
    }
    if (items.length >= limit) break;
  }
  if (!items.length) throw usage(`${files.join(', ')}: no rows that could be read`);
  return items;
}

async function firstLine(file: string, signal: AbortSignal): Promise<string> {
  const { readRows } = await import('@brickwork/training');
  for await (const { values } of readRows(file, { format: 'text', signal })) return String(values['text']);
  return '';
}
