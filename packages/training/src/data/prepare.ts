// Labelled data made ready for training: files become rows, examples and then tokens, once; later runs find them again.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random, streamSeed } from '@brickwork/nn';
import { writeFileAtomic } from '@brickwork/runtime';
import type { Task, TaskTokenizer } from '../tasks/task.ts';
import { exampleReader, type ColumnMap, type Example, type ExampleKind, type ExampleReader } from './example.ts';
import { openExampleStore, writeExampleStore, type EncodedExample, type ExampleStore } from './example-store.ts';
import { RowError, type RowFormat } from './row.ts';
import { dataFiles, readRows } from './rows.ts';

/** Which examples are read, and how. */
export interface ReadExamplesOptions {
  /** Files or patterns. */
  readonly files: string | readonly string[];
  /** What the files hold; told from their names unless given. */
  readonly format?: RowFormat;
  /** Names of a CSV file's columns, for one without a line of names. */
  readonly header?: readonly string[];
  /** Where columns are called otherwise than usual. */
  readonly columns?: ColumnMap;
  /** What the rows are to be, where they could be several things. */
  readonly kind?: ExampleKind;
  /** Changes examples as they are read. */
  readonly adjust?: (example: Example) => Example;
  /** Leaves rows out that can't be read or encoded; without it the first of them ends the reading. */
  readonly skipMalformed?: boolean;
  /** Called with each row that is left out. */
  readonly onMalformed?: (error: RowError) => void;
  readonly signal?: AbortSignal;
}

