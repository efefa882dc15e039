// Pre-tokenizers on aligned text: @huggingface/tokenizers splits, and each word is found again in the text.
import { SequencePreTokenizer } from '@huggingface/tokenizers';
import { type Aligned, aligned, range, realign, slice } from './aligned.ts';
import { byteToChar } from './bytes.ts';
import type { TokenizerStep } from './tokenizer-json.ts';
import { wordScanner } from './words.ts';

/** Splits a word into words. `section` counts the sections of the text. */
export type AlignedSplit = (word: Aligned, section: number) => Aligned[];

/** The step as a function on aligned text. */
export function alignedSplit(step: TokenizerStep): AlignedSplit {
  if (step.type === 'ByteLevel') return byteLevel(step);
  const config = { type: 'Sequence', pretokenizers: [step] };
  const engine = new SequencePreTokenizer(config as unknown as ConstructorParameters<typeof SequencePreTokenizer>[0]);
  return (word, section) => {
    const split = (text: string): string[] => engine.pre_tokenize(text, { section_index: section });
    const parts = split(word.text);
    if (step.type === 'Metaspace' || step.type === 'Replace')
      return parts.map((part) => realign(word, part, (text) => split(text).join('')));
    let from = 0;
    return parts.map((part) => {
      const found = word.text.indexOf(part, from);
      if (found < 0) return realign(slice(word, from, word.text.length), part, (text) => split(text).join(''));
      from = found + part.length;
      return slice(word, found, from);
    });
  };
}

function byteLevel(step: TokenizerStep): AlignedSplit {
  const wordEnd = wordScanner('javascript');
  return (word) => {
    const addsSpace = step['add_prefix_space'] === true && !word.text.startsWith(' ');
    const at = word.from[0] ?? word.at;
    const whole = addsSpace
      ? { text: ` ${word.text}`, from: [at, ...word.from], to: [at, ...word.to], at: word.at }
      : word;
    if (step['use_regex'] === false) return [toBytes(whole)];
    const words: Aligned[] = [];
    for (let i = 0, end = 0; i < whole.text.length; i = end) {
      end = wordEnd(whole.text, i);
      words.push(toBytes(slice(whole, i, end)));
    }
    return words;
  };
}

/** Every byte of a character stands for the whole character. */
function toBytes(word: Aligned): Aligned {
  let text = '';
  const from: number[] = [];
  const to: number[] = [];
  let i = 0;
  for (const char of word.text) {
    const [start, end] = range(word, i, i + char.length);
    for (const byte of Buffer.from(char)) {
      text += byteToChar[byte];
      from.push(start);
      to.push(end);
    }
    i += char.length;
  }
  return { ...aligned(''), text, from, to, at: word.at };
}
