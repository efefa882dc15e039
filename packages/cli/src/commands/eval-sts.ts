// lm eval sts: how well a sentence encoder's similarities go together with people's scores.
import type { SimilarityName, StsReport } from '@brickwork/embedding';
import { benchmarkFiles, benchmarkFlags, type BenchmarkArgs } from '../lib/benchmark-data.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { writePredictions } from '../lib/eval-report.ts';
import { flags } from '../lib/flags.ts';
import {
  encodeFlags,
  encodeOptions,
  openEncoder,
  standardEncoder,
  type EncodeArgs,
  encoderTypeFlag,
  type EncoderTypeArgs,
} from '../lib/open-encoder.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { stsPairs } from '../lib/sts-pairs.ts';
import { table } from '../lib/table.ts';

interface Args extends EncoderTypeArgs, BenchmarkArgs, EngineArgs, ModelArgs, EncodeArgs {
  readonly batchSize: number;
  readonly similarity: SimilarityName;
}

/** `lm eval sts`. */
export const evalSts: Command<Args> = {
  flags: {
    ...modelFlags(standardEncoder),
    ...encodeFlags,
    ...benchmarkFlags('pairs at most'),
    ...flags('Scores', {
      similarity: {
        type: 'choice',
        choices: ['cosine', 'dot', 'euclidean', 'manhattan'],
        default: 'cosine',
        describe: 'how vectors are compared; distances count as negative',
      },
    }),
    ...engineFlags,
    ...encoderTypeFlag,
  },
  examples: [
    ['eval sts -d sts-dev.csv', 'Pearson’s and Spearman’s correlation with people’s scores'],
    ['eval sts -m sentence-transformers/all-MiniLM-L6-v2 -d SICK_trial.txt --json', 'as one line of JSON'],
  ],
  async run(a, io) {
    const files = await benchmarkFiles(a.data);
    const signal = io.interruptible();
    const pairs = await stsPairs(files, io, { limit: a.limit, skipMalformed: a.skipMalformed, signal });
    const encoder = await openEncoder(a, io, signal);
    const line = new ProgressLine(io);
    let report: StsReport;
    try {
      const { evaluateSts } = await import('@brickwork/embedding');
      report = await evaluateSts(encoder, pairs, {
        ...encodeOptions(a, encoder, signal),
        similarity: a.similarity,
        onProgress: ({ done, total }) => line.show(() => `${count(done)} of ${count(total)} sentences`),
      });
    } finally {
      line.clear();
      await encoder.dispose();
    }
    if (a.predictions !== undefined)
      await writePredictions(
        a.predictions,
        pairs.map(({ a: sentence1, b: sentence2, score }, i) => ({
          sentence1,
          sentence2,
          score,
          similarity: report.similarities[i],
        })),
      );
    const { pearson, spearman } = report;
    if (a.json) await io.writeJson({ task: 'sts', pairs: report.pairs, similarity: a.similarity, pearson, spearman });
    else {
      await io.write(
        table(
          [
            ['pearson', pearson.toFixed(4)],
            ['spearman', spearman.toFixed(4)],
          ],
          [1],
        ),
      );
      io.note(`${a.similarity} of the vectors of ${count(report.pairs)} pairs, beside people's scores`);
    }
  },
};
