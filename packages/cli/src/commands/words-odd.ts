// lm words odd: which of some words is not like the others?
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordsFlags, type WordsArgs } from '../lib/open-words.ts';

interface Args extends WordsArgs {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly json: boolean;
}

/** `lm words odd`. */
export const wordsOdd: Command<Args> = {
  positionals: { words: { type: 'string', array: true, demandOption: true, describe: 'three words or more' } },
  flags: {
    ...wordsFlags,
    ...flags('Results', { json: { type: 'switch', default: false, describe: 'one line of JSON' } }),
  },
  examples: [['words odd breakfast dinner supper table', 'the word that is least like the others']],
  async run(a, io) {
    const words = [...a.words, ...a.rest];
    if (words.length < 3) throw usage('one of two words is no odd one', 'three words or more');
    const found = (await openWords(a, io, io.interruptible())).oddOneOut(words);
    if (a.json) return io.writeJson({ odd: found.at(-1)!.word, words: found });
    await io.write(`${found.at(-1)!.word}\n`);
  },
};
