// Small tokenizers of every kind, for tests.
import type { TokenizerJson } from './tokenizer-json.ts';
import { trainTokenizer } from './train-tokenizer.ts';

/** A text to train on. */
export const corpus: string =
  `The cat's toys aren't hers. Don't, 中国 中国 naïve café café 😀😀 the theory of them hello hello world 12 121.
  The end of the story; the 👩‍👧 and the end.\r\n\tΟΔΟΣ ΟΔΟΣ Ünï ünï `.repeat(3);
/** What a tokenizer.json holds. */
export type Json = Record<string, unknown>;
const added = (content: string, id: number, more: Json = {}): Json => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...more,
});
const withAdded = (json: TokenizerJson): Json => {
  const vocab = json.model.vocab as Record<string, number>;
  let next = Object.keys(vocab).length;
  const token = (content: string, more: Json): Json => added(content, vocab[content] ?? next++, more);
  const more = [
    token('<s>', {}),
    token('the', { special: false, normalized: true }),
    token('them', { special: false, lstrip: true }),
    token('!!', { rstrip: true }),
    token('ÉA', { special: false, normalized: true, lstrip: true, rstrip: true }),
  ];
  return { ...json, added_tokens: [...json.added_tokens, ...more] };
};
const split = {
  type: 'Split',
  pattern: {
    Regex: "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+",
  },
  behavior: 'Isolated',
  invert: false,
};

/** The tokenizer.json of many kinds of tokenizers, by name. */
export async function makeKinds(): Promise<Record<string, Json>> {
  const bpe = await trainTokenizer([corpus], { type: 'bpe', vocabularySize: 400 });
  const piece = await trainTokenizer([corpus], { type: 'wordpiece', vocabularySize: 300 });
  const cased = await trainTokenizer([corpus], { type: 'wordpiece', vocabularySize: 300, lowercase: false });
  const char = await trainTokenizer([corpus], { type: 'char', specialTokens: ['<unk>', '<|endoftext|>'] });
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const pieces = ['<unk>', ...bytes, '▁', ...'thecanodrs', 'th', 'the', '▁the', 'an', '▁t'];
  const llama = {
    ...bpe,
    added_tokens: [added('<unk>', 0)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      ...bpe.model,
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((token, id) => [token, id])),
      merges: [
        ['t', 'h'],
        ['th', 'e'],
        ['▁', 't'],
        ['▁', 'the'],
        ['a', 'n'],
      ],
    },
  };
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', add_prefix_space: true };
  const unigram = {
    ...bpe,
    added_tokens: [added('<unk>', 0), added('</s>', 1)],
    normalizer: { type: 'NFKC' },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: metaspace,
    model: {
      type: 'Unigram',
      unk_id: 0,
      byte_fallback: false,
      vocab: [
        ['<unk>', 0],
        ['</s>', 0],
        ...['▁', 't', 'he', 'h', 'e', '▁the', 'll', 'o', 's'].map((t, i) => [t, -2 - i]),
      ],
    },
  };
  const level = (more: Json): Json => ({ ...bpe, pre_tokenizer: { ...bpe.pre_tokenizer, ...more } });
  return {
    'byte-level BPE': bpe as Json,
    'byte-level BPE, added tokens': withAdded(bpe),
    'byte-level BPE, prefix space': level({ add_prefix_space: true }),
    'byte-level BPE, no words': level({ use_regex: false }),
    'byte-level BPE, ignore_merges': {
      ...bpe,
      model: { ...bpe.model, ignore_merges: true, vocab: { ...bpe.model.vocab, Ġworlds: 400, ĠÃ: 401 } },
    },
    'byte-level BPE after a split': {
      ...bpe,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [split, { ...bpe.pre_tokenizer, use_regex: false }],
      },
    },
    'byte-level BPE, normalized': { ...withAdded(bpe), normalizer: { type: 'NFC' } },
    WordPiece: piece as Json,
    'WordPiece, added tokens': withAdded(piece),
    'WordPiece, cased': cased as Json,
    characters: char as Json,
    'characters, added tokens': withAdded(char),
    'BPE with byte fallback': llama,
    Unigram: unigram,
  };
}

/** The names of {@link makeKinds}. */
export const kindNames: readonly string[] = [
  'byte-level BPE',
  'byte-level BPE, added tokens',
  'byte-level BPE, prefix space',
  'byte-level BPE, no words',
  'byte-level BPE, ignore_merges',
  'byte-level BPE after a split',
  'byte-level BPE, normalized',
  'WordPiece',
  'WordPiece, added tokens',
  'WordPiece, cased',
  'characters',
  'characters, added tokens',
  'BPE with byte fallback',
  'Unigram',
];
