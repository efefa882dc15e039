// Folders of sentence-transformers (https://sbert.net): modules.json lists what follows what, and each module has a folder of
// its own with config.json and weights.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parameters } from '@brickwork/nn';
import { assignWeights, readSafetensors, type HostTensor } from '@brickwork/runtime';
import { Normalize, readDense, readDropout, readNorm } from './dense.ts';
import { readPooling } from './pooling.ts';
import { checkKeys, type ModuleBuilder, type SentenceModule } from './sentence-module.ts';

type Fields = Readonly<Record<string, unknown>>;

/** One line of modules.json. */
export interface ModuleEntry {
  /** The last part of its class: 'Pooling'. */
  readonly kind: string;
  /** Its folder within the model's; '' is the model's own. */
  readonly path: string;
}

/** What the files of a model's own folder say. */
export interface EncoderSettings {
  /** Most tokens of a text; null where nothing says. */
  readonly maxLength: number | null;
  /** Whether texts are put in lower case before the tokenizer sees them. */
  readonly lowerCase: boolean;
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPrompt: string | null;
  /** `cosine`, `dot`, `euclidean` or `manhattan`. */
  readonly similarity: string;
}

const builders: Readonly<Record<string, ModuleBuilder>> = {
  Pooling: readPooling,
  Dense: readDense,
  Normalize: (config, width, who) => {
    checkKeys(who, config, []);
    return new Normalize(width);
  },
  LayerNorm: readNorm,
  Dropout: readDropout,
};
/** What a first module may be. */
const bodies = ['Transformer', 'StaticEmbedding'];

/** A JSON object; null where there is no such file. */
export async function readFields(path: string): Promise<Fields | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${path} can't be read: ${(cause as Error).message}`, { cause });
  }
  const value = parse(text, path);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${path} is not a JSON object`);
  return value as Fields;
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** The modules that modules.json lists; null where the folder has none. @throws where it isn't a list of modules. */
export async function readModules(folder: string): Promise<ModuleEntry[] | null> {
  const path = join(folder, 'modules.json');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw new Error(`${path} can't be read: ${cause.message}`, { cause });
  });
  if (text === null) return null;
  const list = parse(text, path);
  if (!Array.isArray(list) || !list.length) throw new Error(`${path} is not a list of modules`);
  return list.map((one: unknown, i) => {
    const { type, path: own } = (typeof one === 'object' && one !== null ? one : {}) as Fields;
    if (typeof type !== 'string' || typeof own !== 'string')
      throw new Error(`${path}: module ${i} is ${JSON.stringify(one)?.slice(0, 80)}; needs a type and a path`);
    if (/^[/\\]|^[A-Za-z]:|\\|\0|(^|\/)\.\.(\/|$)/.test(own))
      throw new Error(`${path}: module ${i} is in ${JSON.stringify(own)}; needs a folder within the model's`);
    const kind = type.split('.').at(-1)!;
    const known = i ? Object.keys(builders) : bodies;
    if (!type.startsWith('sentence_transformers.') || !known.includes(kind))
      throw new Error(
        `${path}: module ${i} is ${type}, which isn't implemented ${i ? 'there' : 'as the first'}; known are ${known.join(', ')}`,
      );
    return { kind, path: own };
  });
}

const settingFiles = ['', '_roberta', '_distilbert', '_camembert', '_albert', '_xlm-roberta', '_xlnet'];
settingFiles.splice(0, 1, '_bert');

/** Reads sentence_bert_config.json of the body's folder and config_sentence_transformers.json of the model's. */
export async function readSettings(folder: string, bodyFolder: string): Promise<EncoderSettings> {
  let own: Fields = {};
  let who = '';
  for (const name of settingFiles) {
    who = join(bodyFolder, `sentence${name}_config.json`);
    const found = await readFields(who);
    if (!found) continue;
    own = found;
    break;
  }
  checkKeys(who, own, ['max_seq_length', 'do_lower_case'], {
    model_args: [{}, null],
    tokenizer_args: [{}, null],
    config_args: [{}, null],
    processor_kwargs: [{}, null],
    transformer_task: ['feature-extraction', null],
    module_output_name: ['token_embeddings', null],
  });
  const { max_seq_length: most = null, do_lower_case: lower = false } = own;
  if (most !== null && !(Number.isSafeInteger(most) && (most as number) > 0))
    throw new Error(`${who}: max_seq_length is ${JSON.stringify(most)}; needs a whole number above 0`);
  if (typeof lower !== 'boolean')
    throw new Error(`${who}: do_lower_case is ${JSON.stringify(lower)}; needs true or false`);
  return { maxLength: most as number | null, lowerCase: lower, ...(await readPrompts(folder)) };
}

