// The image model that a command works with.
import type { ImageModel } from '@brickwork/vision';
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import type { Io } from './io.ts';
import { modelPath, type ModelArgs } from './open-model.ts';

/** The model that is used where none is named: digits. */
export const standardImageModel = 'models/digits';

/** Opens a folder, a model that ships or one of the hub. */
export async function openImageModel(a: ModelArgs & EngineArgs, io: Io, signal: AbortSignal): Promise<ImageModel> {
  const folder = await modelPath(a, io, signal);
  const { ImageModel } = await import('@brickwork/vision');
  return ImageModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
}
