// Fills an index from files: what is as it was stays, what changed is encoded anew, what is gone goes.
import type { SentenceEncoder, VectorIndex } from '@brickwork/embedding';
import type { Io } from './io.ts';
import { itemsOf, type IndexFile, type IndexItem } from './index-files.ts';
import { count, ProgressLine } from './progress.ts';

/** How texts become records. */
export interface BuildOptions {
  readonly chunk: number;
  readonly overlap: number;
  readonly field: string;
  readonly batchSize: number;
  readonly skipMalformed: boolean;
  readonly signal: AbortSignal;
}

/** What was done. */
export interface Built {
  readonly added: number;
  readonly removed: number;
  readonly unchanged: number;
  readonly files: number;
  /** Of each file its stamp, to be kept with the index. */
  readonly stamps: Readonly<Record<string, string>>;
}

const itemsAtOnce = 1024;

/** Brings an index to what the files hold. `encoder` is null for an index of words alone. */
export async function buildIndex(
  index: VectorIndex,
  encoder: SentenceEncoder | null,
  files: readonly IndexFile[],
  o: BuildOptions,
  io: Io,
): Promise<Built> {
  const { chunkText } = await import('@brickwork/embedding');
  const before = (index.info['files'] ?? {}) as Readonly<Record<string, string>>;
  const stamps: Record<string, string> = {};
  const now = new Map(files.map((file) => [file.name, file]));
  const changed = files.filter(({ name, stamp }) => before[name] !== stamp);
  const stale = new Set(Object.keys(before).filter((name) => before[name] !== now.get(name)?.stamp));
  const old: string[] = [];
  if (stale.size)
    for await (const { id, metadata } of index.records()) if (stale.has(String(metadata['file']))) old.push(id);
  await index.delete(old);
  const unchanged = index.size;
  const cut = (text: string): ReturnType<typeof chunkText> => chunkText(text, { size: o.chunk, overlap: o.overlap });
  const line = new ProgressLine(io);
  const began = performance.now();
  let added = 0;
  let waiting: IndexItem[] = [];
  const flush = async (): Promise<void> => {
    const vectors = await encoder?.encode(
      waiting.map(({ text }) => text),
      { batchSize: o.batchSize, signal: o.signal },
    );
    await index.add(waiting.map((item, i) => ({ ...item, ...(vectors && { vector: vectors[i]! }) })));
    added += waiting.length;
    waiting = [];
  };
  try {
    for (const [n, file] of changed.entries()) {
      const own: IndexItem[] = [];
      try {
        for await (const item of itemsOf(file, { field: o.field, cut, signal: o.signal })) own.push(item);
      } catch (error) {
        if (!o.skipMalformed || o.signal.aborted) throw error;
        line.clear();
        io.note(`left out: ${(error as Error).message}`);
        continue;
      }
      stamps[file.name] = file.stamp;
      for (const item of own) {
        waiting.push(item);
        if (waiting.length < itemsAtOnce) continue;
        await flush();
        const rate = (added / (performance.now() - began)) * 1000;
        line.show(
          () => `${count(added)} passages, ${count(n)} of ${count(changed.length)} files, ${count(rate)} passages/s`,
        );
      }
      o.signal.throwIfAborted();
    }
    if (waiting.length) await flush();
  } finally {
    line.clear();
  }
  for (const { name, stamp } of files) if (before[name] === stamp) stamps[name] = stamp;
  return { added, removed: old.length, unchanged, files: files.length, stamps };
}
