// Answers to questions as spans of a passage (SQuAD: Rajpurkar et al., 2016), as Hugging Face's question-answering pipeline
// finds them.
import { hostTensor, type RunOptions } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Model } from '../model.ts';

/** A part of the passage. */
export interface Answer {
  /** Probability of its first token times that of its last. */
  readonly score: number;
  /** Where it stands in the passage, `[start, end)` in UTF-16 units; 0 and 0 where there is no answer. */
  readonly start: number;
  readonly end: number;
  /** Empty where there is no answer. */
  readonly answer: string;
}

/** How to answer. */
export interface AnswerOptions extends RunOptions {
  /** How many answers, best first; 1 unless given. */
  readonly topK?: number;
  /** Most tokens of an answer; 15 unless given. */
  readonly maxAnswerLength?: number;
  /** Most tokens of a question with its piece of the passage; 384 or what the model sees, unless given. */
  readonly maxLength?: number;
  /** Tokens by which pieces of a long passage overlap; a third of a piece, at most 128, unless given. */
  readonly stride?: number;
  /** Also weighs that the passage has no answer; false unless given. */
  readonly handleImpossible?: boolean;
}

/**
 * The most probable answers to a question in a passage of any length.
 *
 * @throws where the model has no start and end logits, or the question leaves no room for the passage.
 */
export async function answer(
  model: Model,
  tokenizer: Tokenizer,
  { question, context }: { readonly question: string; readonly context: string },
  { topK = 1, maxAnswerLength = 15, handleImpossible = false, signal, ...o }: AnswerOptions = {},
): Promise<Answer[]> {
  for (const [name, value] of Object.entries({ topK, maxAnswerLength }))
    if (!(Number.isInteger(value) && value > 0))
      throw new Error(`answer: ${name} is ${value}; needs a whole number above 0`);
  if (!question.trim() || !context.trim())
    throw new Error(`answer: the ${question.trim() ? 'passage' : 'question'} is empty`);
  const sees = (model.network as { longest?: Readonly<Record<string, number>> }).longest?.['T'] ?? 512;
  const { maxLength = Math.min(384, sees) } = o;
  const around = tokenizer.encode('', { textPair: ' ' }).ids.length;
  const asked = tokenizer.encode(question, { addSpecialTokens: false }).ids.length;
  const overhead = Math.max(
    around,
    tokenizer.encode(question, { textPair: context }).ids.length -
      asked -
      tokenizer.encode(context, { addSpecialTokens: false }).ids.length,
  );
  const room = maxLength - overhead - asked;
  if (!(room > 1))
    throw new Error(`answer: a question of ${asked} tokens leaves no room for the passage in ${maxLength}; shorten it`);
  const { stride = Math.min(128, Math.floor(room / 3)) } = o;
  if (!(Number.isInteger(stride) && stride >= 0 && stride < room))
    throw new Error(`answer: stride is ${stride}; needs a whole number from 0 below ${room}, the tokens of a piece`);

  const whole = tokenizer.encode(context, { addSpecialTokens: false }).offsets;
  const found: Answer[] = [];
  let impossible = 1;
  for (let first = 0; first < Math.max(1, whole.length); first += room - stride) {
    signal?.throwIfAborted();
    const last = Math.min(first + room, whole.length);
    const [from, to] = [whole[first]?.[0] ?? 0, whole[last - 1]?.[1] ?? context.length];
    const piece = context.slice(from, to);
    const { ids, typeIds, offsets, specialTokensMask } = tokenizer.encode(question, { textPair: piece, maxLength });
    const T = ids.length;
    const row = (values: readonly number[]): ReturnType<typeof hostTensor> =>
      hostTensor(BigInt64Array.from(values, BigInt), [1, T]);
    const { start_logits, end_logits } = await model.run(
      { input_ids: row(ids), ...('token_type_ids' in model.network.inputs && { token_type_ids: row(typeIds) }) },
      ['start_logits', 'end_logits'],
      signal ? { signal } : {},
    );
    // Tokens of the passage: those after the question's; the first token stands for no answer.
    let seen = 0;
    const isPassage = ids.map((_, t) => !specialTokensMask[t] && seen++ >= asked);
    const allowed = isPassage.map((is, t) => is || (handleImpossible && t === 0));
    const starts = probabilities(start_logits!.data as Float32Array, allowed);
    const ends = probabilities(end_logits!.data as Float32Array, allowed);
    if (handleImpossible) {
      impossible = Math.min(impossible, starts[0]! * ends[0]!);
      starts[0] = ends[0] = 0;
    }
    for (const { s, e, score } of bestSpans(starts, ends, { topK, maxAnswerLength })) {
      const [start, end] = wholeWords(context, from + offsets[s]![0], from + offsets[e]![1]);
      found.push({ score, start, end, answer: context.slice(start, end) });
    }
    if (last >= whole.length) break;
  }
  if (handleImpossible) found.push({ score: impossible, start: 0, end: 0, answer: '' });
  // The same place may have been found in two pieces.
  const best = new Map<string, Answer>();
  for (const one of found.toSorted((a, b) => b.score - a.score)) {
    const place = `${one.start}-${one.end}`;
    if (!best.has(place)) best.set(place, one);
  }
  return [...best.values()].slice(0, topK);
}

function probabilities(logits: Float32Array, allowed: readonly boolean[]): number[] {
  const top = Math.max(...Array.from(logits).filter((_, t) => allowed[t]));
  const each = Array.from(logits, (v, t) => (allowed[t] ? Math.exp(v - top) : 0));
  const total = each.reduce((a, b) => a + b, 0);
  return each.map((v) => v / total);
}

// Pairs of a start and an end not before it, by the product of their probabilities.
function bestSpans(
  starts: readonly number[],
  ends: readonly number[],
  { topK, maxAnswerLength }: { readonly topK: number; readonly maxAnswerLength: number },
): { s: number; e: number; score: number }[] {
  const spans: { s: number; e: number; score: number }[] = [];
  starts.forEach((p, s) => {
    if (!p) return;
    for (let e = s; e < Math.min(ends.length, s + maxAnswerLength); e++)
      if (ends[e]) spans.push({ s, e, score: p * ends[e]! });
  });
  return spans.toSorted((a, b) => b.score - a.score).slice(0, topK);
}

// A range that begins or ends inside a word, grown to all of it.
function wholeWords(text: string, start: number, end: number): [number, number] {
  const isLetter = (at: number): boolean => /[\p{L}\p{N}\p{M}]/u.test(text.charAt(at));
  while (/\s/.test(text.charAt(start)) && start < end) start++;
  while (start > 0 && isLetter(start - 1) && isLetter(start)) start--;
  while (end < text.length && isLetter(end - 1) && isLetter(end)) end++;
  return [start, end];
}
