// A vocabulary of characters: every character of a text is a token.

/** The tokenizer.json of the characters of a text, in the order of their code points. */
export async function trainCharacters(
  chunks: Iterable<string> | AsyncIterable<string>,
): Promise<Record<string, unknown>> {
  const seen = new Set<string>();
  let rest = '';
  for await (const chunk of chunks) {
    const text = rest + chunk;
    // Half a surrogate pair at the end waits for its other half.
    const split = /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;
    for (const ch of text.slice(0, split)) seen.add(ch);
    rest = text.slice(split);
  }
  if (!seen.size) throw new Error('tokenizer: the text is empty; there is nothing to learn a vocabulary from');
  const vocab = Object.fromEntries(
    [...seen].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!).map((ch, i) => [ch, i]),
  );
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: [],
    },
  };
}
