// lm eval choice: how often a model finds the right one of several answers likeliest.
import type { MultipleChoiceReport, Proportion } from '@brickwork/transformer';
import { benchmarkFiles, benchmarkFlags, readItems, type BenchmarkArgs } from '../lib/benchmark-data.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { writePredictions } from '../lib/eval-report.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { openScorer } from '../lib/open-scorer.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { table } from '../lib/table.ts';

interface Args extends BenchmarkArgs, EngineArgs, ModelArgs {
  readonly delimiter: string;
  readonly mutualInformation: boolean;
  readonly domainContext?: string;
}

/** `lm eval choice`. */
export const evalChoice: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...benchmarkFlags('questions at most'),
    ...flags('Scores', {
      delimiter: { type: 'text', default: ' ', describe: 'between question and answer; "\\n" for a new line' },
      'mutual-information': {
        type: 'switch',
        default: false,
        describe: 'also by how much the question makes an answer likelier (acc_mutual_info)',
      },
      'domain-context': {
        type: 'text',
        describe: 'with --mutual-information: what stands before an answer by itself: "Answer:"',
      },
    }),
    ...engineFlags,
  },
  examples: [
    ['eval choice -m gpt2 -d questions.jsonl', 'acc, acc_norm and acc_bytes as lm-evaluation-harness has them'],
    ['eval choice -m gpt2 -d q.jsonl --mutual-information --json', 'acc_mutual_info, too'],
  ],
  async run(a, io) {
    const files = await benchmarkFiles(a.data);
    const signal = io.interruptible();
    const { choiceQuestion, multipleChoice } = await import('@brickwork/transformer');
    const questions = await readItems(files, io, {
      read: choiceQuestion,
      limit: a.limit,
      skipMalformed: a.skipMalformed,
      signal,
    });
    const scorer = await openScorer(a, io, signal);
    const line = new ProgressLine(io);
    let report: MultipleChoiceReport;
    try {
      report = await multipleChoice(scorer, questions, {
        delimiter: a.delimiter.replaceAll('\\n', '\n').replaceAll('\\t', '\t'),
        mutualInformation: a.mutualInformation,
        ...(a.domainContext !== undefined && { domainContext: a.domainContext }),
        batchSize: a.batchSize,
        signal,
        onProgress: ({ done, total }) => line.show(() => `${count(done)} of ${count(total)} questions`),
      });
    } finally {
      line.clear();
      await scorer.dispose();
    }
    const { results, ...scores } = report;
    if (a.predictions !== undefined)
      await writePredictions(
        a.predictions,
        results.map(({ question, logLikelihoods, chosen }) => ({
          context: question.context,
          choices: question.choices,
          answer: question.answer,
          log_likelihoods: logLikelihoods,
          ...chosen,
        })),
      );
    const all = Object.entries(scores) as [string, Proportion][];
    if (a.json)
      await io.writeJson({
        task: 'choice',
        examples: results.length,
        ...Object.fromEntries(
          all.flatMap(([name, { value, standardError }]) => [
            [name, value],
            [`${name}_stderr`, standardError],
          ]),
        ),
      });
    else {
      const rows = all.map(([name, p]) => [name, p.value.toFixed(4), `±${p.standardError.toFixed(4)}`]);
      await io.write(table(rows, [1, 2]));
      io.note(`${count(results.length)} questions`);
    }
  },
};
