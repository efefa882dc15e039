// The graph that a decoder runs: any number of new tokens a row against a cache of earlier ones, which may be empty.
import { concat, exp, gather, input, log, max, squeeze, sub, sum, type Dim, type Tensor } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import type { Past } from './attention.ts';
import type { CausalLM } from './causal-lm.ts';
import { maskName } from './key-value-cache.ts';

interface Traced {
  /** Keeps the last layer's states, as `hidden`. */
  readonly keepsStates: boolean;
}

/**
 * `input_ids`, `positions` and `lengths` (B, T), a mask for each window, the cache, and `rows` (N): which of the B · T tokens to
 * give `logits` (N, V) and `normalizers` (N) for. `present` (B, 2 layers · H, T, D) is what the cache needs of them.
 */
export function traceMore(model: CausalLM, { keepsStates }: Traced): Record<string, Tensor> {
  parameters(model);
  const masks = new Map([...new Set(model.windows)].map((w) => [w, input(maskName(w), ['B', 1, 'T', 'P+T'])]));
  const { last, present } = model.forward(input('input_ids', ['B', 'T'], 'int64'), evaluating(), {
    positions: input('positions', ['B', 'T'], 'int64'),
    lengths: input('lengths', ['B', 'T'], 'int64'),
    mask: (window) => masks.get(window)!,
    past: pastInputs(model),
  });
  return { ...scores(model, last), present: joinPresent(present), ...(keepsStates && { hidden: last }) };
}

/** The pass that puts learned tokens before rows that are empty: as {@link traceMore} without a cache. */
export function traceFirst(model: CausalLM, { keepsStates }: Traced): Record<string, Tensor> {
  parameters(model);
  const lengths = input('lengths', ['B', 'T'], 'int64');
  const { last, present } = model.forward(input('input_ids', ['B', 'T'], 'int64'), evaluating(), { lengths });
  return { ...scores(model, last), present: joinPresent(present), ...(keepsStates && { hidden: last }) };
}

/** How many learned tokens the first pass puts before a row's own. */
export function learnedTokens(model: CausalLM): number {
  parameters(model);
  const { present } = model.forward(input('input_ids', [1, 1], 'int64'), evaluating());
  return Number(present[0]!.key.shape[2]) - 1;
}

/** Each layer's earlier keys, `past.0.key` (B, H, D, P), and values, `past.0.value` (B, H, P, D). */
export function pastInputs({
  layers,
  cacheHeads: H,
  headWidth: D,
}: Pick<CausalLM, 'layers' | 'cacheHeads' | 'headWidth'>): Past[] {
  return Array.from({ length: layers }, (_, layer) => ({
    key: input(`past.${layer}.key`, ['B', H, D, 'P']),
    value: input(`past.${layer}.value`, ['B', H, 'P', D]),
    across: true,
  }));
}

/** Keys and values of every layer in one tensor, a row's together: (B, 2 layers · H, T, D). */
export const joinPresent = (present: readonly Past[]): Tensor =>
  concat(
    present.flatMap(({ key, value }) => [key, value]),
    1,
  );

/** Logits (N, V) of the tokens `rows` (N) of hidden states (B, T, C), and the ln Σ exp of each. */
export function scores(model: { head(hidden: Tensor): Tensor }, last: Tensor): Record<string, Tensor> {
  const rows = input('rows', ['N'], 'int64');
  const C = last.shape.at(-1) as Dim;
  const logits = model.head(gather(last.reshape([-1, C]), rows)); // (N, V)
  const largest = max(logits, [-1], true);
  const normalizers = squeeze(largest.add(log(sum(exp(sub(logits, largest)), [-1], true))), -1);
  return { logits, normalizers };
}
