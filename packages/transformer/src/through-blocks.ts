// A stack of blocks, run from the embeddings to the last norm: what all decoders have in common.
import type { Tensor } from '@brickwork/graph';
import type { Past } from './attention.ts';
import type { Hidden } from './causal-lm.ts';

/** What one block gives: its output (B, T, C), its new keys and values, and its attention's weights (B, H, T, S). */
export interface BlockOutput {
  readonly x: Tensor;
  readonly present: Past;
  readonly weights: () => Tensor;
}

/**
 * Runs `x` (B, T, C) through the blocks, each with the keys and values of its own past, and then through the last norm.
 */
export function throughBlocks<B>(
  x: Tensor,
  blocks: readonly B[],
  past: readonly Past[] | undefined,
  run: (block: B, x: Tensor, past: Past | null, layer: number) => BlockOutput,
  norm: { forward(x: Tensor): Tensor },
): Hidden {
  const inputs: Tensor[] = [];
  const present: Past[] = [];
  const attentions: (() => Tensor)[] = [];
  blocks.forEach((block, layer) => {
    inputs.push(x);
    const out = run(block, x, past?.[layer] ?? null, layer);
    x = out.x;
    present.push(out.present);
    attentions.push(out.weights);
  });
  const last = norm.forward(x);
  return { last, all: [...inputs, last], present, attentions };
}
