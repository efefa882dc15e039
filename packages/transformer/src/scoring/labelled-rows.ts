// Log-probabilities of chosen tokens of many rows: rows of similar length run together, and the graph returns a number for
// each token, never the logits.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { Model } from '../model.ts';

/** A row of tokens for the model, and which of them are to be scored. */
export interface LabelledRow {
  /** What the model reads: the text's tokens, or an encoder-decoder's source. */
  readonly ids: readonly number[];
  /** The token to score at each position, -100 elsewhere. A causal model's labels stand at their own tokens: it shifts. */
  readonly labels: readonly number[];
  /** The model's token_type_ids, where it has them; 0 unless given. */
  readonly typeIds?: readonly number[];
  /** What an encoder-decoder's decoder reads: the target, one token later. */
  readonly targets?: readonly number[];
}

/** How rows are run. */
export interface RowOptions {
  /** Most rows at once; 32 unless given. Fewer run where they are long or the vocabulary is large. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  /** Called after each run with how many rows are done. */
  readonly onRows?: (done: number) => void;
}

const ignore = -100;

/**
 * ln p of each row's labels, a number for each position (0 where the label is -100).
 *
 * @throws where a row is longer than the model sees, or has ids that aren't there; or the signal's reason.
 */
export async function labelledLogProbs(
  model: Model,
  rows: readonly LabelledRow[],
  { batchSize = 32, signal, onRows }: RowOptions = {},
): Promise<Float32Array[]> {
  if (!(Number.isInteger(batchSize) && batchSize > 0))
    throw new Error(`score: batchSize is ${batchSize}; needs a whole number above 0`);
  const out: Float32Array[] = rows.map(({ labels }) => new Float32Array(labels.length));
  const size = ({ ids, labels }: LabelledRow): number => Math.max(ids.length, labels.length);
  const scored = rows.map(({ labels }) => labels.reduce((n, label) => n + (label === ignore ? 0 : 1), 0));
  const order = rows
    .map((_, i) => i)
    .filter((i) => scored[i]! > 0)
    .toSorted((a, b) => size(rows[b]!) - size(rows[a]!));
  const labelsAtOnce = Math.max(128, Math.floor(logitsAtOnce / vocabularyOf(model)));
  let done = rows.length - order.length;
  for (let first = 0; first < order.length;) {
    const longest = size(rows[order[first]!]!);
    const most = Math.max(1, Math.min(batchSize, Math.floor(tokensAtOnce / longest)));
    let last = first + 1;
    let labels = scored[order[first]!]!;
    while (last < order.length && last - first < most && labels + scored[order[last]!]! <= labelsAtOnce)
      labels += scored[order[last++]!]!;
    const own = order.slice(first, last);
    const { log_probs: found } = await model.run(
      inputsOf(
        model,
        own.map((i) => rows[i]!),
      ),
      ['log_probs'],
      signal ? { signal } : {},
    );
    const T = found!.shape[1]!;
    own.forEach((i, row) => {
      out[i]!.set((found!.data as Float32Array).subarray(row * T, row * T + out[i]!.length));
      const wrong = out[i]!.findIndex((value) => Number.isNaN(value));
      if (wrong >= 0)
        throw new Error(
          `${model.className}: the log-probability of token ${wrong} is not a number; do the weights hold numbers?`,
        );
    });
    done += own.length;
    onRows?.(done);
    first = last;
  }
  return out;
}

// A run's memory: logits of 64 MB and as much again for their logarithms, and some thousand tokens' states.
const logitsAtOnce = 2 ** 24;
const tokensAtOnce = 4096;

function vocabularyOf({ network }: Model): number {
  const ids = network.inputs['labels']?.ids ?? network.inputs['input_ids']?.ids;
  return ids?.count ?? 1;
}

// Padded at the end; padding isn't seen, and has no labels.
function inputsOf(model: Model, rows: readonly LabelledRow[]): Record<string, HostTensor> {
  const matrix = (lists: readonly (readonly number[])[], fill: number): HostTensor => {
    const T = lists.reduce((n, list) => Math.max(n, list.length), 0);
    const data = new BigInt64Array(lists.length * T).fill(BigInt(fill));
    lists.forEach((list, row) => list.forEach((id, t) => void (data[row * T + t] = BigInt(id))));
    return hostTensor(data, [lists.length, T]);
  };
  const ids = rows.map((row) => row.ids);
  const labels = rows.map((row) => row.labels);
  const masks = ids.map((list) => list.map(() => 1));
  return {
    input_ids: matrix(ids, 0),
    attention_mask: matrix(masks, 0),
    labels: matrix(labels, ignore),
    ...(rows.some((row) => row.typeIds) && {
      token_type_ids: matrix(
        rows.map((row) => row.typeIds ?? row.ids.map(() => 0)),
        0,
      ),
    }),
    ...(rows[0]!.targets && {
      decoder_input_ids: matrix(
        rows.map((row) => row.targets ?? []),
        0,
      ),
    }),
  };
}
