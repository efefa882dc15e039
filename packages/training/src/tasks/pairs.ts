// Texts that belong together, with negatives or without: what contrastive objectives are trained on.
import { hostTensor } from '@brickwork/runtime';
import { floats, bitsOf, tokenInputs, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';
import type { EncodedExample } from '../data/example-store.ts';

/** What pairs are made from. */
export interface PairsOptions extends InputOptions {
  readonly typed?: boolean;
}

// One row for each text: all first ones, then all second ones, ….
function rows(examples: readonly EncodedExample[], typed: boolean, o: InputOptions): ReturnType<typeof tokenInputs> {
  const sides = ['a', 'b', 'c'].filter((side) => examples[0]![`${side}_ids`]);
  const all = sides.flatMap((side) =>
    examples.map((e) => {
      const ids = e[`${side}_ids`]!;
      return { input_ids: ids, ...(typed && { token_type_ids: new Int32Array(ids.length) }) };
    }),
  );
  return { ...tokenInputs(all, o), parts: hostTensor(new Float32Array(sides.length), [sides.length]) };
}

/** Anchors with their positives, and their negatives where all have one: (2B or 3B, T), for `contrastive`. */
export function pairs(tokenizer: TaskTokenizer, o: PairsOptions): Task {
  const { limit, typed = false } = o;
  const ids = (text: string): Int32Array => numbers(tokenizer.encode(text, { maxLength: limit }).ids);
  return {
    identity: { task: 'pairs', limit, typed },
    lengthOf: 'a_ids',
    encode(given) {
      if (given.kind !== 'pair') return wrongKind('pairs', given, 'texts that belong together');
      const { anchor, positive, negative } = given;
      return [{ a_ids: ids(anchor), b_ids: ids(positive), ...(negative !== null && { c_ids: ids(negative) }) }];
    },
    collate: (examples) => ({ batch: rows(examples, typed, o), count: examples.length }),
  };
}

/** Pairs of texts with how similar they are, for `cosineLoss`. `scale` makes the data's highest score 1; 1 unless given. */
export function similarity(
  tokenizer: TaskTokenizer,
  { scale = 1, ...o }: PairsOptions & { readonly scale?: number },
): Task {
  const { limit, typed = false } = o;
  const ids = (text: string): Int32Array => numbers(tokenizer.encode(text, { maxLength: limit }).ids);
  return {
    identity: { task: 'similarity', limit, typed, scale },
    lengthOf: 'a_ids',
    encode(given) {
      if (given.kind !== 'labelled' || given.pair === null)
        return wrongKind('similarity', given, 'a pair with a score');
      const score = Number(given.label);
      if (!Number.isFinite(score)) throw new Error(`similarity: the score ${JSON.stringify(given.label)} is no number`);
      return [{ a_ids: ids(given.text), b_ids: ids(given.pair), scores: numbers([bitsOf(score * scale)]) }];
    },
    collate(examples) {
      const scores = hostTensor(floats(examples, 'scores').data, [examples.length]);
      return { batch: { ...rows(examples, typed, o), scores }, count: examples.length };
    },
  };
}
