// lm eval wordsim: how well cosines of words go together with people's scores.
import { basename } from 'node:path';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordsFlags, type WordsArgs } from '../lib/open-words.ts';
import { table } from '../lib/table.ts';

interface Args extends WordsArgs {
  readonly data?: readonly string[];
  readonly json: boolean;
}

/** `lm eval wordsim`. */
export const evalWordsim: Command<Args> = {
  flags: {
    ...wordsFlags,
    ...flags('Pairs', { data: { type: 'texts', alias: 'd', describe: 'files of word, word and score' } }),
    ...flags('Results', { json: { type: 'switch', default: false, describe: 'a line of JSON for each file' } }),
  },
  examples: [['eval wordsim -w vectors.bin -d wordsim353.tsv -d simlex999.tsv', 'Spearman’s correlations']],
  async run(a, io) {
    if (!a.data?.length) throw usage('--data is missing', '--data FILE of word, word and score');
    const { evaluateWordPairs, readWordPairs } = await import('@brickwork/embedding');
    const sets = await Promise.all(a.data.map(async (file) => ({ file, pairs: await readWordPairs(file) })));
    const vectors = await openWords(a, io, io.interruptible());
    const found = sets.map(({ file, pairs }) => ({ file, ...evaluateWordPairs(vectors, pairs) }));
    if (a.json) {
      for (const one of found) await io.writeJson({ task: 'wordsim', ...one });
      return;
    }
    const rows = found.map(({ file, spearman, pearson, pairs, unknown }) => [
      basename(file),
      spearman.toFixed(4),
      pearson.toFixed(4),
      String(pairs),
      String(unknown),
    ]);
    await io.write(table([['file', 'spearman', 'pearson', 'pairs', 'unknown'], ...rows], [1, 2, 3, 4]));
  },
};
