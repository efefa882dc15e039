// A network as its users see it: inputs by name in, outputs by name out, in the names of Hugging Face's models.
import type { DType, Shape, Tensor } from '@brickwork/graph';
import type { Context } from './context.ts';

/** What a network takes under one name. */
export interface NetworkInput {
  readonly dtype: DType;
  /** Sizes that may vary are given by name: `['B', 'T']`. */
  readonly shape: Shape;
  /** Whether it may be left out. */
  readonly optional?: boolean;
  /** Another type that it may have, and its shape then: labels whose type says what they mean. */
  readonly or?: { readonly dtype: DType; readonly shape: Shape };
  /** Where it holds ids: they are from 0 and below `count`, or `except` (labels that are left out). */
  readonly ids?: { readonly count: number; readonly except?: number };
}

/** Results by name. Each is traced when it is asked for, so that what nobody asks for costs nothing. */
export type Outputs = Readonly<Record<string, () => Tensor>>;

/** A whole network: what it takes, and what it can give. Its weights are found by `parameters`. */
export interface Network {
  /** The fields of config.json that it was built from, defaults filled in. */
  readonly config: object;
  /** By Hugging Face's names: input_ids, attention_mask, labels, pixel_values, … */
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  /** The most that a size can be, by its name in the inputs' shapes: `{ T: 512 }`. */
  readonly longest?: Readonly<Record<string, number>>;
  /**
   * Traces one pass. Optional inputs may be missing; outputs that need one of them are then missing too (`loss` needs
   * `labels`).
   */
  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs;
}
