// Apache Parquet, as the Hugging Face hub stores data sets, through hyparquet: one group of rows in memory at a time.
import { open } from 'node:fs/promises';
import { parquetMetadataAsync, parquetReadObjects, type AsyncBuffer } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { RowError, type ReaderOptions, type Row } from './row.ts';

// Bytes decoded at once, about: a larger group of rows is read in pieces.
const pieceBytes = 2 ** 25;

/** Rows of a Parquet file. */
export async function* parquetRows(file: string, { signal }: ReaderOptions): AsyncGenerator<Row, void, undefined> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new Error(`data: ${file}: ${(cause as Error).message}`, { cause });
  });
  try {
    const { size } = await handle.stat();
    const buffer: AsyncBuffer = {
      byteLength: size,
      async slice(start, end = size) {
        const bytes = new Uint8Array(Math.max(0, end - start));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
        return bytes.buffer.slice(0, bytesRead);
      },
    };
    let done = 0;
    try {
      const metadata = await parquetMetadataAsync(buffer);
      const total = Number(metadata.num_rows);
      for (const group of metadata.row_groups) {
        const end = done + Number(group.num_rows);
        const pieces = Math.ceil(Number(group.total_byte_size) / pieceBytes) || 1;
        const piece = Math.ceil(Number(group.num_rows) / pieces);
        while (done < end) {
          signal?.throwIfAborted();
          const rowEnd = Math.min(end, done + piece);
          const rows = await parquetReadObjects({ file: buffer, metadata, rowStart: done, rowEnd, compressors });
          for (const values of rows) yield { values: values as Record<string, unknown>, file, line: ++done };
          if (!rows.length) throw new Error(`${total} rows promised, ${done} found`);
        }
      }
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof RowError) throw cause;
      throw new RowError(file, done + 1, `not Parquet (${(cause as Error).message})`, { cause });
    }
  } finally {
    await handle.close();
  }
}
