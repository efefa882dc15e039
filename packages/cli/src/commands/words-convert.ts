// lm words convert: word vectors from one format into another, or only the first words of many.
import type { WordFileFormat } from '@brickwork/embedding';
import type { Command } from '../lib/command.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordsFlags, type WordsArgs } from '../lib/open-words.ts';
import { count } from '../lib/progress.ts';

interface Args extends WordsArgs {
  readonly output: string;
  readonly format?: WordFileFormat;
}

/** `lm words convert`. */
export const wordsConvert: Command<Args> = {
  flags: {
    ...wordsFlags,
    ...flags('Output', {
      output: { type: 'text', alias: 'o', required: true, describe: 'a file: .bin is word2vec binary, all else text' },
      format: {
        type: 'choice',
        choices: ['text', 'glove', 'binary'],
        describe: 'text has a first line with the counts, glove none',
      },
    }),
  },
  examples: [
    ['words convert -w glove.6B.100d.txt -o glove.bin', 'reads several times as fast'],
    ['words convert -w models/encoder -o words.vec', 'a model’s table of words, for other tools'],
  ],
  async run(a, io) {
    const signal = io.interruptible();
    const vectors = await openWords(a, io, signal);
    const { writeWordVectors } = await import('@brickwork/embedding');
    await writeWordVectors(a.output, vectors, { signal, ...(a.format !== undefined && { format: a.format }) });
    io.note(`${count(vectors.words.length)} words of ${vectors.dimension} values in ${a.output}`);
  },
};
