// Words in a blank by a masked model: as many masks as the word has pieces, filled from left to right.
import { hostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import { logSumExp } from '../../generation/log-sum-exp.ts';
import type { Model } from '../../model.ts';
import { topCandidates } from '../../samplers/top-candidates.ts';
import type { WordGuess } from './next-words.ts';
import { isWord, pieceTexts } from './word-pieces.ts';

/** A text around a blank. */
export interface Around {
  readonly before: string;
  readonly after: string;
}

/** A word in a blank, as a masked model sees it. */
export interface MaskedScore {
  /** ln p of its pieces, each given those before it, with the rest of the word hidden; nats. */
  readonly logProb: number;
  /** How many pieces are likelier than its first there, plus one. */
  readonly firstTokenRank: number;
  readonly isGreedy: boolean;
  readonly tokens: number;
}

// A row with its masks, and where they are. Without after, masks stand where its text would.
function hidden(tokenizer: Tokenizer, { before, after }: Around, masks: number): { ids: number[]; at: number } {
  const { mask } = tokenizer.specialTokens;
  if (!mask) throw new Error('cloze: the tokenizer names no mask token (mask_token in tokenizer_config.json)');
  const { ids } = tokenizer.encode(`${before}${mask.content}${after}`);
  const at = ids.indexOf(mask.id);
  if (ids.filter((id) => id === mask.id).length !== 1)
    throw new Error(`cloze: the text has a ${mask.content} besides the blank; leave one of them away`);
  return { ids: [...ids.slice(0, at), ...Array<number>(masks).fill(mask.id), ...ids.slice(at + 1)], at };
}

async function logitsAt(model: Model, ids: readonly number[], at: number, signal?: AbortSignal): Promise<Float32Array> {
  const row = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
  const { logits } = await model.run({ input_ids: row }, ['logits'], signal ? { signal } : {});
  const V = logits!.shape[2]!;
  return (logits!.data as Float32Array).subarray(at * V, (at + 1) * V);
}

/** Scores a word in a blank. @throws where the word has no pieces, or the text has a mask besides. */
export async function maskedScore(
  model: Model,
  tokenizer: Tokenizer,
  around: Around,
  word: string,
  signal?: AbortSignal,
): Promise<MaskedScore> {
  const pieces = piecesOf(tokenizer, around, word);
  const { ids, at } = hidden(tokenizer, around, pieces.length);
  let [logProb, firstTokenRank, isGreedy] = [0, 0, true];
  for (const [i, piece] of pieces.entries()) {
    signal?.throwIfAborted();
    const logits = await logitsAt(model, ids, at + i, signal);
    logProb += logits[piece]! - logSumExp(logits);
    const rank =
      1 +
      logits.reduce((n, value, id) => n + Number(value > logits[piece]! || (value === logits[piece] && id < piece)), 0);
    if (i === 0) firstTokenRank = rank;
    isGreedy &&= rank === 1;
    ids[at + i] = piece;
  }
  return { logProb, firstTokenRank, isGreedy, tokens: pieces.length };
}

// The word's tokens where it stands.
function piecesOf(tokenizer: Tokenizer, { before, after }: Around, word: string): number[] {
  const { ids, offsets } = tokenizer.encode(`${before}${word}${after}`, { addSpecialTokens: false });
  const [from, to] = [before.length, before.length + word.length];
  const own = ids.filter((_, t) => offsets[t]![1] > from && offsets[t]![0] < to);
  if (!own.length) throw new Error(`cloze: the word ${JSON.stringify(word)} has no tokens`);
  return own;
}

/** How words are looked for. */
export interface MaskedWordsOptions {
  /** How many; 5 unless given. */
  readonly topK?: number;
  /** Pieces of a word at most; 3 unless given. */
  readonly mostPieces?: number;
  readonly signal?: AbortSignal;
}

/**
 * The likeliest words in a blank, best first, of one piece up to `mostPieces`. A probability is that of a word of as many
 * pieces: the model says nothing of how many there are.
 */
export async function maskedWords(
  model: Model,
  tokenizer: Tokenizer,
  around: Around,
  { topK = 5, mostPieces = 3, signal }: MaskedWordsOptions = {},
): Promise<WordGuess[]> {
  for (const [name, value] of Object.entries({ topK, mostPieces }))
    if (!(Number.isInteger(value) && value > 0))
      throw new Error(`cloze: ${name} is ${value}; needs a whole number above 0`);
  const texts = pieceTexts(tokenizer);
  // WordPiece marks pieces that go on with a word; other vocabularies have the space in those that begin one.
  const { type } = (tokenizer.json['model'] ?? {}) as { type?: string };
  const spaced = type === 'WordPiece' || /\s$/.test(around.before);
  const words = new Map<string, number>();
  for (let count = 1; count <= mostPieces; count++) {
    const { ids, at } = hidden(tokenizer, around, count);
    let open: { ids: number[]; text: string; logProb: number }[] = [{ ids: [], text: '', logProb: 0 }];
    for (let i = 0; i < count; i++) {
      const longer: typeof open = [];
      for (const one of open) {
        signal?.throwIfAborted();
        const filled = ids.map((id, t) => one.ids[t - at] ?? id);
        const logits = await logitsAt(model, filled, at + i, signal);
        const total = logSumExp(logits);
        // Pieces that can stand there: the first begins a word, the others go on with it.
        const fits = logits.map((value, id) => (canFollow(texts[id] ?? '', i === 0, spaced) ? value : -Infinity));
        for (const id of topCandidates(fits, topK))
          if (fits[id]! > -Infinity)
            longer.push({
              ids: [...one.ids, id],
              text: one.text + texts[id]!,
              logProb: one.logProb + logits[id]! - total,
            });
      }
      open = longer.toSorted((a, b) => b.logProb - a.logProb).slice(0, topK);
    }
    for (const { text, logProb } of open)
      words.set(text.trim(), Math.max(logProb, words.get(text.trim()) ?? -Infinity));
  }
  return [...words]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, topK)
    .map(([word, logProb]) => ({ word, probability: Math.exp(logProb) }));
}

const canFollow = (piece: string, isFirst: boolean, spaced: boolean): boolean =>
  isFirst ? isWord(piece) && (!spaced || /^\s/.test(piece)) : /^[\p{L}\p{N}\p{M}'’-]+$/u.test(piece);
