// First values for a model's weights, written where they are used.
import { parameters, random, streamSeed } from '@brickwork/nn';
import type { FlatStore } from './flat-store.ts';

/** Draws what `initialize` of nn draws, straight into a store: a second copy of a large model is never made. */
export function initializeWeights(model: object, { tensors }: FlatStore, seed: number): void {
  for (const [name, p] of parameters(model))
    p.initializer(tensors.get(name)!.data as Float32Array, p.shape as number[], random(streamSeed(seed, name)));
}
