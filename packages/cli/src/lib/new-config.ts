// The config.json of a model that is trained from nothing: sizes from flags, ids from its tokenizer, in each family's words.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Config } from '@brickwork/transformer';
import { CliError, usage } from './errors.ts';
import { gpt2Config } from './gpt2-config.ts';

/** How large a model is. */
export interface Sizes {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly context: number;
  readonly dropout: number;
}

type Make = (s: Sizes, ids: Readonly<Record<'pad' | 'bos' | 'eos' | 'cls' | 'sep', number | null>>) => Config;

const decoder: Make = (s, { pad, bos, eos }) => ({
  hidden_size: s.width,
  intermediate_size: 4 * s.width,
  num_hidden_layers: s.layers,
  num_attention_heads: s.heads,
  num_key_value_heads: s.heads,
  head_dim: s.width / s.heads,
  max_position_embeddings: s.context,
  attention_dropout: s.dropout,
  pad_token_id: pad,
  bos_token_id: bos,
  eos_token_id: eos,
});
const encoder: Make = (s, { pad }) => ({
  hidden_size: s.width,
  intermediate_size: 4 * s.width,
  num_hidden_layers: s.layers,
  num_attention_heads: s.heads,
  max_position_embeddings: s.context,
  hidden_dropout_prob: s.dropout,
  attention_probs_dropout_prob: s.dropout,
  pad_token_id: pad ?? 0,
});
// Positions begin after the padding's id.
const roberta: Make = (s, ids) => ({
  ...encoder(s, ids),
  max_position_embeddings: s.context + (ids.pad ?? 0) + 1,
  bos_token_id: ids.cls ?? ids.bos,
  eos_token_id: ids.sep ?? ids.eos,
  type_vocab_size: 1,
});
const t5: Make = (s, { pad, eos }) => ({
  d_model: s.width,
  d_kv: s.width / s.heads,
  d_ff: 4 * s.width,
  num_layers: s.layers,
  num_decoder_layers: s.layers,
  num_heads: s.heads,
  dropout_rate: s.dropout,
  pad_token_id: pad ?? 0,
  eos_token_id: eos ?? 1,
  decoder_start_token_id: pad ?? 0,
});
const bart: Make = (s, { pad, bos, eos }) => ({
  d_model: s.width,
  encoder_layers: s.layers,
  decoder_layers: s.layers,
  encoder_attention_heads: s.heads,
  decoder_attention_heads: s.heads,
  encoder_ffn_dim: 4 * s.width,
  decoder_ffn_dim: 4 * s.width,
  max_position_embeddings: s.context,
  dropout: s.dropout,
  pad_token_id: pad ?? 0,
  bos_token_id: bos,
  eos_token_id: eos ?? 1,
  decoder_start_token_id: pad ?? 0,
  forced_eos_token_id: eos,
});

const families: Readonly<Record<string, Make>> = {
  ...Object.fromEntries(
    ['llama', 'mistral', 'qwen2', 'qwen3', 'smollm3', 'gemma', 'gemma2', 'gemma3_text', 'gpt_neox'].map((type) => [
      type,
      decoder,
    ]),
  ),
  opt: (s, { pad, bos, eos }) => ({
    hidden_size: s.width,
    word_embed_proj_dim: s.width,
    ffn_dim: 4 * s.width,
    num_hidden_layers: s.layers,
    num_attention_heads: s.heads,
    max_position_embeddings: s.context,
    dropout: s.dropout,
    pad_token_id: pad,
    bos_token_id: bos,
    eos_token_id: eos,
  }),
  bert: encoder,
  roberta,
  'xlm-roberta': roberta,
  camembert: roberta,
  modernbert: (s, { pad, cls, sep, bos, eos }) => ({
    hidden_size: s.width,
    intermediate_size: 2 * s.width,
    num_hidden_layers: s.layers,
    num_attention_heads: s.heads,
    max_position_embeddings: s.context,
    embedding_dropout: s.dropout,
    mlp_dropout: s.dropout,
    attention_dropout: s.dropout,
    global_attn_every_n_layers: 2,
    pad_token_id: pad ?? 0,
    cls_token_id: cls ?? bos,
    sep_token_id: sep ?? eos,
    bos_token_id: cls ?? bos,
    eos_token_id: sep ?? eos,
  }),
  distilbert: (s, { pad }) => ({
    dim: s.width,
    hidden_dim: 4 * s.width,
    n_layers: s.layers,
    n_heads: s.heads,
    max_position_embeddings: s.context,
    dropout: s.dropout,
    attention_dropout: s.dropout,
    pad_token_id: pad ?? 0,
  }),
  t5,
  mt5: t5,
  umt5: t5,
  bart,
  marian: (s, ids) => bart(s, ids),
  transformer: (s, { pad, bos, eos }) => ({
    d_model: s.width,
    num_layers: s.layers,
    num_heads: s.heads,
    d_ff: 4 * s.width,
    dropout: s.dropout,
    max_position_embeddings: s.context,
    pad_token_id: pad ?? 0,
    decoder_start_token_id: bos ?? pad ?? 0,
    eos_token_id: eos ?? 1,
  }),
};

/** The families that sizes alone describe. */
export const newTypes: readonly string[] = ['gpt2', ...Object.keys(families)];

/** A config of a family with these sizes. @throws where it isn't known. */
export function newConfig(type: string, sizes: Sizes, tokenizer: Tokenizer): Config {
  if (type === 'gpt2') return gpt2Config(sizes, tokenizer);
  const make = families[type];
  if (!make) throw usage(`--model-type is '${type}'; needs one of ${newTypes.join(', ')}`, '--config-file for others');
  const { pad, bos, eos, cls, sep } = tokenizer.specialTokens;
  const id = (token: { readonly id: number } | undefined): number | null => token?.id ?? null;
  const ids = { pad: id(pad), bos: id(bos), eos: id(eos), cls: id(cls), sep: id(sep) };
  return { model_type: type, vocab_size: tokenizer.vocabularySize, ...make(sizes, ids), torch_dtype: 'float32' };
}

/** A config.json, or that of a folder. @throws where it can't be read. */
export async function readConfigFile(path: string): Promise<Config> {
  try {
    const file = (await stat(path)).isDirectory() ? join(path, 'config.json') : path;
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content as Config;
  } catch (cause) {
    throw new CliError(`--config-file ${path}: ${(cause as Error).message}`, { exitCode: 2, cause });
  }
  throw usage(`--config-file ${path}: it is not a JSON object`);
}

/** Fields as `--config-overrides` has them: `hidden_size=192,tie_word_embeddings=false`. */
export function readOverrides(text: string): Config {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      if (at < 1) throw usage(`--config-overrides is '${text}'; needs pairs such as hidden_size=192,hidden_act=relu`);
      try {
        return [name, JSON.parse(value) as unknown];
      } catch {
        return [name, value];
      }
    }),
  );
}
