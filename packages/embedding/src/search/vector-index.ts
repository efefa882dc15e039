// An index of vectors and texts: the nearest exactly or approximately, by words (BM25), or by both; on disk as a folder that opens
// without being read.
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recoverFolder, replaceFolder } from '@brickwork/runtime';
import { checkApproximate, openGraph, type ApproximateOptions, type Graph } from './approximate.ts';
import {
  addBm25,
  bm25Tokens,
  checkBm25,
  countTokens,
  packPostings,
  unpackPostings,
  type Bm25Options,
  type Postings,
} from './bm25.ts';
import { compileFilter, type Filter, type Metadata, type Test } from './filter.ts';
import { fuse, type FusionOptions } from './fuse.ts';
import { RecordWriter } from './record-file.ts';
import { writeSorted } from './sorted-file.ts';
import { openStored, type IndexHead, type IndexSettings, type StoredIndex } from './stored-index.ts';
import { TopK, type Scored } from './top-k.ts';
import { VectorWriter } from './vector-file.ts';
import {
  emptyRows,
  makeQuery,
  metrics,
  putVector,
  scoreRow,
  scoreRows,
  takeVector,
  vectorTypes,
  type Metric,
  type VectorRows,
  type VectorType,
} from './vector-rows.ts';

/** What an index is to be. */
export interface IndexOptions {
  /** Values of a vector; an index of texts alone, for searches by words, unless given. */
  readonly dimension?: number;
  /** How vectors are compared; `cosine` unless given. A Euclidean score is the distance below zero. */
  readonly metric?: Metric;
  /** `int8`: each vector in bytes with a scale of its own, a quarter of the space; `float32` unless given. */
  readonly type?: VectorType;
  /** Keeps a graph of neighbours, for searches that look at few vectors and may miss some; none unless given. */
  readonly approximate?: boolean | ApproximateOptions;
  readonly bm25?: Bm25Options;
  /** JSON that is kept with the index. */
  readonly info?: Readonly<Record<string, unknown>>;
}

/** Something to be found. */
export interface IndexRecord {
  readonly id: string;
  /** Needed where the index has vectors. */
  readonly vector?: Float32Array;
  /** What searches by words look at. */
  readonly text?: string;
  readonly metadata?: Metadata;
}

/** What was found. */
export interface Hit {
  readonly id: string;
  /** Cosine, dot product, distance below zero; BM25; or the fused score. */
  readonly score: number;
  readonly text: string;
  readonly metadata: Metadata;
}

/** What is looked for: a vector, words, or both. */
export interface IndexQuery {
  readonly vector?: Float32Array;
  readonly text?: string;
}

/** How it is looked for. */
export interface SearchOptions {
  /** Most hits; 10 unless given. */
  readonly k?: number;
  /** Only records whose metadata pass. */
  readonly filter?: Filter | Test;
  /** Looks at all vectors although there is a graph; false unless given. */
  readonly exact?: boolean;
  /** How a vector's and words' hits become one list. */
  readonly fusion?: FusionOptions;
  readonly signal?: AbortSignal;
}

interface Stored {
  readonly id: string;
  readonly text: string;
  readonly metadata: Metadata;
}

const rowsAtOnce = 512;
const files = /^(vectors|records|ids|terms|lengths|graph)\.bin$|^index\.json$/;

/** An index. Changes are in memory until {@link VectorIndex.save}. */
export class VectorIndex {
  readonly settings: IndexSettings;
  readonly #stored: StoredIndex | null;
  readonly #base: number;
  // Rows behind the stored ones.
  readonly #added: Stored[] = [];
  readonly #places = new Map<string, number>();
  readonly #words = new Map<string, number[]>();
  #rows: VectorRows | null;
  #room = 0;
  #lengths: Uint32Array;
  readonly #gone = new Set<number>();
  #liveWords = 0;
  readonly #folder: string | null;
  #graph: Promise<Graph> | null = null;

