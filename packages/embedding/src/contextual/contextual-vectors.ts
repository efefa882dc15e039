// Vectors of words where they stand (Peters et al., 2018; Devlin et al., 2019): 'can' in "I can buy a can of fish" has two,
// one as a verb and one as a noun. A word's vector is the mean of its pieces' states at a layer.
import type { HostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Model } from '@brickwork/transformer';
import { cosine } from '../sentences/similarity.ts';
import { encodeOne } from './encode-one.ts';
import { layerAt, layerNames } from './layer-names.ts';

/** Which states are taken. */
export interface ContextualOptions {
  /**
   * Layers: 0 is the embeddings, 1 the first layer, -1 the last, which it is unless given. Of several, the states are
   * averaged, or put one after the other.
   */
  readonly layer?: number | readonly number[];
  /** What is made of several layers: their `mean`, unless given, or `concat`. */
  readonly combine?: 'mean' | 'concat';
  readonly signal?: AbortSignal;
}

/** A part of a text, `[start, end)` in UTF-16 units. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** A part of a text and its vector. */
export interface PlacedVector extends TextRange {
  readonly text: string;
  readonly vector: Float32Array;
}

/** A text's words and tokens with their vectors. */
export interface ContextualText {
  readonly text: string;
  /** The words, in order; punctuation is none. */
  readonly words: readonly PlacedVector[];
  /** The tokens with those around the text, which stand for no part of it. */
  readonly tokens: readonly (PlacedVector & { readonly token: string })[];
  /**
   * The vector of a word, of its `occurrence` from 0, or of a range of characters: the mean of the tokens that reach into it.
   *
   * @throws where the text hasn't such a word, or no token reaches into the range.
   */
  vectorOf(what: string | TextRange, occurrence?: number): Float32Array;
  /** All places where a word stands as a word of its own. */
  occurrences(word: string): readonly PlacedVector[];
}

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** The words of a text and where they are. */
export const wordsOf = (text: string): (TextRange & { readonly text: string })[] =>
  Array.from(segmenter.segment(text))
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment, index }) => ({ text: segment, start: index, end: index + segment.length }));

/**
 * The vectors of a text's words in an encoder, a decoder (where a word knows what stands before it alone), or the encoder of
 * an encoder-decoder.
 *
 * @throws where there is no such layer, the text has no tokens or more than the model sees, or the tokenizer can't place
 *   them.
 */
export async function contextualVectors(
  model: Model,
  tokenizer: Tokenizer,
  text: string,
  { layer = -1, combine = 'mean', signal }: ContextualOptions = {},
): Promise<ContextualText> {
  if (combine !== 'mean' && combine !== 'concat')
    throw new Error(`contextualVectors: combine is ${JSON.stringify(combine)}; needs 'mean' or 'concat'`);
  const layers = [layer].flat();
  if (!layers.length) throw new Error('contextualVectors: no layer; -1 is the last');
  const { states } = layerNames(model);
  const names = layers.map((one) => layerAt('contextualVectors', states, one));
  const { encoding, inputs } = encodeOne('contextualVectors', model, tokenizer, text);
  const found = await model.run(inputs, names, signal && { signal });
  const vectors = tokenVectors(
    names.map((name) => found[name]!),
    combine,
  );
  const tokens = encoding.tokens.map((token, t) => {
    const [start, end] = encoding.offsets[t]!;
    return { token, text: text.slice(start, end), start, end, vector: vectors[t]! };
  });
  const meanOf = ({ start, end }: TextRange): Float32Array | null => {
    const own = tokens.filter((token) => token.start < token.end && token.start < end && token.end > start);
    if (!own.length) return null;
    const mean = new Float32Array(vectors[0]!.length);
    for (const { vector } of own) for (let i = 0; i < mean.length; i++) mean[i]! += vector[i]! / own.length;
    return mean;
  };
  const words = wordsOf(text).flatMap((word) => {
    const vector = meanOf(word);
    return vector ? [{ ...word, vector }] : [];
  });
  const occurrences = (word: string): readonly PlacedVector[] => {
    const exact = words.filter((one) => one.text === word);
    if (exact.length) return exact;
    // What isn't one word by itself: 'New York', '##ing', a part of a word.
    return placesOf(text, word).flatMap((range) => {
      const vector = meanOf(range);
      return vector ? [{ ...range, text: word, vector }] : [];
    });
  };
  return {
    text,
    words,
    tokens,
    occurrences,
    vectorOf(what, occurrence = 0) {
      if (typeof what === 'string') {
        const all = occurrences(what);
        if (!all[occurrence])
          throw new Error(
            `vectorOf: ${JSON.stringify(what)} stands ${all.length ? `only ${all.length} times` : 'nowhere'} in ${JSON.stringify(text.slice(0, 80))}; occurrences count from 0`,
          );
        return all[occurrence].vector;
      }
      const { start, end } = what;
      if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= text.length))
        throw new Error(`vectorOf: characters ${start} to ${end} of ${text.length}; needs a range within the text`);
      const vector = meanOf(what);
      if (!vector)
        throw new Error(
          `vectorOf: no token stands for ${JSON.stringify(text.slice(start, end))} (characters ${start} to ${end})`,
        );
      return vector;
    },
  };
}

function placesOf(text: string, part: string): TextRange[] {
  const found: TextRange[] = [];
  if (!part) return found;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length))
    found.push({ start: at, end: at + part.length });
  return found;
}

// The vectors of the tokens of one text, from (1, T, C) of each layer.
function tokenVectors(layers: readonly HostTensor[], combine: 'mean' | 'concat'): Float32Array[] {
  const [, T, C] = layers[0]!.shape as [number, number, number];
  const n = layers.length;
  return Array.from({ length: T }, (_, t) => {
    const rows = layers.map(({ data }) => (data as Float32Array).subarray(t * C, (t + 1) * C));
    if (combine === 'concat') {
      const all = new Float32Array(n * C);
      rows.forEach((row, i) => all.set(row, i * C));
      return all;
    }
    const mean = new Float32Array(C);
    for (const row of rows) for (let c = 0; c < C; c++) mean[c]! += row[c]! / n;
    return mean;
  });
}

/** A place where a word stands, in one of several texts. */
export interface WordInContext extends PlacedVector {
  /** Which of the texts. */
  readonly context: number;
}

/**
 * A word wherever it stands in some texts, and the cosines of its vectors there: how alike its uses are.
 *
 * @throws as {@link contextualVectors}, and where it stands nowhere.
 */
export async function compareContexts(
  model: Model,
  tokenizer: Tokenizer,
  word: string,
  texts: readonly string[],
  options: ContextualOptions = {},
): Promise<{ readonly places: readonly WordInContext[]; readonly similarities: readonly (readonly number[])[] }> {
  const places: WordInContext[] = [];
  for (const [context, text] of texts.entries()) {
    const found = await contextualVectors(model, tokenizer, text, options);
    places.push(...found.occurrences(word).map((one) => ({ ...one, context })));
  }
  if (!places.length)
    throw new Error(`compareContexts: ${JSON.stringify(word)} stands in none of ${texts.length} texts`);
  return { places, similarities: places.map((a) => places.map((b) => cosine(a.vector, b.vector))) };
}
