// The model that texts are scored with.
import type { Scorer } from '@brickwork/transformer';
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import type { Io } from './io.ts';
import { modelPath, type ModelArgs } from './open-model.ts';

/** Opens the model that the flags name. @throws where there is none, or it is no language model. */
export async function openScorer(a: ModelArgs & EngineArgs, io: Io, signal: AbortSignal): Promise<Scorer> {
  const folder = await modelPath(a, io, signal);
  const { Scorer } = await import('@brickwork/transformer');
  return Scorer.load(folder, { signal, compile: engineOptions(a) });
}
