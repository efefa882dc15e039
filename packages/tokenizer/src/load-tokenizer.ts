// Loads a tokenizer from a folder in the Hugging Face layout: tokenizer.json, or the older files of GPT-2 and BERT.
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gpt2Json, vocabularyTextJson } from './older-files.ts';
import { marianJson, sentencePieceJson } from './sentence-piece-json.ts';
import { Tokenizer } from './tokenizer.ts';

type Fields = Record<string, unknown>;

/**
 * Loads the tokenizer of a folder, or the tokenizer.json at a path. A folder without tokenizer.json may hold vocab.json and
 * merges.txt (GPT-2), vocab.txt (BERT), spiece.model or tokenizer.model (SentencePiece: T5, Llama), or source.spm with vocab.json
 * (Marian). tokenizer_config.json and special_tokens_map.json beside it give roles to
 * special tokens.
 *
 * @throws where there is no such file, or it isn't a tokenizer; the message begins with the file's path.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const found = await stat(path).catch(() => null);
  if (!found) throw new Error(`${path}: no such file or folder`);
  const folder = found.isDirectory() ? path : dirname(path);
  const config = {
    ...(await fieldsOf(join(folder, 'special_tokens_map.json'))),
    ...(await fieldsOf(join(folder, 'tokenizer_config.json'))),
    ...(await chatTemplateOf(folder)),
  };
  if (!found.isDirectory()) return await build(path, async () => parse(await readFile(path, 'utf8')), config);
  const tokenizerPath = join(path, 'tokenizer.json');
  const text = await textOf(tokenizerPath);
  if (text !== null) return await build(tokenizerPath, () => parse(text), config);
  const vocabularyPath = join(path, 'vocab.json');
  const vocabulary = await textOf(vocabularyPath);
  const merges = await textOf(join(path, 'merges.txt'));
  if (vocabulary !== null && merges !== null)
    return await build(vocabularyPath, () => gpt2Json(parse(vocabulary), merges, config), config);
  const source = await bytesOf(join(path, 'source.spm'));
  if (vocabulary !== null && source !== null)
    return await build(join(path, 'source.spm'), () => marianJson(source, parse(vocabulary), config), config);
  for (const name of ['spiece.model', 'sentencepiece.bpe.model', 'tokenizer.model']) {
    const pieces = await bytesOf(join(path, name));
    if (pieces === null) continue;
    const { model_type } = await fieldsOf(join(path, 'config.json'));
    return await build(join(path, name), () => sentencePieceJson(pieces, { ...config, model_type }), config);
  }
  const lines = await textOf(join(path, 'vocab.txt'));
  if (lines !== null) return await build(join(path, 'vocab.txt'), () => vocabularyTextJson(lines, config), config);
  throw new Error(
    `${path}: no tokenizer.json, no vocab.json with merges.txt or source.spm, no spiece.model, sentencepiece.bpe.model, tokenizer.model or vocab.txt; is this a model's folder?`,
  );
}

async function build(path: string, json: () => unknown, config: Fields): Promise<Tokenizer> {
  try {
    return new Tokenizer((await json()) as Fields, config);
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message.replace(/^tokenizer\.json: /, '')}`, { cause });
  }
}

// Newer models keep their chat template in a file of its own.
async function chatTemplateOf(folder: string): Promise<Fields> {
  const text = await textOf(join(folder, 'chat_template.jinja'));
  return text === null ? {} : { chat_template: text };
}

/** The text of a file, or null where there is none. */
async function textOf(path: string): Promise<string | null> {
  const bytes = await bytesOf(path);
  return bytes && bytes.toString('utf8');
}

/** The bytes of a file, or null where there is none. */
async function bytesOf(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

async function fieldsOf(path: string): Promise<Fields> {
  const text = await textOf(path);
  if (text === null) return {};
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${path}: it holds ${Array.isArray(value) ? 'a list' : String(value)}; needs an object`);
  return value as Fields;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`it isn't JSON: ${(cause as Error).message}`, { cause });
  }
}
