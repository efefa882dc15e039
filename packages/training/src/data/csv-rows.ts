// Comma- and tab-separated values (RFC 4180; quoted fields may hold separators and line ends), through csv-parse.
import { parse, CsvError, type Options } from 'csv-parse';
import { Readable } from 'node:stream';
import { readText } from '../read-text.ts';
import { RowError, type ReaderOptions, type Row } from './row.ts';

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number; readonly error?: CsvError };
}

/** Rows of a CSV or TSV file. Columns are named by the first line, unless names are given. */
export async function* csvRows(
  file: string,
  { kind, header, refuse, signal }: ReaderOptions,
): AsyncGenerator<Row, void, undefined> {
  const options: Options = {
    delimiter: kind === 'tsv' ? '\t' : ',',
    // Tab-separated files hold quotation marks as they are.
    quote: kind === 'tsv' ? null : '"',
    relax_column_count: true,
    skip_empty_lines: true,
    info: true,
    max_record_size: 2 ** 26,
  };
  const source = Readable.from(readText(file, { signal }));
  const parser = source.pipe(parse(options));
  source.on('error', (error) => parser.destroy(error));
  let names = header ?? null;
  let before = 0; // the line on which the last row ended
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      const line = before + 1;
      before = info.lines;
      if (!names) {
        names = record;
        const twice = names.find((name, i) => names!.indexOf(name) < i);
        if (twice !== undefined) throw new RowError(file, line, `two columns are called ${JSON.stringify(twice)}`);
        continue;
      }
      if (record.length !== names.length) {
        refuse(new RowError(file, line, `${record.length} columns; needs ${names.length} (${names.join(', ')})`));
        continue;
      }
      yield { values: Object.fromEntries(names.map((name, i) => [name, record[i]])), file, line };
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new RowError(file, before + 1, `not ${kind.toUpperCase()} (${cause.message})`, { cause });
  } finally {
    source.destroy();
  }
}