  private constructor(settings: IndexSettings, stored: StoredIndex | null, folder: string | null) {
    [this.settings, this.#stored, this.#folder] = [settings, stored, folder];
    this.#base = stored?.head.count ?? 0;
    this.#rows = settings.dimension === null ? null : emptyRows(settings.type, 0, settings.dimension);
    this.#lengths = Uint32Array.from(stored?.lengths ?? []);
    for (const length of this.#lengths) this.#liveWords += length;
  }

  /** A new index. @throws where an option isn't known or makes no sense. */
  static create(o: IndexOptions = {}): VectorIndex {
    const { dimension, metric = 'cosine', type = 'float32', approximate = false, bm25 = {}, info = {} } = o;
    const known = ['dimension', 'metric', 'type', 'approximate', 'bm25', 'info'];
    for (const name of Object.keys(o))
      if (!known.includes(name)) throw new Error(`VectorIndex: no option ${name}; there are ${known.join(', ')}`);
    if (dimension !== undefined && !(Number.isInteger(dimension) && dimension > 0))
      throw new Error(`VectorIndex: dimension is ${dimension}; needs a whole number above 0`);
    if (!metrics.includes(metric))
      throw new Error(`VectorIndex: metric is ${JSON.stringify(metric)}; needs ${metrics.join(', ')}`);
    if (!vectorTypes.includes(type))
      throw new Error(`VectorIndex: type is ${JSON.stringify(type)}; needs ${vectorTypes.join(', ')}`);
    if (approximate && dimension === undefined)
      throw new Error('VectorIndex: an approximate index needs vectors, and a dimension');
    const settings = {
      dimension: dimension ?? null,
      metric,
      type,
      bm25: checkBm25(bm25),
      approximate: approximate ? checkApproximate(approximate === true ? {} : approximate) : null,
      info,
    };
    return new VectorIndex(settings, null, null);
  }

  /**
   * Opens an index that was saved. Of its vectors and records at most `cacheBytes` (256 MB unless given) are kept in memory.
   *
   * @throws where the folder is no index, is of a later version, or a file is missing, cut short or another one.
   */
  static async open(
    folder: string,
    { cacheBytes = 2 ** 28 }: { readonly cacheBytes?: number } = {},
  ): Promise<VectorIndex> {
    await recoverFolder(folder);
    const stored = await openStored(folder, cacheBytes);
    const { dimension, metric, type, bm25, approximate, info } = stored.head;
    return new VectorIndex({ dimension, metric, type, bm25, approximate, info }, stored, folder);
  }

  /** Records in it. */
  get size(): number {
    return this.#base + this.#added.length - this.#gone.size;
  }
  get dimension(): number | null {
    return this.settings.dimension;
  }
  get info(): Readonly<Record<string, unknown>> {
    return this.settings.info;
  }

  /**
   * Adds records, all or none of them.
   *
   * @param replace puts a record in the place of one with its id, which is an error otherwise
   * @throws where an id is there already or twice, or a vector is missing, has another size, or isn't finite.
   */
  async add(records: readonly IndexRecord[], { replace = false }: { readonly replace?: boolean } = {}): Promise<void> {
    const ids = new Set<string>();
    const old: number[] = [];
    for (const record of records) {
      this.#check(record);
      if (ids.has(record.id)) throw new Error(`add: the id ${JSON.stringify(record.id)} is given twice`);
      ids.add(record.id);
      const row = await this.#rowOf(record.id);
      if (row === null) continue;
      if (!replace)
        throw new Error(
          `add: the id ${JSON.stringify(record.id)} is there already; { replace: true } puts the new one in its place`,
        );
      old.push(row);
    }
    const graph = this.settings.approximate ? await this.#openGraph() : null;
    for (const row of old) this.#drop(row);
    for (const { id, vector, text = '', metadata = {} } of records) {
      const at = this.#added.push({ id, text, metadata }) - 1;
      const row = this.#base + at;
      this.#places.set(id, row);
      if (this.#rows) {
        if (at === this.#room) this.#grow();
        putVector(this.#rows, at, vector!);
        graph?.add(row, takeVector(this.#rows, at, this.settings.dimension!));
      }
      const { length, counts } = countTokens(text);
      if (row >= this.#lengths.length) {
        const longer = new Uint32Array(Math.max(64, 2 * row));
        longer.set(this.#lengths);
        this.#lengths = longer;
      }
      this.#lengths[row] = length;
      this.#liveWords += length;
      for (const [word, count] of counts) {
        const list = this.#words.get(word);
        if (list) list.push(row, count);
        else this.#words.set(word, [row, count]);
      }
    }
  }

  /** Takes records out, and gives how many there were. Ids that aren't there are left alone. */
  async delete(ids: readonly string[]): Promise<number> {
    let count = 0;
    for (const id of ids) {
      const row = await this.#rowOf(id);
      if (row === null) continue;
      this.#drop(row);
      count++;
    }
    return count;
  }

  async has(id: string): Promise<boolean> {
    return (await this.#rowOf(id)) !== null;
  }

  /** A record with its vector as it is kept; null where there is none. */
  async get(
    id: string,
  ): Promise<(Required<Omit<IndexRecord, 'vector'>> & { readonly vector: Float32Array | null }) | null> {
    const row = await this.#rowOf(id);
    if (row === null) return null;
    const { text, metadata } = await this.#record(row);
    const D = this.settings.dimension;
    if (D === null) return { id, text, metadata, vector: null };
    const { rows, at } = await this.#vectorAt(row);
    return { id, text, metadata, vector: takeVector(rows, at, D) };
  }

  /** All records, oldest first, without their vectors. */
  async *records(): AsyncGenerator<Stored, void, undefined> {
    const end = this.#base + this.#added.length;
    for (let row = 0; row < end; row++) if (!this.#gone.has(row)) yield this.#record(row);
  }

  /**
   * The best records for a vector, for words, or for both; best first, equal ones in the order in which they were added.
   *
   * @throws where the query is empty, its vector has another size or isn't finite, k isn't a whole number above 0, or the
   *   filter has an operator that isn't known; or the signal's reason.
   */
  async search(query: Float32Array | IndexQuery, o: SearchOptions = {}): Promise<Hit[]> {
    const { vector, text }: IndexQuery = query instanceof Float32Array ? { vector: query } : query;
    const { k = 10, filter, signal, fusion } = o;
    if (!(Number.isInteger(k) && k > 0)) throw new Error(`search: k is ${k}; needs a whole number above 0`);
    if (vector === undefined && text === undefined)
      throw new Error('search: nothing to look for; needs a vector, a text, or both');
    if (vector !== undefined) this.#checkVector('search: the query', vector);
    signal?.throwIfAborted();
    const test = filter === undefined ? null : typeof filter === 'function' ? filter : compileFilter(filter);
    const both = vector !== undefined && text !== undefined;
    // A fused list needs more of each than it shows.
    const most = both ? Math.max(100, 5 * k) : k;
    const byVector = vector === undefined ? [] : await this.#byVector(vector, most, test, o);
    const byText = text === undefined ? [] : await this.#byText(text, most, test);
    const best = both ? fuse(byVector, byText, fusion).slice(0, k) : vector === undefined ? byText : byVector;
    return Promise.all(best.map(async ({ row, score }) => ({ ...(await this.#record(row)), score })));
  }

  /**
   * Writes the index to a folder, whole or not at all; the folder of an index is replaced. Go on with {@link VectorIndex.open}.
   *
   * @param info JSON that is kept with the index, in place of what was
   * @throws where it can't be written, or the folder holds something else; then nothing has changed.
   */
  async save(
    folder: string,
    {
      signal,
      info = this.settings.info,
    }: { readonly signal?: AbortSignal; readonly info?: IndexSettings['info'] } = {},
  ): Promise<void> {
    await replaceFolder(folder, (temporary) => this.#write(temporary, info, signal), {
      proof: 'index.json',
      drop: (name) => files.test(name),
    });
  }

  /** Closes the files of an index that was opened. */
  close(): void {
    this.#stored?.close();
  }

  #check({ id, vector, text, metadata }: IndexRecord): void {
    if (typeof id !== 'string' || !id) throw new Error(`add: the id is ${JSON.stringify(id)}; needs a text`);
    if (text !== undefined && typeof text !== 'string')
      throw new Error(`add: the text of ${id} is ${JSON.stringify(text)}; needs a text`);
    if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)))
      throw new Error(`add: the metadata of ${id} are ${JSON.stringify(metadata)}; needs an object`);
    if (this.settings.dimension === null) {
      if (vector !== undefined)
        throw new Error(`add: ${id} has a vector, and the index is of texts alone; create it with a dimension`);
      return;
    }
    if (!(vector instanceof Float32Array)) throw new Error(`add: ${id} has no vector; needs a Float32Array`);
    this.#checkVector(`add: the vector of ${id}`, vector);
  }

  #checkVector(what: string, vector: Float32Array): void {
    const { dimension: D, metric } = this.settings;
    if (D === null) throw new Error(`${what} is a vector, and the index is of texts alone; search it by text`);
    if (!(vector instanceof Float32Array) || vector.length !== D)
      throw new Error(
        `${what} has ${vector.length} values; the index holds vectors of ${D}: use the encoder that it was made with`,
      );
    let isZero = true;
    for (let i = 0; i < D; i++) {
      if (!Number.isFinite(vector[i])) throw new Error(`${what} has ${vector[i]} at ${i}; needs finite numbers`);
      if (vector[i] !== 0) isZero = false;
    }
    if (isZero && metric === 'cosine' && what.startsWith('search'))
      throw new Error(`${what} is all zeros, which has no direction; a cosine needs one`);
  }

  async #rowOf(id: string): Promise<number | null> {
    const added = this.#places.get(id);
    if (added !== undefined) return this.#gone.has(added) ? null : added;
    const found = await this.#stored?.ids.find(id);
    if (!found) return null;
    const row = new DataView(found.buffer, found.byteOffset).getUint32(0, true);
    return this.#gone.has(row) ? null : row;
  }

  #drop(row: number): void {
    this.#gone.add(row);
    this.#liveWords -= this.#lengths[row]!;
  }

  #grow(): void {
    const { type, dimension } = this.settings;
    const next = emptyRows(type, Math.max(256, 2 * this.#room), dimension!);
    next.values.set(this.#rows!.values);
    next.scales.set(this.#rows!.scales);
    next.inverses.set(this.#rows!.inverses);
    [this.#rows, this.#room] = [next, next.scales.length];
  }

  async #record(row: number): Promise<Stored> {
    if (row >= this.#base) return this.#added[row - this.#base]!;
    return (await this.#stored!.records.json(row)) as Stored;
  }

  async #vectorAt(row: number): Promise<{ rows: VectorRows; at: number }> {
    if (row >= this.#base) return { rows: this.#rows!, at: row - this.#base };
    const file = this.#stored!.vectors!;
    return { rows: await file.block(Math.floor(row / file.rowsPerBlock)), at: row % file.rowsPerBlock };
  }

  async #byVector(vector: Float32Array, k: number, test: Test | null, o: SearchOptions): Promise<Scored[]> {
    if (this.settings.approximate && !o.exact) {
      const found = await this.#approximately(vector, k, test);
      if (found) return found;
    }
    const query = makeQuery(vector);
    const { metric } = this.settings;
    const top = new TopK(k);
    const scores = new Float64Array(Math.max(rowsAtOnce, this.#stored?.vectors?.rowsPerBlock ?? 0));
    const take = async (rows: VectorRows, first: number, count: number): Promise<void> => {
      scoreRows(metric, query, rows, count, scores);
      for (let i = 0; i < count; i++) {
        const row = first + i;
        if (this.#gone.has(row) || !top.takes(scores[i]!, row)) continue;
        // Metadata are read only of what would be kept.
        if (test && !test((await this.#record(row)).metadata)) continue;
        top.offer(scores[i]!, row);
      }
    };
    const file = this.#stored?.vectors;
    if (file)
      for (let first = 0, n = 0; first < this.#base; first += file.rowsPerBlock, n++) {
        if (n % 64 === 0) o.signal?.throwIfAborted();
        await take(await file.block(n), first, Math.min(file.rowsPerBlock, this.#base - first));
      }
    const D = this.settings.dimension;
    for (let first = 0; first < this.#added.length; first += rowsAtOnce) {
      if (first % (64 * rowsAtOnce) === 0) o.signal?.throwIfAborted();
      const count = Math.min(rowsAtOnce, this.#added.length - first);
      const { values, scales, inverses } = this.#rows!;
      const part = {
        values: values.subarray(first * D!, (first + count) * D!),
        scales: scales.subarray(first, first + count),
        inverses: inverses.subarray(first, first + count),
      };
      await take(part, this.#base + first, count);
    }
    return top.sorted();
  }

  // Null where too few were found that count: then all are looked at.
  async #approximately(vector: Float32Array, k: number, test: Test | null): Promise<Scored[] | null> {
    const graph = await this.#openGraph();
    const wanted = Math.min(k, this.size);
    const asked = Math.min(graph.size, test ? 10 * k + this.#gone.size : k + Math.min(this.#gone.size, 10 * k));
    if (!asked) return [];
    const query = makeQuery(vector);
    const top = new TopK(k);
    for (const row of graph.search(vector, asked)) {
      if (this.#gone.has(row)) continue;
      if (test && !test((await this.#record(row)).metadata)) continue;
      const { rows, at } = await this.#vectorAt(row);
      // The graph finds; scores are exact.
      top.offer(scoreRow(this.settings.metric, query, rows, at), row);
    }
    return top.size < wanted ? null : top.sorted();
  }

  #openGraph(): Promise<Graph> {
    return (this.#graph ??= this.#loadGraph());
  }

  async #loadGraph(): Promise<Graph> {
    const { dimension, metric, approximate } = this.settings;
    if (!this.#stored) return openGraph(dimension!, metric, approximate!);
    // A graph that can't be read, or is another one's, is made anew from the vectors.
    const path = join(this.#folder!, 'graph.bin');
    const { size } = await stat(path).catch(() => ({ size: -1 }));
    if (size === this.#stored.head.files['graph.bin'] && size > 0) {
      const loaded = await openGraph(dimension!, metric, approximate!, path).catch(() => null);
      if (loaded?.size === this.#base) return loaded;
    }
    const graph = await openGraph(dimension!, metric, approximate!);
    for (let row = 0; row < this.#base; row++) {
      const { rows, at } = await this.#vectorAt(row);
      graph.add(row, takeVector(rows, at, dimension!));
    }
    return graph;
  }

  async #byText(text: string, k: number, test: Test | null): Promise<Scored[]> {
    const scores = new Map<number, number>();
    const live = this.size;
    const o = {
      ...this.settings.bm25,
      lengths: this.#lengths,
      isLive: (row: number): boolean => !this.#gone.has(row),
      live,
      meanLength: live ? this.#liveWords / live : 0,
    };
    for (const word of new Set(bm25Tokens(text))) addBm25(scores, await this.#postings(word), o);
    const top = new TopK(k);
    for (const [row, score] of scores) {
      if (!top.takes(score, row)) continue;
      if (test && !test((await this.#record(row)).metadata)) continue;
      top.offer(score, row);
    }
    return top.sorted();
  }

  async #postings(word: string): Promise<Postings> {
    const found = await this.#stored?.terms.find(word);
    const stored = found ? unpackPostings(found) : { rows: new Uint32Array(), counts: new Uint32Array() };
    const own = this.#words.get(word) ?? [];
    if (!own.length) return stored;
    const even = own.filter((_, i) => i % 2 === 0);
    return {
      rows: Uint32Array.from([...stored.rows, ...even]),
      counts: Uint32Array.from([...stored.counts, ...own.filter((_, i) => i % 2)]),
    };
  }

  async #write(folder: string, info: IndexSettings['info'], signal: AbortSignal | undefined): Promise<void> {
    const { dimension: D, type, approximate, metric } = this.settings;
    const path = (name: string): string => join(folder, name);
    const sizes: Record<string, number> = {};
    const records = await RecordWriter.create(path('records.bin'));
    const vectors = D === null ? null : await VectorWriter.create(path('vectors.bin'), { type, D });
    const ids: [string, Uint8Array][] = [];
    const lengths: number[] = [];
    const terms = new Map<string, number[]>();
    const graph = approximate ? await openGraph(D!, metric, approximate) : null;
    try {
      const end = this.#base + this.#added.length;
      for (let row = 0; row < end; row++) {
        if (this.#gone.has(row)) continue;
        if (row % 1024 === 0) signal?.throwIfAborted();
        const record = await this.#record(row);
        const { id, text, metadata } = record;
        const at = lengths.length;
        await records.write(JSON.stringify({ id, text, metadata }));
        ids.push([id, new Uint8Array(Uint32Array.of(at).buffer)]);
        const { length, counts } = countTokens(text);
        lengths.push(length);
        for (const [word, count] of counts) {
          const list = terms.get(word);
          if (list) list.push(at, count);
          else terms.set(word, [at, count]);
        }
        if (vectors) {
          const { rows, at: place } = await this.#vectorAt(row);
          await vectors.write(rows, place);
          graph?.add(at, takeVector(rows, place, D!));
        }
      }
      sizes['records.bin'] = await records.finish();
      if (vectors) sizes['vectors.bin'] = await vectors.finish();
    } catch (error) {
      await records.abandon();
      await vectors?.abandon();
      throw error;
    }
    sizes['ids.bin'] = await writeSorted(path('ids.bin'), ids);
    const packed = function* (): Generator<[string, Uint8Array]> {
      for (const [word, list] of terms)
        yield [
          word,
          packPostings({
            rows: Uint32Array.from(list.filter((_, i) => i % 2 === 0)),
            counts: Uint32Array.from(list.filter((_, i) => i % 2)),
          }),
        ];
    };
    sizes['terms.bin'] = await writeSorted(path('terms.bin'), packed());
    await writeFile(path('lengths.bin'), new Uint8Array(Uint32Array.from(lengths).buffer));
    if (graph) {
      graph.save(path('graph.bin'));
      sizes['graph.bin'] = (await stat(path('graph.bin'))).size;
    }
    const head: IndexHead = {
      format: 'brickwork-index',
      version: 1,
      ...this.settings,
      info,
      count: lengths.length,
      files: sizes,
    };
    await writeFile(path('index.json'), `${JSON.stringify(head, null, 2)}\n`);
  }
}
