// Writes tokenizer.json and tokenizer_config.json into a folder.
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from './tokenizer.ts';

type Fields = Readonly<Record<string, unknown>>;
const usualRoles: Readonly<Record<string, string>> = {
  '<|endoftext|>': 'eos_token',
  '</s>': 'eos_token',
  '<s>': 'bos_token',
  '<unk>': 'unk_token',
  '<pad>': 'pad_token',
  '<mask>': 'mask_token',
  '[PAD]': 'pad_token',
  '[UNK]': 'unk_token',
  '[CLS]': 'cls_token',
  '[SEP]': 'sep_token',
  '[MASK]': 'mask_token',
};

/** The tokenizer_config.json for a tokenizer.json: special tokens with the usual names have the usual roles. */
export function tokenizerConfig(json: Fields): Record<string, unknown> {
  const added = (json['added_tokens'] ?? []) as { content: string; special?: boolean }[];
  const config: Record<string, unknown> = {};
  for (const { content, special } of added)
    if (special && Object.hasOwn(usualRoles, content)) config[usualRoles[content]!] = content;
  if (config['eos_token'] === '<|endoftext|>') config['bos_token'] ??= '<|endoftext|>';
  return { ...config, clean_up_tokenization_spaces: false, tokenizer_class: 'PreTrainedTokenizerFast' };
}

/**
 * Writes tokenizer.json and tokenizer_config.json into a folder, which is made where needed. Each file is replaced whole.
 *
 * @param config what tokenizer_config.json shall hold; {@link tokenizerConfig} of `json` unless given.
 * @throws where `json` isn't a tokenizer; nothing is written then.
 */
export async function saveTokenizer(
  folder: string,
  json: Fields,
  config: Fields = tokenizerConfig(json),
): Promise<void> {
  void new Tokenizer(json, config);
  const files = { 'tokenizer.json': json, 'tokenizer_config.json': config };
  await mkdir(folder, { recursive: true });
  const temporary = (name: string): string => join(folder, `.${name}.${process.pid}.tmp`);
  try {
    for (const [name, value] of Object.entries(files)) {
      const file = await open(temporary(name), 'w');
      try {
        await file.writeFile(`${JSON.stringify(value)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    for (const name of Object.keys(files)) await rename(temporary(name), join(folder, name));
  } catch (cause) {
    for (const name of Object.keys(files)) await rm(temporary(name), { force: true });
    throw cause;
  }
}
