// Labelled data as rows, read from files of any size: JSON lines, CSV, TSV, Parquet or plain text, compressed or not.
import { glob } from 'tinyglobby';
import { csvRows } from './csv-rows.ts';
import { jsonRows } from './json-rows.ts';
import { parquetRows } from './parquet-rows.ts';
import type { Row, RowError, RowFormat } from './row.ts';
import { paragraphRows, textRows } from './text-rows.ts';

/** How rows are read. */
export interface ReadRowsOptions {
  /** What the files hold; told from their names unless given. */
  readonly format?: RowFormat;
  /**
   * Names of a CSV file's columns, for one without a line of names; a number takes that many columns as `0`, `1`, ….
   */
  readonly header?: readonly string[];
  /** Called with each row that can't be read, which is then left out. Without it such a row ends the reading. */
  readonly onMalformed?: (error: RowError) => void;
  readonly signal?: AbortSignal;
}

const formats: readonly [RegExp, RowFormat][] = [
  [/\.(jsonl|ndjson|json)(\.gz)?$/i, 'jsonl'],
  [/\.csv(\.gz)?$/i, 'csv'],
  [/\.(tsv|tab)(\.gz)?$/i, 'tsv'],
  [/\.parquet$/i, 'parquet'],
  [/\.(txt|text|md)(\.gz)?$/i, 'text'],
];

/** What a file holds, told from its name. @throws where its name doesn't say. */
export function formatOf(file: string): RowFormat {
  const found = formats.find(([pattern]) => pattern.test(file));
  if (!found)
    throw new Error(
      `data: what ${file} holds can't be told from its name; say jsonl, csv, tsv, parquet, text or paragraphs`,
    );
  return found[1];
}

const isPattern = (path: string): boolean => /[*?[\]{}]/.test(path);

/**
 * The files that paths and patterns (`data/*.jsonl`) name: in the order given, those of one pattern by name.
 *
 * @throws where a pattern names none.
 */
export async function dataFiles(paths: string | readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of [paths].flat()) {
    if (!isPattern(path)) {
      files.push(path);
      continue;
    }
    const found = await glob(path, { expandDirectories: false });
    if (!found.length) throw new Error(`data: no file is called ${path}`);
    files.push(...found.toSorted((a, b) => (a < b ? -1 : 1)));
  }
  if (!files.length) throw new Error('data: no files given; name one or more');
  return files;
}

const readers = {
  jsonl: jsonRows,
  csv: csvRows,
  tsv: csvRows,
  parquet: parquetRows,
  text: textRows,
  paragraphs: paragraphRows,
};

/**
 * Reads the rows of files one after another, in memory that doesn't grow with them.
 *
 * @param paths files or patterns
 * @throws where a file is missing, or a row can't be read and there is no `onMalformed`: with file and line.
 */
export async function* readRows(
  paths: string | readonly string[],
  { format, header, onMalformed, signal }: ReadRowsOptions = {},
): AsyncGenerator<Row, void, undefined> {
  const refuse = (error: RowError): void => {
    if (!onMalformed) throw error;
    onMalformed(error);
  };
  for (const file of await dataFiles(paths)) {
    const kind = format ?? formatOf(file);
    if (!Object.hasOwn(readers, kind))
      throw new Error(`data: no format ${JSON.stringify(kind)}; there are ${Object.keys(readers).join(', ')}`);
    for await (const row of readers[kind](file, { kind, header, refuse, signal })) {
      signal?.throwIfAborted();
      yield row;
    }
  }
}
