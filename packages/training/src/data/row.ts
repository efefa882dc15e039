// One row of a data set, where it stands, and what its readers have in common.

/** What a file holds; of a text, each line is a row, or each paragraph. */
export type RowFormat = 'jsonl' | 'csv' | 'tsv' | 'parquet' | 'text' | 'paragraphs';

/** One row, and where it stands. */
export interface Row {
  readonly values: Readonly<Record<string, unknown>>;
  readonly file: string;
  /** Counted from 1: the line on which it begins; of Parquet, the row. */
  readonly line: number;
}

/** A row that can't be read. */
export class RowError extends Error {
  readonly file: string;
  readonly line: number;
  constructor(file: string, line: number, reason: string, options?: ErrorOptions) {
    super(`${file}:${line}: ${reason}`, options);
    this.name = 'RowError';
    this.file = file;
    this.line = line;
  }
}

/** What each format's reader is given. */
export interface ReaderOptions {
  readonly kind: RowFormat;
  readonly header: readonly string[] | undefined;
  /** Called with a row that can't be read; throws where that isn't to be left out. */
  readonly refuse: (error: RowError) => void;
  readonly signal: AbortSignal | undefined;
}
