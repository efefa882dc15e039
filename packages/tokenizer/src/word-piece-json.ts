// The tokenizer.json of a WordPiece vocabulary, as that of BERT (Devlin et al., 2018) is written.
import { specialToken, tokenizerJson, type TokenizerJson, type TokenizerStep } from './tokenizer-json.ts';

/** How BERT's normalizer treats a text. */
export interface BertNormalization {
  /** All text in lower case, without accents unless `stripAccents` says otherwise; true unless given. */
  readonly lowercase?: boolean;
  /** Without accents; null is as `lowercase` has it. */
  readonly stripAccents?: boolean | null;
  /** Chinese characters are words by themselves; true unless given. */
  readonly splitChinese?: boolean;
}

/** BERT's normalizer. */
export function bertNormalizer(o: BertNormalization = {}): TokenizerStep {
  return {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: o.splitChinese ?? true,
    strip_accents: o.stripAccents ?? null,
    lowercase: o.lowercase ?? true,
  };
}

/** Around a vocabulary BERT's normalizer, pre-tokenizer, decoder and, where it has `[CLS]` and `[SEP]`, its template. */
export function wordPieceJson(
  vocab: Readonly<Record<string, number>>,
  o: BertNormalization & {
    readonly special: readonly string[];
    readonly unknown: string;
    /** ς becomes σ, as the libraries disagree on which of them Σ at the end of a word becomes; false unless given. */
    readonly oneSigma?: boolean;
  },
): TokenizerJson {
  const normalizer = bertNormalizer(o);
  const sigma: TokenizerStep = { type: 'Replace', pattern: { String: 'ς' }, content: 'σ' };
  const hasTemplate = Object.hasOwn(vocab, '[CLS]') && Object.hasOwn(vocab, '[SEP]');
  return tokenizerJson({
    added_tokens: o.special.map((token) => specialToken(token, vocab[token]!)),
    normalizer: o.oneSigma ? { type: 'Sequence', normalizers: [normalizer, sigma] } : normalizer,
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: hasTemplate ? bertTemplate(vocab['[CLS]']!, vocab['[SEP]']!) : null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: o.unknown,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  });
}

// [CLS] A [SEP], or [CLS] A [SEP] B [SEP].
function bertTemplate(cls: number, sep: number): TokenizerStep {
  const special = (id: string, type: number): object => ({ SpecialToken: { id, type_id: type } });
  const sequence = (id: string, type: number): object => ({ Sequence: { id, type_id: type } });
  const single = [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0)];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, sequence('B', 1), special('[SEP]', 1)],
    special_tokens: {
      '[CLS]': { id: '[CLS]', ids: [cls], tokens: ['[CLS]'] },
      '[SEP]': { id: '[SEP]', ids: [sep], tokens: ['[SEP]'] },
    },
  };
}
