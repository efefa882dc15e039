// Inputs that most tasks have: token ids, what is padding, and which text of a pair a token is of.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { padded } from '../data/example-batches.ts';
import type { EncodedExample } from '../data/example-store.ts';

/** How sequences are filled up. */
export interface InputOptions {
  /** The id that stands at padding. */
  readonly padId: number;
  /** The most tokens that the model sees. */
  readonly limit: number;
  /** Lengths are rounded up to a multiple of this; 16 unless given. */
  readonly multiple?: number;
}

/** input_ids, attention_mask and, where the examples have them, token_type_ids: int64 (B, T) each. */
export function tokenInputs(examples: readonly EncodedExample[], o: InputOptions): Record<string, HostTensor> {
  const { padId, ...how } = o;
  const ids = examples.map((e) => e['input_ids']!);
  const inputs: Record<string, HostTensor> = {
    input_ids: padded(ids, { ...how, value: padId }),
    attention_mask: padded(
      ids.map((s) => s.map(() => 1)),
      { ...how, value: 0 },
    ),
  };
  if (examples[0]!['token_type_ids'])
    inputs['token_type_ids'] = padded(
      examples.map((e) => e['token_type_ids']!),
      { ...how, value: 0 },
    );
  return inputs;
}

/** One whole number an example: int64 (B). */
export const wholeNumbers = (examples: readonly EncodedExample[], field: string): HostTensor =>
  hostTensor(
    BigInt64Array.from(examples, (e) => BigInt(e[field]![0]!)),
    [examples.length],
  );

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
/** A float32 as the whole number of the same bits, for stores of whole numbers. */
export function bitsOf(value: number): number {
  float[0] = value;
  return bits[0]!;
}
/** Stored float32s: (B, n). */
export function floats(examples: readonly EncodedExample[], field: string): HostTensor {
  const n = examples[0]![field]!.length;
  const all = new Int32Array(examples.length * n);
  examples.forEach((e, row) => all.set(e[field]!, row * n));
  return hostTensor(new Float32Array(all.buffer), [examples.length, n]);
}
