// Span corruption (T5: Raffel et al., 2020): spans of a text are left out, each replaced by a sentinel, and the network
// writes what is missing.
import type { Random } from '@brickwork/nn';
import { padded } from '../data/example-batches.ts';
import { tokenInputs, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';

/** What span corruption is made from. */
export interface SpanCorruptionOptions extends InputOptions {
  /** Ids of the sentinels in the order in which they stand in a text: T5's `<extra_id_0>`, `<extra_id_1>`, …. */
  readonly sentinels: readonly number[];
  /** Put at the end of both texts. */
  readonly endId: number;
  /** The share of tokens left out; 0.15 unless given. */
  readonly share?: number;
  /** How many tokens a span has on average; 3 unless given. */
  readonly meanLength?: number;
}

/** Texts, for an encoder-decoder; the spans are drawn anew for every batch. */
export function spanCorruption(tokenizer: TaskTokenizer, o: SpanCorruptionOptions): Task {
  const { sentinels, endId, share = 0.15, meanLength = 3, limit } = o;
  if (!(share > 0 && share < 1))
    throw new Error(`span corruption: share is ${share}; needs more than 0 and less than 1`);
  if (!(meanLength >= 1)) throw new Error(`span corruption: meanLength is ${meanLength}; needs 1 or more`);
  if (!sentinels.length)
    throw new Error('span corruption: there are no sentinels; add special tokens to the vocabulary');
  return {
    identity: { task: 'span-corruption', limit },
    lengthOf: 'input_ids',
    encode(given) {
      if (given.kind !== 'text') return wrongKind('span corruption', given, 'texts');
      const { ids } = tokenizer.encode(given.text, { addSpecialTokens: false });
      const room = limit - 1;
      return Array.from({ length: Math.ceil(ids.length / room) }, (_, i) => ({
        input_ids: numbers(ids.slice(i * room, (i + 1) * room)),
      })).filter((e) => e.input_ids.length > 1);
    },
    collate(examples, draw) {
      const corrupted = examples.map((e) => corrupt(e['input_ids']!, { sentinels, endId, share, meanLength }, draw));
      const { multiple } = o;
      const labels = corrupted.map((e) => e.labels);
      return {
        batch: {
          ...tokenInputs(
            corrupted.map(({ input_ids }) => ({ input_ids })),
            o,
          ),
          labels: padded(labels, { value: -100, ...(multiple !== undefined && { multiple }) }),
        },
        count: labels.reduce((n, label) => n + label.length, 0),
      };
    },
  };
}

/** Leaves spans out of a text: `thank <0> me to <1> week <end>` and `<0> you for inviting <1> your party last <2> <end>`. */
export function corrupt(
  ids: Int32Array,
  o: {
    readonly sentinels: readonly number[];
    readonly endId: number;
    readonly share: number;
    readonly meanLength: number;
  },
  draw: Random,
): { input_ids: Int32Array; labels: Int32Array } {
  const { sentinels, endId } = o;
  const length = ids.length;
  const hidden = Math.min(Math.max(Math.round(length * o.share), 1), length - 1);
  // One sentinel more closes the labels.
  const most = Math.min(hidden, length - hidden, Math.max(1, sentinels.length - 1));
  const spans = Math.min(Math.max(Math.round(hidden / o.meanLength), 1), most);
  const left = parts(length - hidden, spans, draw);
  const out = parts(hidden, spans, draw);
  const [inputs, labels]: [number[], number[]] = [[], []];
  let at = 0;
  for (let s = 0; s < spans; s++) {
    inputs.push(...ids.subarray(at, (at += left[s]!)), sentinels[s]!);
    labels.push(sentinels[s]!, ...ids.subarray(at, (at += out[s]!)));
  }
  const last = sentinels[spans];
  return {
    input_ids: numbers([...inputs, endId]),
    labels: numbers([...labels, ...(last === undefined ? [] : [last]), endId]),
  };
}

/** `total` in `count` parts of 1 or more, all ways of cutting equally probable. */
function parts(total: number, count: number, draw: Random): number[] {
  // The cuts: count - 1 different places of total - 1 (Floyd's sampling).
  const cuts = new Set<number>();
  for (let j = total - count + 1; j < total; j++) {
    const t = 1 + draw.integer(j);
    cuts.add(cuts.has(t) ? j : t);
  }
  const places = [0, ...[...cuts].toSorted((a, b) => a - b), total];
  return places.slice(1).map((place, i) => place - places[i]!);
}