/** How data are made ready. */
export interface PrepareOptions extends ReadExamplesOptions {
  readonly task: Task;
  /** Examples encoded by another tokenizer are other ones. */
  readonly tokenizer: TaskTokenizer;
  /** Names what `adjust` does: examples that were adjusted otherwise are other ones. */
  readonly adjusted?: unknown;
  /** Folder where encoded examples are kept for later runs; none are kept unless given. */
  readonly cache?: string;
  /** The share of rows to hold out, chosen by the seed, or files of their own; nothing is held out unless given. */
  readonly validation?: number | string | readonly string[];
  /** Decides which rows are held out; 0 unless given. */
  readonly seed?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/** How far it is. */
export interface PrepareProgress {
  readonly stage: 'hash' | 'train' | 'validation';
  /** Bytes hashed, or rows read. */
  readonly done: number;
}

/** Examples to train on and those held out. */
export interface PreparedData {
  readonly train: ExampleStore;
  readonly validation: ExampleStore | null;
  /** Rows that were left out. */
  readonly skipped: number;
  /** Whether everything was there from an earlier run. */
  readonly isCached: boolean;
  close(): Promise<void>;
}

/** One example and where it stands. */
export interface ReadExample {
  readonly example: Example;
  /** Counted from 0 over all rows that could be read. */
  readonly index: number;
  readonly file: string;
  readonly line: number;
}

/**
 * Reads examples one by one, in memory that doesn't grow with the files.
 *
 * @throws RowError with file and line for a row that can't be read, unless such rows are left out.
 */
export async function* readExamples(o: ReadExamplesOptions): AsyncGenerator<ReadExample, void, undefined> {
  const { files, format, header, columns, kind, adjust, skipMalformed = false, onMalformed, signal } = o;
  const rows = readRows(files, {
    ...(format && { format }),
    ...(header && { header }),
    ...(signal && { signal }),
    ...(skipMalformed && { onMalformed: (error) => onMalformed?.(error) }),
  });
  let from: string | null = null;
  let reader!: ExampleReader;
  let index = 0;
  for await (const row of rows) {
    const { file, line } = row;
    if (from !== file) reader = exampleReader(row, columns, kind);
    from = file;
    let example: Example;
    try {
      example = reader.read(row);
      if (adjust) example = adjust(example);
    } catch (cause) {
      const error = located(cause, file, line);
      if (!skipMalformed) throw error;
      onMalformed?.(error);
      continue;
    }
    yield { example, index: index++, file, line };
  }
}

const located = (cause: unknown, file: string, line: number): RowError =>
  cause instanceof RowError ? cause : new RowError(file, line, (cause as Error).message, { cause });

/** What is written beside the stores once they are whole. */
interface Note {
  readonly skipped: number;
}

/**
 * Encodes the examples of files for a task, as a stream, into files that training reads from at any place. With a cache,
 * they lie there under a name made of the files' content, the tokenizer, the task and the choice of what is held out.
 *
 * @throws RowError with file and line for a row that can't be read or encoded, unless such rows are left out; where no
 *   examples are left, to train on or to hold out.
 */
export async function prepareData(o: PrepareOptions): Promise<PreparedData> {
  const { task, cache, validation = 0, seed = 0, skipMalformed = false, signal, onProgress } = o;
  const share = typeof validation === 'number' ? validation : 0;
  if (!(share >= 0 && share < 1)) throw new Error(`prepareData: validation is ${share}; needs a share from 0 below 1`);
  const own = typeof validation === 'number' ? null : await dataFiles(validation);
  const files = await dataFiles(o.files);
  const hasValidation = own !== null || share > 0;

  const folder = cache ?? (await mkdtemp(join(tmpdir(), 'brickwork-examples-')));
  try {
    await mkdir(folder, { recursive: true });
    const name = cache === undefined ? 'examples' : await keyOf(o, files, own);
    const at = (part: string): string => join(folder, `${name}.${part}`);
    let note = await readNote(at('json'));
    const isCached = note !== null && (skipMalformed || note.skipped === 0);
    if (!isCached) {
      let skipped = 0;
      const counted = { ...o, onMalformed: (error: RowError) => (skipped++, o.onMalformed?.(error)) };
      const limit = await writeTrain(at('train'), { ...counted, files }, share, seed);
      // Rows are read anew for a share that is held out; those that can't be read were told already.
      const held: PrepareOptions = own ? { ...counted, files: own } : counted;
      const isHeld = own ? () => true : (index: number): boolean => chance(seed, index) <= limit;
      if (hasValidation) await write(at('validation'), held, 'validation', isHeld, own === null);
      note = { skipped };
      await writeFileAtomic(at('json'), `${JSON.stringify(note)}\n`);
    }
    signal?.throwIfAborted();
    const train = openExampleStore(at('train'));
    let held: ExampleStore | null;
    try {
      held = hasValidation ? openExampleStore(at('validation')) : null;
    } catch (error) {
      train.close();
      throw error;
    }
    return {
      train,
      validation: held,
      skipped: note!.skipped,
      isCached,
      async close() {
        train.close();
        held?.close();
        if (cache === undefined) await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (cache === undefined) await rm(folder, { recursive: true, force: true });
    throw error;
  }

  // What is not held out; which rows are, is found on the way where it is to be a share: those up to the limit returned.
  async function writeTrain(path: string, given: PrepareOptions, part: number, by: number): Promise<number> {
    let [rows, lowest, held] = [0, Infinity, 0];
    // Chances are from 0 below 1, and a limit below 0 holds nothing out.
    const limit = part > 0 ? part - Number.EPSILON : -1;
    await write(path, given, 'train', (index) => {
      const own = part > 0 ? chance(by, index) : 1;
      rows++;
      lowest = Math.min(lowest, own);
      if (own <= limit) held++;
      return own > limit;
    });
    if (part === 0 || held) return limit;
    if (rows < 2) throw new Error(`prepareData: ${rows} row is too few to hold some out; use more data`);
    // Few rows, and none came to be held out: the first in the order of their chances is.
    const { onMalformed: _, ...silent } = given;
    await write(path, silent, 'train', (index) => chance(by, index) > lowest, true);
    return lowest;
  }

  async function write(
    path: string,
    given: PrepareOptions,
    stage: 'train' | 'validation',
    wanted: (index: number) => boolean,
    isAgain = false,
  ): Promise<void> {
    let first: RowError | null = null;
    const leaveOut = (error: RowError, tell: ((error: RowError) => void) | undefined): void => {
      first ??= error;
      tell?.(error);
    };
    const onMalformed = (error: RowError): void => leaveOut(error, isAgain ? undefined : given.onMalformed);
    async function* encoded(): AsyncGenerator<EncodedExample, void, undefined> {
      let [rows, examples] = [0, 0];
      for await (const { example, index, file, line } of readExamples({ ...given, onMalformed })) {
        if (++rows % 256 === 0) onProgress?.({ stage, done: rows });
        if (!wanted(index)) continue;
        let made: readonly EncodedExample[];
        try {
          made = task.encode(example);
        } catch (cause) {
          const error = located(cause, file, line);
          if (!skipMalformed) throw error;
          leaveOut(error, given.onMalformed);
          continue;
        }
        examples += made.length;
        yield* made;
      }
      if (!examples)
        throw new Error(
          `data: ${[given.files].flat().join(', ')}: no examples ${stage === 'train' ? 'to train on' : 'to hold out'} in ${rows} rows${first ? `; the first left out: ${first.message}` : ''}`,
        );
    }
    await writeExampleStore(path, encoded());
  }
}

/** A number from 0 below 1 that belongs to a row. */
const chance = (seed: number, index: number): number => random(streamSeed(seed, `held-out/${index}`)).uniform();

async function readNote(path: string): Promise<Note | null> {
  if (!existsSync(path)) return null;
  try {
    const note = JSON.parse(await readFile(path, 'utf8')) as Note;
    return Number.isInteger(note.skipped) ? note : null;
  } catch {
    return null;
  }
}

// Everything that encoded examples follow from.
async function keyOf(o: PrepareOptions, files: readonly string[], own: readonly string[] | null): Promise<string> {
  let done = 0;
  const content = async (path: string): Promise<string> => {
    const hash = createHash('sha256');
    const stream = createReadStream(path, { highWaterMark: 2 ** 20, ...(o.signal && { signal: o.signal }) });
    for await (const bytes of stream) {
      hash.update(bytes as Uint8Array);
      done += (bytes as Uint8Array).length;
      o.onProgress?.({ stage: 'hash', done });
    }
    return hash.digest('hex');
  };
  const hashes: unknown[] = [];
  for (const path of [...files, ...(own ?? [])]) {
    const format = o.format ?? /\.[a-z.]+$/i.exec(path)?.[0] ?? '';
    hashes.push([
      await content(path).catch((cause: unknown) => {
        o.signal?.throwIfAborted();
        throw new Error(`data: ${path}: ${(cause as Error).message}`, { cause });
      }),
      format,
    ]);
  }
  const parts = {
    version: 1,
    hashes,
    header: o.header ?? null,
    columns: o.columns ?? null,
    kind: o.kind ?? null,
    adjusted: o.adjusted ?? null,
    task: o.task.identity,
    tokenizer: createHash('sha256')
      .update(JSON.stringify(o.tokenizer.json ?? null))
      .digest('hex'),
    validation: own ? own.length : (o.validation ?? 0),
    seed: o.seed ?? 0,
  };
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
