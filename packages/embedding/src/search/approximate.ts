// The approximate index: a hierarchical graph of neighbours (Malkov and Yashunin, 2020, HNSW), by usearch, a native library that
// brings its binaries along.
import type { Metric } from './vector-rows.ts';

/** How the graph is made and searched. */
export interface ApproximateOptions {
  /** Neighbours of each vector in the graph; 16 unless given. */
  readonly connectivity?: number;
  /** How many are looked at when a vector is put in, and when one is looked for; 128 and 96 unless given. */
  readonly expansionAdd?: number;
  readonly expansionSearch?: number;
}

/** Rows near a query, nearest first. */
export interface Graph {
  add(row: number, vector: Float32Array): void;
  search(query: Float32Array, k: number): number[];
  save(path: string): void;
  readonly size: number;
}

const kinds = { cosine: 'cos', dot: 'ip', euclidean: 'l2sq' } as const;

/** @throws where a number makes no sense. */
export function checkApproximate(o: ApproximateOptions): Required<ApproximateOptions> {
  const all = { connectivity: 16, expansionAdd: 128, expansionSearch: 96, ...o };
  for (const [name, value] of Object.entries(all))
    if (!(Number.isInteger(value) && value > 1))
      throw new Error(`approximate: ${name} is ${value}; needs a whole number above 1`);
  return all;
}

/** Opens a graph, empty or from its file. @throws where the library has no binary for this machine, or the file isn't its own. */
export async function openGraph(
  dimension: number,
  metric: Metric,
  o: Required<ApproximateOptions>,
  path?: string,
): Promise<Graph> {
  const library = await import('usearch').catch((cause: Error) => {
    throw new Error(
      `the approximate index needs usearch, which doesn't load here (${cause.message.split('\n')[0]}); search exactly, without approximate`,
      { cause },
    );
  });
  const { Index } = library.default ?? library;
  const index = new Index({
    metric: kinds[metric],
    dimensions: dimension,
    quantization: 'f32',
    connectivity: o.connectivity,
    expansion_add: o.expansionAdd,
    expansion_search: o.expansionSearch,
    multi: false,
  } as never);
  if (path !== undefined) index.load(path);
  return {
    add: (row, vector) => void index.add(BigInt(row), vector),
    search: (query, k) => [...index.search(query, k, 0).keys].map(Number),
    save: (to) => void index.save(to),
    get size() {
      return Number(index.size());
    },
  };
}
