// lm words neighbours: the words nearest to a word.
import type { Command } from '../lib/command.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordsFlags, type WordsArgs } from '../lib/open-words.ts';

interface Args extends WordsArgs {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly count: number;
  readonly among?: number;
  readonly json: boolean;
}

/** `lm words neighbours`. */
export const wordsNeighbours: Command<Args> = {
  positionals: {
    words: { type: 'string', array: true, demandOption: true, describe: 'words; with - before one, less of it' },
  },
  flags: {
    ...wordsFlags,
    ...flags('Results', {
      count: { type: 'number', alias: 'k', min: 1, whole: true, default: 10, describe: 'how many' },
      among: { type: 'number', min: 1, whole: true, describe: 'only the first so many words, the most frequent ones' },
      json: { type: 'switch', default: false, describe: 'one line of JSON' },
    }),
  },
  examples: [
    ['words neighbours sea', 'the ten nearest words'],
    ['words neighbours king woman -w vectors.bin -k 5', 'near to both'],
  ],
  async run(a, io) {
    const vectors = await openWords(a, io, io.interruptible());
    const o = { k: a.count, ...(a.among !== undefined && { among: a.among }) };
    const words = [...a.words, ...a.rest];
    const found = words.length === 1 ? vectors.neighbours(words[0]!, o) : vectors.combine({ positive: words }, o);
    if (a.json) return io.writeJson({ words, neighbours: found });
    for (const { word, score } of found) await io.write(`${score.toFixed(4)}\t${word}\n`);
  },
};
