// A vocabulary of characters: every character (Unicode code point) of a text is a token.
import type { Pause } from './pause.ts';
import { bpeModel, specialToken, tokenizerJson, type TokenizerJson } from './tokenizer-json.ts';

/** Options of {@link trainCharacters}. */
export interface TrainCharactersOptions {
  /** Tokens with the first ids. With `<unk>` or `[UNK]` among them, characters outside the vocabulary become it. */
  readonly specialTokens?: readonly string[];
  /** Keeps the most frequent characters only, which needs an unknown token; all of them unless given. */
  readonly vocabularySize?: number;
  /** Reports and stops; `trainTokenizer` gives it. */
  readonly pause?: Pause;
}

/**
 * The tokenizer.json of the characters of a text, in the order of their code points. It is a BPE without merges, which
 * Hugging Face's libraries read; half a surrogate pair counts as U+FFFD, as in UTF-8.
 *
 * @throws where the text is empty, or has more characters than `vocabularySize` allows and there is no unknown token.
 */
export async function trainCharacters(
  chunks: Iterable<string> | AsyncIterable<string>,
  { specialTokens = [], vocabularySize, pause }: TrainCharactersOptions = {},
): Promise<TokenizerJson> {
  const counts = await countCharacters(chunks, pause);
  if (!counts.size) throw new Error('trainTokenizer: the text is empty; there is nothing to learn a vocabulary from');
  const unknown = specialTokens.find((token) => /^[[<](unk|UNK)[\]>]$/.test(token)) ?? null;
  const special = [...new Set(specialTokens)];
  for (const token of special) counts.delete(token);
  let characters = [...counts.keys()];
  const room = (vocabularySize ?? Infinity) - special.length;
  if (characters.length > room) {
    if (unknown === null || room < 1)
      throw new Error(
        `trainTokenizer: the text has ${characters.length} characters, the vocabulary room for ${Math.max(0, room)}; needs a ` +
          `vocabularySize of at least ${characters.length + special.length}, or specialTokens with "<unk>" for the rarest`,
      );
    const byFrequency = (a: string, b: string): number => counts.get(b)! - counts.get(a)! || byCodePoint(a, b);
    characters = characters.sort(byFrequency).slice(0, room);
  }
  const tokens = [...special, ...characters.sort(byCodePoint)];
  pause?.report('count', tokens.length);
  return tokenizerJson({
    added_tokens: special.map(specialToken),
    decoder: { type: 'Fuse' },
    model: bpeModel(Object.fromEntries(tokens.map((token, id) => [token, id])), [], unknown),
  });
}

const byCodePoint = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!;

async function countCharacters(
  chunks: Iterable<string> | AsyncIterable<string>,
  pause: Pause | undefined,
): Promise<Map<string, number>> {
  const units = new Float64Array(0x10000);
  const pairs = new Map<string, number>();
  let rest = '';
  const count = (text: string): void => {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if ((unit & 0xf800) !== 0xd800) units[unit]!++;
      else if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
        const pair = text.slice(i, ++i + 1);
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
      } else units[0xfffd]!++;
    }
  };
  for await (const chunk of chunks) {
    if (typeof chunk !== 'string')
      throw new TypeError(`trainTokenizer: a chunk is ${chunk === null ? 'null' : typeof chunk}; needs strings`);
    if (chunk === '') continue;
    if (pause) pause.characters += chunk.length;
    // Half a surrogate pair at the end waits for its other half.
    const text = rest + chunk;
    const isHalf = (text.charCodeAt(text.length - 1) & 0xfc00) === 0xd800;
    rest = isHalf ? text.slice(-1) : '';
    count(isHalf ? text.slice(0, -1) : text);
    if (pause?.isDue()) await pause.rest('count', 0);
  }
  count(rest);
  units.forEach((n, unit) => n && pairs.set(String.fromCharCode(unit), n));
  return pairs;
}
