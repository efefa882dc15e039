// What a task is: examples to numbers, and numbers to a batch of a network's inputs.
import type { Random } from '@brickwork/nn';
import type { EncodedExample } from '../data/example-store.ts';
import type { NamedBatch } from '../data/example-batches.ts';
import type { Example } from '../data/example.ts';
import type { Counted } from '../train-data.ts';

/** A tokenizer, as tasks need it. */
export interface TaskTokenizer {
  encode(
    text: string,
    o?: { readonly addSpecialTokens?: boolean; readonly textPair?: string; readonly maxLength?: number },
  ): {
    readonly ids: readonly number[];
    readonly typeIds: readonly number[];
    readonly offsets: readonly (readonly [number, number])[];
    readonly specialTokensMask: readonly number[];
  };
  /** The name of what it is, under which encoded examples are kept. */
  readonly json?: unknown;
}

/** Turns examples into batches that a network is trained on. */
export interface Task {
  /** What it is and how it encodes: examples encoded for one task are not found by another. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** The field whose length says how long an example is. */
  readonly lengthOf: string;
  /** What one example is to be trained on: once, several times (a long passage in pieces), or not at all. */
  encode(example: Example): readonly EncodedExample[];
  /** One batch. What is random in it (which tokens are masked) is drawn from `draw`. */
  collate(examples: readonly EncodedExample[], draw: Random): Counted<NamedBatch>;
}

/** An example of another kind than a task takes. */
export function wrongKind(task: string, example: Example, needed: string): never {
  throw new Error(`${task}: an example of kind ${example.kind}; needs ${needed}`);
}

/** Whole numbers as they are stored. */
export const numbers = (values: Iterable<number>): Int32Array => Int32Array.from(values);
