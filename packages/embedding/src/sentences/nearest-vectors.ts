// The nearest of many vectors by dot product, exactly: one matrix product for a block of queries, of which only the best come
// back.
import { input, matmul, topk, type Tensor } from '@brickwork/graph';
import { compile, hostTensor, type Program } from '@brickwork/runtime';

/** What was found for one query: places among the vectors, best first. */
export interface Nearest {
  readonly index: number;
  readonly score: number;
}

const queriesAtOnce = 128;

/** The `k` vectors with the largest dot product with each query. All are of the same length. */
export async function nearestVectors(
  queries: readonly Float32Array[],
  vectors: readonly Float32Array[],
  k: number,
  { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: (done: number) => void } = {},
): Promise<Nearest[][]> {
  const [N, D] = [vectors.length, vectors[0]?.length ?? 0];
  const most = Math.min(k, N);
  if (!queries.length || !most) return queries.map(() => []);
  const flat = (some: readonly Float32Array[]): Float32Array => {
    const all = new Float32Array(some.length * D);
    some.forEach((one, i) => all.set(one, i * D));
    return all;
  };
  const q: Tensor = input('queries', ['Q', D], 'float32');
  const [scores, places] = topk(matmul(q, input('vectors', [N, D], 'float32'), { transB: true }), most, 1);
  const program: Program = await compile({ scores, places });
  try {
    await program.bind({ vectors: hostTensor(flat(vectors), [N, D]) });
    const found: Nearest[][] = [];
    for (let from = 0; from < queries.length; from += queriesAtOnce) {
      signal?.throwIfAborted();
      const some = queries.slice(from, from + queriesAtOnce);
      const run = await program.run({ queries: hostTensor(flat(some), [some.length, D]) });
      some.forEach((_, row) =>
        found.push(
          Array.from({ length: most }, (_, i) => ({
            index: Number(run['places']!.data[row * most + i]),
            score: Number(run['scores']!.data[row * most + i]),
          })),
        ),
      );
      onProgress?.(found.length);
    }
    return found;
  } finally {
    await program.dispose();
  }
}
