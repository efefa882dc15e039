// A SentencePiece model as a tokenizer.json, for folders that have no other: T5's and Llama's, and Marian's two files.
import { readSentencePiece, type SentencePieceModel } from './sentence-piece.ts';
import {
  specialToken,
  tokenizerJson,
  type AddedToken,
  type TokenizerJson,
  type TokenizerStep,
} from './tokenizer-json.ts';

type Fields = Readonly<Record<string, unknown>>;

type Family = 't5' | 'llama' | 'xlm-roberta' | 'camembert';
// By `tokenizer_class` of tokenizer_config.json without 'Tokenizer', or by `model_type` of config.json.
const families: Readonly<Record<string, Family>> = {
  ...{ T5: 't5', MT5: 't5', t5: 't5', mt5: 't5', umt5: 't5' },
  ...{ Llama: 'llama', CodeLlama: 'llama', Gemma: 'llama', llama: 'llama', mistral: 'llama', gemma: 'llama' },
  ...{ XLMRoberta: 'xlm-roberta', 'xlm-roberta': 'xlm-roberta', Camembert: 'camembert', camembert: 'camembert' },
};

/** Which model's habits a tokenizer has: what it puts around a text, and what it adds to the vocabulary. */
function familyOf({ pieces, type }: SentencePieceModel, config: Fields): Family {
  const named = config['tokenizer_class'];
  const name = typeof named === 'string' ? named.replace(/Tokenizer(Fast)?$/, '') : config['model_type'];
  if (typeof name === 'string' && Object.hasOwn(families, name)) return families[name]!;
  if (name === undefined || name === 'PreTrained') {
    const first = pieces
      .slice(0, 3)
      .map(({ piece }) => piece)
      .join(' ');
    if (first === '<pad> </s> <unk>') return 't5';
    if (type === 'bpe' && first === '<unk> <s> </s>') return 'llama';
  }
  throw new Error(
    `what stands around a text for ${name === undefined ? 'this vocabulary' : JSON.stringify(named ?? name)} isn't known; save the tokenizer with a tokenizer.json: python3 -c "from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('.').save_pretrained('.')"`,
  );
}

/**
 * A spiece.model, tokenizer.model or sentencepiece.bpe.model as a tokenizer.json.
 *
 * @param config tokenizer_config.json, and the `model_type` of config.json
 */
export function sentencePieceJson(bytes: Uint8Array, config: Fields): TokenizerJson {
  const model = readSentencePiece(bytes);
  const family = familyOf(model, config);
  const { pieces, type, unknownId, bosId, eosId } = model;
  if (type !== 'unigram' && type !== 'bpe')
    throw new Error(`its model_type is ${type}, which isn't implemented; needs unigram or bpe`);
  if (family === 'xlm-roberta' || family === 'camembert') return fairseqJson(model, family);
  const added: AddedToken[] = pieces.flatMap(({ piece, kind }, id) => {
    if (kind === 'user') return [{ ...specialToken(piece, id), special: false }];
    return kind === 'control' || kind === 'unknown' ? [specialToken(piece, id)] : [];
  });
  const vocab = pieces.map(({ piece, score }): [string, number] => [piece, score]);
  if (family === 't5') {
    const count = config['extra_ids'] ?? 100;
    if (!(Number.isInteger(count) && (count as number) >= 0 && (count as number) < 10_000))
      throw new Error(`extra_ids is ${JSON.stringify(count)}; needs a whole number from 0`);
    for (let i = (count as number) - 1; i >= 0; i--) {
      added.push(specialToken(`<extra_id_${i}>`, vocab.length));
      vocab.push([`<extra_id_${i}>`, 0]);
    }
  }
  const name = (id: number, what: string): [string, number] => {
    if (!pieces[id]) throw new Error(`its ${what} is ${id}; needs the place of one of its ${pieces.length} pieces`);
    return [pieces[id].piece, id];
  };
  const before = family === 'llama' && config['add_bos_token'] !== false ? [name(bosId, 'bos_id')] : [];
  const after = family === 't5' || config['add_eos_token'] === true ? [name(eosId, 'eos_id')] : [];
  name(unknownId, 'unk_id');
  return tokenizerJson({
    added_tokens: added,
    post_processor: around(before, after),
    ...(type === 'unigram' ? unigramSteps(model) : bpeSteps(model)),
    model:
      type === 'unigram'
        ? { type: 'Unigram', unk_id: unknownId, vocab, byte_fallback: model.byteFallback }
        : bpe(model),
  });
}

