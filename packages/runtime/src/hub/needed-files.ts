// Which files of a repository a model needs: few of what is often there (the same weights in three formats, pictures).
import { otherFormat } from '../other-formats.ts';
import { indexFile, singleFile } from '../shards.ts';

/** What of a model is wanted. */
export type ModelPart = 'config' | 'tokenizer' | 'weights';

const configFiles = ['config.json', 'generation_config.json', 'preprocessor_config.json'];
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
];
// Read only where there is no tokenizer.json.
const olderTokenizerFiles = [
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'spiece.model',
  'sentencepiece.bpe.model',
  'tokenizer.model',
  'source.spm',
  'target.spm',
];

// A sentence encoder's: what follows what, its settings, and the folders of its modules.
const moduleList = 'modules.json';
const encoderFiles = [moduleList, 'config_sentence_transformers.json'];
const encoderSettings = /^sentence_[\w-]+_config\.json$/;
const moduleFolder = /^\d+_\w+$/;

/** Whether a folder of a repository holds a module of its sentence encoder. */
export const isModuleFolder = (path: string, names: ReadonlySet<string>): boolean =>
  names.has(moduleList) && moduleFolder.test(path);

// What is wanted of the folders of modules: texts, and weights in safetensors.
function moduleFiles(names: ReadonlySet<string>, parts: readonly ModelPart[]): string[] {
  if (!names.has(moduleList)) return [];
  const kinds = parts.includes('weights') ? /\.(json|txt|safetensors)$/ : /\.(json|txt)$/;
  const nested = [...names].filter((name) => {
    const [folder, file, ...more] = name.split('/');
    return file !== undefined && !more.length && moduleFolder.test(folder!) && kinds.test(file);
  });
  return nested.sort((a, b) => Number(a.endsWith('.safetensors')) - Number(b.endsWith('.safetensors')));
}

/** Every file of a tokenizer that a folder may hold. */
export const tokenizerFileNames: readonly string[] = [...tokenizerFiles, ...olderTokenizerFiles];

/**
 * The files to fetch, small ones first; the shards that an index names are not among them.
 *
 * @throws where weights are wanted and there are none in safetensors.
 */
export function neededFiles(names: ReadonlySet<string>, parts: readonly ModelPart[], who: string): string[] {
  const needed: string[] = [];
  if (parts.includes('config'))
    needed.push(...configFiles, ...encoderFiles, ...[...names].filter((name) => encoderSettings.test(name)));
  if (parts.includes('tokenizer'))
    needed.push(...tokenizerFiles, ...(names.has('tokenizer.json') ? [] : olderTokenizerFiles));
  if (parts.includes('weights')) {
    const modules = moduleFiles(names, parts);
    needed.push(...modules);
    // The body of an encoder may be in a folder of its own.
    if (modules.some((name) => name.endsWith('.safetensors')) && !names.has('config.json'))
      return needed.filter((name) => names.has(name));
    if (!names.has('config.json'))
      throw new Error(`${who} has no config.json, so it isn't a model that can be opened here; it has ${some(names)}`);
    if (names.has(singleFile)) needed.push(singleFile);
    else if (names.has(indexFile)) needed.push(indexFile);
    else throw new Error(`${who} ${otherFormat(names) ?? `has no ${singleFile}; it has ${some(names)}`}`);
  }
  return needed.filter((name) => names.has(name));
}

const some = (names: ReadonlySet<string>): string =>
  names.size ? [...names].slice(0, 5).join(', ') + (names.size > 5 ? ', …' : '') : 'no files';
