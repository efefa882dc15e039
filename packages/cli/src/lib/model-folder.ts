// Where a model is: as given, or among the models that ship.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { usage } from './errors.ts';

const shipped = fileURLToPath(new URL('../../../../', import.meta.url));

/** The folder of a model: a path, or the name of one that ships ('models/shakespeare' or 'shakespeare'). */
export function modelFolder(model: string): string {
  const places = [model, `${shipped}${model}`, `${shipped}models/${model}`];
  const found = places.find((place) => existsSync(`${place}/config.json`));
  if (!found)
    throw usage(
      `no model in ${model}: it has no config.json`,
      '-m models/shakespeare, or a folder in the Hugging Face layout',
    );
  return found;
}
