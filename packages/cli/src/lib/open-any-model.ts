// A model of any kind that is here: of text or of pictures, with an adapter on it or without.
import type { Model } from '@brickwork/transformer';
import { openAdapted } from './adapted-model.ts';
import type { Io } from './io.ts';
import { modelPath, type ModelArgs } from './open-model.ts';
import { readConfig } from './task-names.ts';

/** @throws where there is no such model, or the adapter doesn't fit. */
export async function openAnyModel(
  a: ModelArgs & { readonly adapter?: string },
  io: Io,
  signal: AbortSignal,
): Promise<Model> {
  const folder = await modelPath(a, io, signal);
  const { model_type: type } = await readConfig(folder);
  const { visionArchitectures } = await import('@brickwork/vision');
  if (typeof type !== 'string' || !Object.hasOwn(visionArchitectures, type))
    return await openAdapted({ folder, adapter: a.adapter, signal });
  const { AutoModel } = await import('@brickwork/transformer');
  return await AutoModel.fromPretrained(folder, { signal, architectures: visionArchitectures });
}