async function readPrompts(folder: string): Promise<Pick<EncoderSettings, 'prompts' | 'defaultPrompt' | 'similarity'>> {
  const path = join(folder, 'config_sentence_transformers.json');
  const config = (await readFields(path)) ?? {};
  checkKeys(path, config, ['__version__', 'prompts', 'default_prompt_name', 'similarity_fn_name'], {
    model_type: ['SentenceTransformer', null],
    truncate_dim: [null],
  });
  const { prompts: given = {}, default_prompt_name: standard = null, similarity_fn_name: similarity } = config;
  const isTexts =
    typeof given === 'object' && given !== null && Object.values(given).every((text) => typeof text === 'string');
  if (!isTexts || Array.isArray(given))
    throw new Error(`${path}: prompts is ${JSON.stringify(given)}; needs texts by name`);
  const prompts = given as Record<string, string>;
  if (standard !== null && !(typeof standard === 'string' && Object.hasOwn(prompts, standard)))
    throw new Error(
      `${path}: default_prompt_name is ${JSON.stringify(standard)}; the prompts are ${Object.keys(prompts).join(', ') || 'none'}`,
    );
  const known = ['cosine', 'dot', 'dot_product', 'euclidean', 'manhattan'];
  const name = similarity ?? 'cosine';
  if (typeof name !== 'string' || !known.includes(name))
    throw new Error(`${path}: similarity_fn_name is ${JSON.stringify(name)}; known are ${known.join(', ')}`);
  return { prompts, defaultPrompt: standard, similarity: name === 'dot_product' ? 'dot' : name };
}

/** A module as its config.json has it, and the values of its parameters, by their names within it. */
export interface ModuleSpec {
  readonly kind: string;
  readonly config: Fields;
  readonly weights: ReadonlyMap<string, HostTensor>;
}

/**
 * Makes the modules anew that stand behind states of a width.
 *
 * @throws where a setting isn't known, or the widths don't follow from each other.
 */
export function buildModules(specs: readonly Omit<ModuleSpec, 'weights'>[], width: number): SentenceModule[] {
  const modules: SentenceModule[] = [];
  for (const { kind, config } of specs)
    modules.push(buildModule(kind, config, modules.at(-1)?.width ?? width, `module ${modules.length} (${kind})`));
  return modules;
}

function buildModule(kind: string, config: Fields, width: number, who: string): SentenceModule {
  if (!Object.hasOwn(builders, kind))
    throw new Error(
      `${who}: no module is called ${JSON.stringify(kind)}; known are ${Object.keys(builders).join(', ')}`,
    );
  return builders[kind]!(config, width, who);
}

/** Reads one of the modules behind the body, for vectors or token states of a width, and the width that it gives. */
export async function readModule(
  folder: string,
  { kind, path }: ModuleEntry,
  width: number,
): Promise<{ readonly spec: ModuleSpec; readonly width: number }> {
  const own = join(folder, path);
  const who = join(own, 'config.json');
  const config = (await readFields(who)) ?? (kind === 'Normalize' ? {} : null);
  if (!config)
    throw new Error(`${folder} lacks ${join(path, 'config.json')}, which its modules.json needs for ${kind}`);
  const module = buildModule(kind, config, width, who);
  const expected = parameters(module);
  const file = join(own, 'model.safetensors');
  if (expected.size && !(await isFile(file))) {
    const isOld = await isFile(join(own, 'pytorch_model.bin'));
    throw new Error(
      isOld
        ? `${own} has its weights as pytorch_model.bin, which can hold programs and isn't read here; save the model again with a newer sentence-transformers (model.safetensors)`
        : `${folder} lacks ${join(path, 'model.safetensors')}, which its modules.json needs for ${kind}`,
    );
  }
  const tensors = expected.size
    ? (await readSafetensors(file, { widen: true })).tensors
    : new Map<string, HostTensor>();
  const weights = assignWeights(expected, tensors, { who: file });
  return { spec: { kind, config: module.config ?? {}, weights }, width: module.width };
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => null))?.isFile() ?? false;
