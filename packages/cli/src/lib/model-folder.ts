// Where a model is: as given, or among the models that ship.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { usage } from './errors.ts';
import type { Flag } from './flags.ts';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
/** The model that is used where none is given. */
export const standardModel = 'models/shakespeare';

/** The flag that names a model. */
export const modelFlag: Flag = {
  type: 'text',
  alias: 'm',
  default: standardModel,
  describe: 'folder of a model in the Hugging Face layout, or one that ships',
};

// Where a path may lead: from here, or from the repository, where 'shakespeare' alone is enough.
const places = (path: string): string[] => [path, join(repository, path), join(repository, 'models', path)];

/** As {@link modelFolder}, but null where there is none. */
export const findModel = (model: string): string | null =>
  places(model).find((place) => existsSync(join(place, 'config.json'))) ?? null;

/**
 * The folder of a model: a path, or the name of one that ships (`models/shakespeare`, `shakespeare`).
 *
 * @throws where there is none.
 */
export function modelFolder(model: string): string {
  const found = findModel(model);
  if (found !== null) return found;
  const why = !existsSync(model)
    ? 'there is no such folder'
    : statSync(model).isDirectory()
      ? 'it has no config.json'
      : 'it is a file; needs the folder with config.json';
  throw usage(`no model in ${model}: ${why}`, `-m ${standardModel}, or a folder that lm pretrain wrote`);
}

/**
 * A tokenizer.json, or the folder that holds one.
 *
 * @throws where there is none.
 */
export function tokenizerPath(path: string): string {
  for (const place of places(path)) {
    if (existsSync(join(place, 'tokenizer.json'))) return place;
    if (existsSync(place) && statSync(place).isFile()) return place;
  }
  throw usage(
    `no tokenizer in ${path}: ${existsSync(path) ? 'it has no tokenizer.json' : 'there is no such file or folder'}`,
    `-m ${standardModel}, or a folder that lm tokenizer train wrote`,
  );
}
