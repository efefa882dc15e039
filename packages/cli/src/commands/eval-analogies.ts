// lm eval analogies: how many analogies word vectors answer.
import type { AnalogyReport, AnalogyScore } from '@brickwork/embedding';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openWords, wordsFlags, type WordsArgs } from '../lib/open-words.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { table } from '../lib/table.ts';

interface Args extends WordsArgs {
  readonly data?: string;
  readonly method: '3CosAdd' | '3CosMul';
  readonly restrictVocabulary: number;
  readonly ignoreCase: boolean;
  readonly json: boolean;
}

/** `lm eval analogies`. */
export const evalAnalogies: Command<Args> = {
  flags: {
    ...wordsFlags,
    ...flags('Questions', {
      data: { type: 'text', alias: 'd', describe: 'a file as Google’s questions-words.txt' },
      method: {
        type: 'choice',
        choices: ['3CosAdd', '3CosMul'],
        default: '3CosAdd',
        describe: 'how answers are found',
      },
      'restrict-vocabulary': {
        type: 'number',
        min: 4,
        whole: true,
        default: 300_000,
        describe: 'asks about, and answers with, the first so many words',
      },
      'ignore-case': { type: 'switch', default: true, describe: 'words in any case' },
    }),
    ...flags('Results', { json: { type: 'switch', default: false, describe: 'one line of JSON' } }),
  },
  examples: [['eval analogies -w vectors.bin -d questions-words.txt', 'a line for each section']],
  async run(a, io) {
    if (a.data === undefined) throw usage('--data is missing', '--data questions-words.txt');
    const signal = io.interruptible();
    const { evaluateAnalogies, readAnalogies } = await import('@brickwork/embedding');
    const sections = await readAnalogies(a.data);
    const vectors = await openWords(a, io, signal);
    const line = new ProgressLine(io);
    let report: AnalogyReport;
    try {
      report = await evaluateAnalogies(vectors, sections, {
        method: a.method,
        restrictVocabulary: a.restrictVocabulary,
        ignoreCase: a.ignoreCase,
        signal,
        onProgress: ({ done, total }) => line.show(() => `${count(done)} of ${count(total)} questions`),
      });
    } finally {
      line.clear();
    }
    const plain = ({ accuracy, ...rest }: AnalogyScore): object => ({
      ...rest,
      accuracy: rest.asked ? accuracy : null,
    });
    if (a.json) {
      const { sections: own, semantic, syntactic, total } = report;
      return io.writeJson({
        task: 'analogies',
        method: a.method,
        sections: own.map(plain),
        semantic: plain(semantic),
        syntactic: plain(syntactic),
        total: plain(total),
      });
    }
    const row = ({ name, correct, asked, unknown, accuracy }: AnalogyScore): string[] => [
      name,
      asked ? `${(100 * accuracy).toFixed(1)}%` : '-',
      `${correct}/${asked}`,
      String(unknown),
    ];
    await io.write(
      table(
        [
          ['section', 'accuracy', 'right', 'unknown'],
          ...report.sections.map(row),
          ...[report.semantic, report.syntactic, report.total].map(row),
        ],
        [1, 2, 3],
      ),
    );
  },
};
