// What encoders and their heads take, by Hugging Face's names.
import { GraphError, show, type Tensor } from '@brickwork/graph';
import { ignoreIndex, type NetworkInput } from '@brickwork/nn';
import { problemTypeOf, type Labels } from './problem-type.ts';

/** What a network takes, by name. */
export type Inputs = Readonly<Record<string, NetworkInput>>;
/** What it is given. */
export type Tensors = Readonly<Record<string, Tensor>>;

// An input that may be left out.
const optional = (shape: readonly string[], ids?: NetworkInput['ids']): NetworkInput => ({
  dtype: 'int64',
  shape,
  optional: true,
  ...(ids && { ids }),
});

/**
 * Token ids below `tokens`; a mask that is 0 at padding; positions other than the usual ones, below `positions` unless that
 * is null.
 */
export const encoderInputs = (tokens: number, positions: number | null): Inputs => ({
  input_ids: { dtype: 'int64', shape: ['B', 'T'], ids: { count: tokens } },
  attention_mask: optional(['B', 'T']),
  position_ids: optional(['B', 'T'], positions === null ? undefined : { count: positions }),
});

/** {@link encoderInputs}, and which of `types` segments each token belongs to. */
export const segmentInputs = (tokens: number, positions: number, types: number): Inputs => ({
  ...encoderInputs(tokens, positions),
  token_type_ids: optional(['B', 'T'], { count: types }),
});

/** A label below `count` for every token. */
export const tokenLabels = (count: number): Inputs => ({
  labels: optional(['B', 'T'], { count, except: ignoreIndex }),
});
/** A label below `count` for every row. */
export const rowLabels = (count: number): NetworkInput => optional(['B'], { count, except: ignoreIndex });

/**
 * The input `labels` of a classifier: (B) int64 for one label of many, (B) or (B, N) float32 for numbers and marks; either
 * where the config doesn't say what they mean.
 */
export function classLabels(labels: Labels): NetworkInput {
  const numbers = { dtype: 'float32', shape: labels.count === 1 ? ['B'] : ['B', labels.count] } as const;
  if (problemTypeOf(labels, 'int64') !== 'single_label_classification') return { ...numbers, optional: true };
  return { ...rowLabels(labels.count), ...(labels.problemType === null && { or: numbers }) };
}

/** The first and last token of a span. */
export const spanLabels: Inputs = { start_positions: optional(['B']), end_positions: optional(['B']) };

/** The inputs of multiple choice: those of an encoder for each of N choices, and which of them is right. */
export const choiceInputs = (inputs: Inputs): Inputs => ({
  ...Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, { ...one, shape: ['B', 'N', 'T'] }])),
  labels: optional(['B']),
});

/** (B, N, T) inputs as (B·N, T), so that each choice is a row. */
export function choicesAsRows(inputs: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, x]) => {
      if (name === 'labels') return [];
      if (x.rank !== 3) throw new GraphError(`multiple choice: ${name} ${show(x.shape)}; needs (B, N, T)`);
      return [[name, x.reshape([-1, x.shape[2]!])]];
    }),
  );
}