// XLM-RoBERTa and CamemBERT were trained with fairseq, which has special tokens of its own before the pieces.
function fairseqJson(model: SentencePieceModel, family: 'xlm-roberta' | 'camembert'): TokenizerJson {
  if (model.type !== 'unigram') throw new Error(`its model_type is ${model.type}; ${family}'s is unigram`);
  const [first, skipped] =
    family === 'camembert'
      ? [['<s>NOTUSED', '<pad>', '</s>NOTUSED', '<unk>', '<unk>NOTUSED'], 1]
      : [['<s>', '<pad>', '</s>', '<unk>'], 3];
  const vocab = [
    ...first.map((token): [string, number] => [token, 0]),
    ...model.pieces.slice(skipped).map(({ piece, score }): [string, number] => [piece, score]),
    ['<mask>', 0] as [string, number],
  ];
  const ids = new Map(vocab.map(([token], id) => [token, id]));
  const special = (token: string): [string, number] => {
    const id = ids.get(token);
    if (id === undefined) throw new Error(`it has no piece ${token}, which ${family} needs`);
    return [token, id];
  };
  const added = ['<s>', '<pad>', '</s>', '<unk>', '<mask>'].map((token) => specialToken(...special(token)));
  return tokenizerJson({
    added_tokens: added.map((token) => (token.content === '<mask>' ? { ...token, lstrip: true } : token)).sort(byId),
    post_processor: around([special('<s>')], [special('</s>')], [special('</s>')]),
    ...unigramSteps(model),
    model: { type: 'Unigram', unk_id: 3, vocab, byte_fallback: false },
  });
}

const byId = (a: AddedToken, b: AddedToken): number => a.id - b.id;

/** Marian's source.spm, and vocab.json with the ids of both languages' pieces, as a tokenizer.json that encodes sources. */
export function marianJson(bytes: Uint8Array, ids: unknown, config: Fields): TokenizerJson {
  const model = readSentencePiece(bytes);
  if (model.type !== 'unigram') throw new Error(`its model_type is ${model.type}; Marian's is unigram`);
  if (config['separate_vocabs'] === true)
    throw new Error('separate_vocabs is true in tokenizer_config.json, which is not implemented');
  if (typeof ids !== 'object' || ids === null || Array.isArray(ids))
    throw new Error('vocab.json is no object of tokens with their ids');
  const entries = Object.entries(ids as Record<string, unknown>);
  const scores = new Map(model.pieces.map(({ piece, score }) => [piece, score]));
  const least = Math.min(...model.pieces.map(({ score }) => score));
  const vocab: [string, number][] = [];
  for (const [token, id] of entries) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= 2 ** 24 || vocab[id as number])
      throw new Error(`vocab.json: the token ${JSON.stringify(token)} has the id ${String(id)}; needs one of its own`);
    // The other language's pieces have ids too, but no text of this one is cut into them.
    vocab[id as number] = [token, scores.get(token) ?? least - 1000];
  }
  for (let id = 0; id < vocab.length; id++) vocab[id] ??= [`<unused_${id}>`, least - 1000];
  const idOf = (token: string): number => {
    const id = (ids as Record<string, number>)[token];
    if (id === undefined) throw new Error(`vocab.json lacks ${token}`);
    return id;
  };
  const special = ['</s>', '<unk>', '<pad>'].map((token) => specialToken(token, idOf(token)));
  const languages = entries
    .filter(([token]) => /^>>.+<<$/.test(token))
    .map(([token, id]) => ({ ...specialToken(token, id as number), special: false }));
  return tokenizerJson({
    added_tokens: [...special, ...languages].sort(byId),
    post_processor: around([], [['</s>', idOf('</s>')]]),
    ...unigramSteps(model),
    model: { type: 'Unigram', unk_id: idOf('<unk>'), vocab, byte_fallback: false },
  });
}

