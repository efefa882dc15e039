// Text to tokens step by step, with the range of the text that each token stands for.
import { SequenceNormalizer } from '@huggingface/tokenizers';
import { type Aligned, aligned, range, realign, slice } from './aligned.ts';
import { charsmapNormalizer } from './charsmap.ts';
import { wordEncoder } from './model-encoders.ts';
import { alignedSplit } from './pre-tokenize.ts';
import type { CheckedJson } from './read-json.ts';
import { type Section, sectionFinder } from './sections.ts';
import type { AddedToken, TokenizerStep } from './tokenizer-json.ts';

/** A token of a text, at UTF-16 units `[start, end)` of it. */
export interface PlacedToken {
  readonly id: number;
  readonly token: string;
  readonly start: number;
  readonly end: number;
  /** Which of the words it is of that the pre-tokenizer makes, counted from 0. */
  readonly word: number;
}

/** Added tokens as they are found in a text, before it is normalized and after. */
export interface AddedTokens {
  readonly inText: (text: string) => Section[];
  readonly inNormalized: (text: string) => Section[];
}

/** The steps as a function on text. */
export function normalizerOf(steps: readonly TokenizerStep[]): (text: string) => string {
  const functions = steps.map((step) => {
    if (hasCharsmap(step)) return charsmapNormalizer(Buffer.from(step['precompiled_charsmap'] as string, 'base64'));
    const config = { type: 'Sequence', normalizers: [step] };
    const engine = new SequenceNormalizer(config as unknown as ConstructorParameters<typeof SequenceNormalizer>[0]);
    return (text: string): string => engine.normalize(text);
  });
  return (text) => functions.reduce((so, apply) => apply(so), text);
}

/** Whether a step has a compiled map of characters, which the library only approximates. */
export const hasCharsmap = ({ type, precompiled_charsmap: map }: TokenizerStep): boolean =>
  type === 'Precompiled' && typeof map === 'string' && map !== '';

/** Where a text is cut for its added tokens. */
export function addedTokens({ added, json, normalizers }: CheckedJson): AddedTokens {
  const normalize = normalizerOf(normalizers);
  const all = new Map<string, AddedToken>();
  const [plain, normalized]: [string[], string[]] = [[], []];
  for (const token of added) {
    all.set(token.content, token);
    if (!token.normalized || !json['normalizer']) plain.push(token.content);
    else {
      normalized.push(normalize(token.content));
      all.set(normalized.at(-1)!, token);
    }
  }
  return { inText: sectionFinder(plain, all), inNormalized: sectionFinder(normalized, all) };
}

/** Makes the encoder, or gives null where a step is of a kind whose tokens can't be placed. */
export function alignedEncoder(
  checked: CheckedJson,
  config: Readonly<Record<string, unknown>>,
  { inText, inNormalized }: AddedTokens,
): ((text: string) => PlacedToken[]) | null {
  const encodeWord = wordEncoder(checked);
  if (!encodeWord) return null;
  const normalizers = checked.normalizers.map((step) => normalizerOf([step]));
  if (config['do_lowercase_and_remove_accent'] === true)
    normalizers.unshift((text) => text.toLowerCase().replace(/\p{M}/gu, ''));
  if (config['remove_space'] === true) normalizers.unshift((text) => text.trim().split(/\s+/).join(' '));
  const splits = checked.preTokenizers.map(alignedSplit);
  const fuses = Array.isArray(checked.model['vocab']) || checked.model['fuse_unk'] === true;
  let words = 0;
  const whole = (token: AddedToken, a: Aligned): PlacedToken => {
    const [start, end] = range(a, 0, a.text.length);
    return { id: token.id, token: a.text, start, end, word: words++ };
  };

  const encodeText = (text: string, part: Aligned, section: number): PlacedToken[] => {
    let parts = [part];
    for (const split of splits) parts = parts.flatMap((one) => split(one, section));
    const placed = parts.flatMap((one) => {
      const word = words++;
      return encodeWord(one, text).map(({ id, token, start, end }) => {
        const [from, to] = range(one, start, end);
        return { id, token, start: from, end: to, word };
      });
    });
    return fuses && checked.unknownId !== undefined ? fuse(placed, checked.unknownId, checked.tokens) : placed;
  };
  return (text) => {
    words = 0;
    return inText(text).flatMap((section, index) => {
      const part = aligned(text.slice(section.start, section.end), section.start);
      if (section.token) return [whole(section.token, part)];
      const normalized = normalizers.reduce((a, apply) => realign(a, apply(a.text), apply), part);
      return inNormalized(normalized.text).flatMap(({ start, end, token }) => {
        const piece = slice(normalized, start, end);
        return token ? [whole(token, piece)] : encodeText(text, piece, index);
      });
    });
  };
}

/** Neighbouring unknown tokens become one. */
function fuse(
  placed: readonly PlacedToken[],
  unknownId: number,
  tokens: readonly (string | undefined)[],
): PlacedToken[] {
  const out: PlacedToken[] = [];
  for (const one of placed) {
    const last = out.at(-1);
    if (last?.id !== unknownId || one.id !== unknownId) out.push(one);
    else {
      const token = last.token === tokens[unknownId] ? last.token : last.token + one.token;
      out[out.length - 1] = { id: unknownId, token, start: last.start, end: one.end, word: last.word };
    }
  }
  return out;
}
