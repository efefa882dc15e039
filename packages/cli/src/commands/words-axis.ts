// lm words axis: where words lie between the ends of pairs such as good and bad.
import type { Command } from '../lib/command.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordPairs, wordsFlags, type WordsArgs } from '../lib/open-words.ts';

interface Args extends WordsArgs {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly pair: readonly string[];
  readonly method: 'mean' | 'pca';
  readonly count: number;
  readonly among?: number;
  readonly json: boolean;
}

/** `lm words axis`. */
export const wordsAxis: Command<Args> = {
  positionals: {
    words: { type: 'string', array: true, default: [], describe: 'words to place; those at both ends unless given' },
  },
  flags: {
    ...wordsFlags,
    ...flags('Axis', {
      pair: {
        type: 'texts',
        alias: 'p',
        describe: 'two words that differ in what is meant, as man:woman; several make it clearer',
      },
      method: {
        type: 'choice',
        choices: ['mean', 'pca'],
        default: 'mean',
        describe: 'the mean of the differences, or their main direction',
      },
    }),
    ...flags('Results', {
      count: { type: 'number', alias: 'k', min: 1, whole: true, default: 10, describe: 'words at each end' },
      among: { type: 'number', min: 1, whole: true, describe: 'only the first so many words, the most frequent ones' },
      json: { type: 'switch', default: false, describe: 'one line of JSON' },
    }),
  },
  examples: [
    ['words axis nurse soldier queen captain -p man:woman -p he:she -p king:queen', 'words between man and woman'],
    ['words axis -p bad:good -p evil:virtuous', 'the words farthest towards both ends'],
  ],
  async run(a, io) {
    const { usage } = await import('../lib/errors.ts');
    if (!a.pair?.length) throw usage('--pair is missing', '--pair man:woman, once or more');
    const pairs = wordPairs(a.pair);
    const vectors = await openWords(a, io, io.interruptible());
    const { axisEnds, projectWords, semanticAxis } = await import('@brickwork/embedding');
    const axis = semanticAxis(vectors, pairs, { method: a.method });
    const words = [...a.words, ...a.rest];
    const o = { k: a.count, ...(a.among !== undefined && { among: a.among }) };
    const placed = words.length ? projectWords(vectors, axis, words) : null;
    const ends = placed ? null : axisEnds(vectors, axis, o);
    const all = placed ?? [...ends!.from, ...ends!.to.toReversed()];
    if (a.json) return io.writeJson({ pairs, words: all });
    for (const { word, score } of all) await io.write(`${score < 0 ? '' : ' '}${score.toFixed(4)}\t${word}\n`);
  },
};