// A template with tokens before and after each text; before the second of a pair may stand others.
function around(
  before: readonly [string, number][],
  after: readonly [string, number][],
  between: readonly [string, number][] = before,
): TokenizerStep | null {
  if (!before.length && !after.length) return null;
  const text = (id: string, type: number, first: readonly [string, number][]): object[] => [
    ...first.map(([name]) => ({ SpecialToken: { id: name, type_id: type } })),
    { Sequence: { id, type_id: type } },
    ...after.map(([name]) => ({ SpecialToken: { id: name, type_id: type } })),
  ];
  return {
    type: 'TemplateProcessing',
    single: text('A', 0, before),
    pair: [...text('A', 0, before), ...text('B', 0, between)],
    special_tokens: Object.fromEntries(
      [...before, ...after].map(([name, id]) => [name, { id: name, ids: [id], tokens: [name] }]),
    ),
  };
}

const metaspace = '\u2581';
type Steps = Pick<TokenizerJson, 'normalizer' | 'pre_tokenizer' | 'decoder'>;

const precompiled = ({ charsmap }: SentencePieceModel): TokenizerStep[] =>
  charsmap.length ? [{ type: 'Precompiled', precompiled_charsmap: Buffer.from(charsmap).toString('base64') }] : [];

const sequence = (steps: readonly TokenizerStep[]): TokenizerStep | null =>
  steps.length > 1 ? { type: 'Sequence', normalizers: steps } : (steps[0] ?? null);

function unigramSteps(model: SentencePieceModel): Steps {
  const { addsDummyPrefix, removesExtraSpaces } = model;
  const scheme = addsDummyPrefix ? 'always' : 'never';
  const space: TokenizerStep = {
    type: 'Metaspace',
    replacement: metaspace,
    add_prefix_space: addsDummyPrefix,
    prepend_scheme: scheme,
  };
  return {
    normalizer: sequence(precompiled(model)),
    pre_tokenizer: removesExtraSpaces
      ? { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, space] }
      : space,
    decoder: space,
  };
}

function bpeSteps(model: SentencePieceModel): Steps {
  const { addsDummyPrefix, removesExtraSpaces } = model;
  const replace = (pattern: object, content: string): TokenizerStep => ({ type: 'Replace', pattern, content });
  return {
    normalizer: sequence([
      ...precompiled(model),
      ...(removesExtraSpaces
        ? [{ type: 'Strip', strip_left: true, strip_right: true }, replace({ Regex: ' {2,}' }, ' ')]
        : []),
      ...(addsDummyPrefix ? [{ type: 'Prepend', prepend: metaspace }] : []),
      replace({ String: ' ' }, metaspace),
    ]),
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        replace({ String: metaspace }, ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(addsDummyPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
  };
}

// Two neighbours that form a piece are merged, the piece of the highest score first.
function bpe({ pieces, unknownId, byteFallback }: SentencePieceModel): TokenizerJson['model'] {
  const ids = new Map(pieces.map(({ piece }, id) => [piece, id]));
  const merges: { pair: [string, string]; score: number }[] = [];
  for (const { piece, score, kind } of pieces) {
    if (kind !== 'normal') continue;
    const chars = [...piece];
    for (let i = 1, left = ''; i < chars.length; i++) {
      left += chars[i - 1];
      const right = piece.slice(left.length);
      if (ids.has(left) && ids.has(right)) merges.push({ pair: [left, right], score });
    }
  }
  return {
    type: 'BPE',
    dropout: null,
    unk_token: pieces[unknownId]!.piece,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: byteFallback,
    vocab: Object.fromEntries(ids),
    merges: merges.sort((a, b) => b.score - a.score).map(({ pair }) => pair),
  };
}
