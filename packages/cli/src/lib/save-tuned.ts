// What fine-tuning leaves: a model's folder, or a folder with an adapter of PEFT's.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FineTuning } from '@brickwork/training';
import type { Model as ModelType } from '@brickwork/transformer';

/**
 * Writes the weights as they are now. Beside an adapter lie the tokenizer's files and config.json, which say what its classes
 * are called.
 *
 * @param own the tokenizer's files, where the model came from no folder
 */
export async function saveTuned(
  out: string,
  tuning: FineTuning,
  model: ModelType,
  own: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { Model, peftOptions, writeAdapter } = await import('@brickwork/transformer');
  const { architecture, className, config, generationConfig, folder } = model;
  const { adapter, network, weights } = tuning;
  if (adapter === null) {
    const parts = { network, architecture, className, config, generationConfig, folder, weights };
    await new Model(parts).save(out, { files: own });
    return;
  }
  const { tokenizerFileNames } = await import('@brickwork/runtime');
  const files: Record<string, string> = {
    ...own,
    'config.json': `${JSON.stringify({ ...config, architectures: [className] }, null, 2)}\n`,
  };
  for (const name of tokenizerFileNames) {
    const path = folder === null ? '' : join(folder, name);
    // Binary vocabularies come with the base model.
    if (path && existsSync(path) && /\.(json|txt|jinja)$/.test(name)) files[name] = await readFile(path, 'utf8');
  }
  await writeAdapter(
    out,
    { config: adapter, tensors: tuning.trainedWeights },
    { ...peftOptions(network, adapter), files },
  );
}
