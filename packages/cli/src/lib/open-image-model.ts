// The image model that a command works with.
import type { ImageModel, ReadImagesOptions } from '@brickwork/vision';
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import { usage } from './errors.ts';
import type { Io } from './io.ts';
import { modelPath, type ModelArgs } from './open-model.ts';
import type { ProgressLine } from './progress.ts';

/** The model that is used where none is named: digits. */
export const standardImageModel = 'models/digits';

/** Opens a folder, a model that ships or one of the hub. */
export async function openImageModel(a: ModelArgs & EngineArgs, io: Io, signal: AbortSignal): Promise<ImageModel> {
  const folder = await modelPath(a, io, signal);
  const { ImageModel } = await import('@brickwork/vision');
  return ImageModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
}

/** How a model's pictures are read, as the flags and its processor say; broken ones are named on stderr. */
export function readingOptions(
  { processor: { transforms, normalization, channels } }: ImageModel,
  a: { readonly skipBroken: boolean; readonly workers?: number; readonly batchSize?: number },
  { io, line, signal }: { readonly io: Io; readonly line: ProgressLine; readonly signal: AbortSignal },
): ReadImagesOptions {
  return {
    ...{ transforms, normalization, channels, signal },
    ...(a.batchSize !== undefined && { batchSize: a.batchSize }),
    ...(a.workers !== undefined && { workers: a.workers }),
    ...(a.skipBroken && {
      onBroken: (message: string) => {
        line.clear();
        io.note(message);
      },
    }),
    onProgress: ({ done, total }) => line.show(() => `${done} of ${total} pictures`),
  };
}

/** The class that is meant, by name or number. @throws where there is none. */
export function classNumber(model: ImageModel, given: string, flag: string): number {
  const at = model.classes.indexOf(given);
  const number = at >= 0 ? at : /^\d+$/.test(given) ? Number(given) : -1;
  if (number < 0 || number >= model.classes.length) {
    const some = model.classes.slice(0, 10).join(', ');
    throw usage(`--${flag} is '${given}'; the model tells ${some}${model.classes.length > 10 ? ', …' : ''} apart`);
  }
  return number;
}
