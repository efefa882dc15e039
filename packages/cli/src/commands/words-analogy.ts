// lm words analogy: man is to woman as king is to what?
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordsFlags, type WordsArgs } from '../lib/open-words.ts';

interface Args extends WordsArgs {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly method: '3CosAdd' | '3CosMul';
  readonly count: number;
  readonly among?: number;
  readonly json: boolean;
}

/** `lm words analogy`. */
export const wordsAnalogy: Command<Args> = {
  positionals: {
    words: { type: 'string', array: true, demandOption: true, describe: 'a, b and c: a is to b as c is to what?' },
  },
  flags: {
    ...wordsFlags,
    ...flags('Results', {
      method: { type: 'choice', choices: ['3CosAdd', '3CosMul'], default: '3CosAdd', describe: 'how it is found' },
      count: { type: 'number', alias: 'k', min: 1, whole: true, default: 5, describe: 'how many' },
      among: { type: 'number', min: 1, whole: true, describe: 'only the first so many words, the most frequent ones' },
      json: { type: 'switch', default: false, describe: 'one line of JSON' },
    }),
  },
  examples: [['words analogy man woman king', 'queen, if all goes well']],
  async run(a, io) {
    const [x, y, z, ...more] = [...a.words, ...a.rest];
    if (z === undefined || more.length) throw usage('an analogy has three words', 'lm words analogy man woman king');
    const vectors = await openWords(a, io, io.interruptible());
    const found = vectors.analogy(x!, y!, z, {
      method: a.method,
      k: a.count,
      ...(a.among !== undefined && { among: a.among }),
    });
    if (a.json) return io.writeJson({ question: [x, y, z], method: a.method, answers: found });
    for (const { word, score } of found) await io.write(`${score.toFixed(4)}\t${word}\n`);
  },
};
