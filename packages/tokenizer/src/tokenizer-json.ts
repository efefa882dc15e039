// The parts of a tokenizer.json, as Hugging Face's tokenizers write it.

/** A token that is found in a text before anything else is done with it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** One step of a tokenizer: a normalizer, pre-tokenizer, post-processor or decoder. */
export type TokenizerStep = Readonly<Record<string, unknown>> & { readonly type: string };

/** Vocabulary and rules of a tokenizer. `vocab` maps tokens to ids, or for Unigram lists tokens with their scores. */
export type TokenizerModel = Readonly<Record<string, unknown>> & {
  readonly type?: string;
  readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
};

/** A tokenizer.json, ready for `JSON.stringify`. */
export type TokenizerJson = Readonly<Record<string, unknown>> & {
  readonly version: string;
  readonly truncation: null;
  readonly padding: null;
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: TokenizerStep | null;
  readonly pre_tokenizer: TokenizerStep | null;
  readonly post_processor: TokenizerStep | null;
  readonly decoder: TokenizerStep | null;
  readonly model: TokenizerModel;
};

/** An entry of `added_tokens` for a special token. */
export function specialToken(content: string, id: number): AddedToken {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

/** Joins the parts of a tokenizer.json in the order in which Hugging Face writes them. */
export function tokenizerJson(
  parts: Pick<TokenizerJson, 'added_tokens' | 'decoder' | 'model'> & Partial<TokenizerJson>,
): TokenizerJson {
  const { added_tokens, normalizer = null, pre_tokenizer = null, post_processor = null, decoder, model } = parts;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens,
    normalizer,
    pre_tokenizer,
    post_processor,
    decoder,
    model,
  };
}

/** A BPE model with every field that Hugging Face's reader knows. */
export function bpeModel(
  vocab: Readonly<Record<string, number>>,
  merges: readonly string[],
  unknown: string | null = null,
): TokenizerModel {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: unknown,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges,
  };
}
