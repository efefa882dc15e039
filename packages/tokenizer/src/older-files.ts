// The files that tokenizers had before tokenizer.json: GPT-2's vocab.json with merges.txt, BERT's vocab.txt.
import { byteLevelJson } from './byte-level-json.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { wordPieceJson } from './word-piece-json.ts';

type Fields = Readonly<Record<string, unknown>>;
const roles = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'];

/** The special tokens that a tokenizer_config.json or special_tokens_map.json names and a vocabulary has. */
function specialOf(config: Fields, vocab: Fields, usual: readonly string[]): string[] {
  const named = roles.map((role) => config[`${role}_token`]);
  const more = Array.isArray(config['additional_special_tokens'])
    ? (config['additional_special_tokens'] as unknown[])
    : [];
  const contents = [...named, ...more].map((one) => (one as { content?: unknown } | null)?.content ?? one);
  const all = [...usual, ...contents].filter(
    (one) => typeof one === 'string' && one !== '' && Object.hasOwn(vocab, one),
  );
  return [...new Set(all as string[])].sort((a, b) => Number(vocab[a]) - Number(vocab[b]));
}

/** GPT-2's vocab.json and merges.txt as a tokenizer.json. */
export function gpt2Json(vocab: unknown, merges: string, config: Fields): TokenizerJson {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab))
    throw new Error('it is no object of tokens with their ids');
  const ids = vocab as Readonly<Record<string, number>>;
  if (!Object.hasOwn(ids, 'Ġ'))
    throw new Error(
      'it has no token "Ġ", so this is no byte-level vocabulary as GPT-2 has it; convert it to tokenizer.json',
    );
  const lines = merges.split(/\r?\n/).filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  return byteLevelJson(ids, lines, {
    special: specialOf(config, ids, ['<|endoftext|>']),
    addPrefixSpace: config['add_prefix_space'] === true,
  });
}

/** BERT's vocab.txt, a token on each line, as a tokenizer.json. */
export function vocabularyTextJson(text: string, config: Fields): TokenizerJson {
  const tokens = text.replace(/\r?\n$/, '').split(/\r?\n/);
  const seen = new Set<string>();
  const repeated = tokens.find((token) => seen.size === seen.add(token).size);
  if (repeated !== undefined) throw new Error(`the token ${JSON.stringify(repeated)} stands on two lines`);
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const named = config['unk_token'];
  const unknown = typeof named === 'string' ? named : '[UNK]';
  if (!Object.hasOwn(vocab, unknown))
    throw new Error(`it has no unknown token ${JSON.stringify(unknown)}; is this a WordPiece vocabulary?`);
  const strips = config['strip_accents'];
  return wordPieceJson(vocab, {
    special: specialOf(config, vocab, ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']),
    unknown,
    lowercase: config['do_lower_case'] !== false,
    stripAccents: typeof strips === 'boolean' ? strips : null,
    splitChinese: config['tokenize_chinese_chars'] !== false,
  });
}
