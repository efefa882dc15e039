// Masked language modelling (BERT: Devlin et al., 2018): some tokens are hidden, and the network finds them again.
import { padded } from '../data/example-batches.ts';
import { tokenInputs, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';

/** What masked language modelling is made from. */
export interface MaskedLanguageModellingOptions extends InputOptions {
  /** The id of `[MASK]`. */
  readonly maskId: number;
  readonly vocabularySize: number;
  /** The share of tokens to be found; 0.15 unless given. */
  readonly share?: number;
  /** Of these, how many are masked and how many replaced by another token; the rest stays. 0.8 and 0.1 unless given. */
  readonly masked?: number;
  readonly replaced?: number;
  /** Hides all pieces of a word together; false unless given. */
  readonly wholeWords?: boolean;
  readonly typed?: boolean;
}

/**
 * Texts for a masked model. What is hidden is drawn anew for every batch (dynamic masking: Liu et al., 2019); a text
 * longer than the model sees is cut into pieces.
 */
export function maskedLanguageModelling(tokenizer: TaskTokenizer, o: MaskedLanguageModellingOptions): Task {
  const { maskId, vocabularySize, share = 0.15, masked = 0.8, replaced = 0.1, wholeWords = false, typed = false } = o;
  for (const [name, value] of Object.entries({ share, masked, replaced, both: masked + replaced }))
    if (!(value >= 0 && value <= 1)) throw new Error(`masked language modelling: ${name} is ${value}; needs 0 to 1`);
  if (!(share > 0)) throw new Error('masked language modelling: share is 0, so that there is nothing to find');
  const { limit } = o;
  const room = limit - tokenizer.encode('').ids.length;
  if (!(room > 0)) throw new Error(`masked language modelling: limit is ${limit}; needs ${limit - room + 1} or more`);

  // Long texts are cut between words, or anywhere in a word that is longer than the model sees.
  const pieces = (text: string): string[] => {
    const encoding = tokenizer.encode(text, { addSpecialTokens: false });
    const { ids } = encoding;
    if (!ids.length) return [];
    if (ids.length <= room) return [text];
    const { offsets, specialTokensMask } = encoding; // made when asked for
    const words = wordsOf(text, offsets, specialTokensMask);
    const cuts: number[] = [0];
    for (let from = 0; ids.length - from > room; cuts.push(from)) {
      let to = from + room;
      while (to > from && words[to] === words[to - 1]) to--;
      from = to > from ? to : from + room;
    }
    return cuts.map((from, i) => text.slice(offsets[from]![0], offsets[(cuts[i + 1] ?? ids.length) - 1]![1]));
  };
  return {
    identity: { task: 'masked-language-modelling', limit, wholeWords, typed },
    lengthOf: 'input_ids',
    encode(given) {
      if (given.kind !== 'text') return wrongKind('masked language modelling', given, 'texts');
      return pieces(given.text).map((piece) => {
        const encoding = tokenizer.encode(piece, { maxLength: limit });
        const { ids, typeIds, specialTokensMask } = encoding;
        // Where tokens are hidden one by one, each is a word of its own, and their places don't matter.
        const words = wholeWords
          ? wordsOf(piece, encoding.offsets, specialTokensMask)
          : specialTokensMask.map((isAround, t) => (isAround ? -1 : t));
        return {
          input_ids: numbers(ids),
          ...(typed && { token_type_ids: numbers(typeIds) }),
          words: numbers(words),
        };
      });
    },
    collate(examples, draw) {
      const labels: Int32Array[] = [];
      const hidden = examples.map((example) => {
        const ids = example['input_ids']!.slice();
        const words = example['words']!;
        const label = new Int32Array(ids.length).fill(-100);
        // One draw for each token, or for each word.
        const count = wholeWords ? Math.max(0, ...words) + 1 : 0;
        const chosen = Array.from({ length: count }, () => draw.uniform() < share);
        ids.forEach((id, t) => {
          if (words[t]! < 0 || !(wholeWords ? chosen[words[t]!] : draw.uniform() < share)) return;
          label[t] = id;
          const which = draw.uniform();
          if (which < masked) ids[t] = maskId;
          else if (which < masked + replaced) ids[t] = draw.integer(vocabularySize);
        });
        labels.push(label);
        return { ...example, input_ids: ids };
      });
      const { multiple } = o;
      const how = { limit, ...(multiple !== undefined && { multiple }) };
      const count = labels.reduce((n, label) => n + label.filter((id) => id !== -100).length, 0);
      return { batch: { ...tokenInputs(hidden, o), labels: padded(labels, { ...how, value: -100 }) }, count };
    },
  };
}

/** Which word each token is of, counted from 0; -1 for tokens around the text. A word is letters and digits in a row. */
export function wordsOf(
  text: string,
  offsets: readonly (readonly [number, number])[],
  specialTokensMask: readonly number[],
): number[] {
  const isLetter = (at: number): boolean => /[\p{L}\p{N}\p{M}]/u.test(text.charAt(at));
  let word = -1;
  let end = -1;
  return offsets.map(([from, to], t) => {
    if (specialTokensMask[t]) return -1;
    // Pieces of one character share its place.
    const goesOn = word >= 0 && (from < end || (from === end && isLetter(from) && isLetter(end - 1)));
    if (!goesOn) word++;
    end = to;
    return word;
  });
}
