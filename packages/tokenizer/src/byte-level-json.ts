// The tokenizer.json of a byte-level BPE (Radford et al., 2019), as that of GPT-2 is written.
import { bpeModel, specialToken, tokenizerJson, type TokenizerJson } from './tokenizer-json.ts';

/** Around a vocabulary and its merges (`'a b'`), GPT-2's pre-tokenizer, post-processor and decoder. */
export function byteLevelJson(
  vocab: Readonly<Record<string, number>>,
  merges: readonly string[],
  { special, addPrefixSpace = false }: { readonly special: readonly string[]; readonly addPrefixSpace?: boolean },
): TokenizerJson {
  const step = { type: 'ByteLevel', add_prefix_space: addPrefixSpace, trim_offsets: false, use_regex: true };
  return tokenizerJson({
    added_tokens: special.map((token) => specialToken(token, vocab[token]!)),
    pre_tokenizer: step,
    post_processor: step,
    decoder: { ...step, add_prefix_space: true },
    model: bpeModel(vocab, merges),
  });
}
