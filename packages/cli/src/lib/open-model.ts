// The model that a command works with: a folder, one that ships, or one of the hub, downloaded with progress on stderr.
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import type { Io } from './io.ts';
import { findModel, modelFolder } from './model-folder.ts';
import { bytes, ProgressLine } from './progress.ts';

/** What the flags hold. */
export interface ModelArgs {
  readonly model: string;
  readonly revision?: string;
  readonly offline: boolean;
}

/** `--model`, `--revision` and `--offline`; the model has a default or must be given. */
export function modelFlags(standard?: string): ReturnType<typeof flags> {
  const describe = 'folder of a model in the Hugging Face layout, one that ships, or org/name on the hub';
  return flags('Model', {
    model: {
      type: 'text',
      alias: 'm',
      describe,
      ...(standard === undefined ? { required: true } : { default: standard }),
    },
    revision: { type: 'text', describe: 'of a model on the hub: a branch, a tag or a commit' },
    offline: { type: 'switch', default: false, describe: 'only models that are in the cache already' },
  });
}

/**
 * The model's folder; downloads what isn't in the cache.
 *
 * @throws where there is no such folder, and the hub has no such model.
 */
export async function modelPath({ model, revision, offline }: ModelArgs, io: Io, signal: AbortSignal): Promise<string> {
  const found = findModel(model);
  if (found !== null) {
    if (revision !== undefined) throw usage(`--revision is for models on the hub, but ${model} is a folder`);
    return found;
  }
  const { isHubId, resolveModel } = await import('@brickwork/runtime');
  if (!model.includes('/') || !isHubId(model)) return modelFolder(model); // says what is wrong
  const line = new ProgressLine(io);
  try {
    return await resolveModel(model, {
      signal,
      ...(revision !== undefined && { revision }),
      ...(offline && { offline }),
      onProgress: ({ file, loaded, total }) => line.show(() => `${model}: ${file} ${bytes(loaded)} of ${bytes(total)}`),
    });
  } finally {
    line.clear();
  }
}
