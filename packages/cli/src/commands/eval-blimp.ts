// lm eval blimp: how often a model finds the grammatical one of two sentences likelier.
import type { MinimalPair, MinimalPairReport, Normalization, PairMethod } from '@brickwork/transformer';
import { bareName, benchmarkFiles, benchmarkFlags, readItems, type BenchmarkArgs } from '../lib/benchmark-data.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { writePredictions } from '../lib/eval-report.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { openScorer } from '../lib/open-scorer.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { table } from '../lib/table.ts';

interface Args extends BenchmarkArgs, EngineArgs, ModelArgs {
  readonly method: 'sentence' | 'one-prefix' | 'two-prefix';
  readonly normalize: Normalization;
  readonly pll: 'original' | 'word_l2r';
}

/** `lm eval blimp`. */
export const evalBlimp: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...benchmarkFlags('pairs of each file at most'),
    ...flags('Scores', {
      method: {
        type: 'choice',
        choices: ['sentence', 'one-prefix', 'two-prefix'],
        default: 'sentence',
        describe: 'what is scored: whole sentences, or a word after what stands before it',
      },
      normalize: {
        type: 'choice',
        choices: ['sum', 'token', 'character', 'byte'],
        default: 'sum',
        describe: 'what log-probabilities are divided by',
      },
      pll: {
        type: 'choice',
        choices: ['original', 'word_l2r'],
        default: 'original',
        describe: 'masked models: what is hidden with each token',
      },
    }),
    ...engineFlags,
  },
  examples: [
    ['eval blimp -m gpt2 -d blimp/data', 'accuracy by paradigm, term and field, and of all'],
    ['eval blimp -m models/encoder -d blimp/data --limit 50 --json', 'fifty pairs of each file'],
    ['eval blimp -m models/shakespeare -d pairs.tsv', 'pairs of your own: right sentence, tab, wrong sentence'],
  ],
  async run(a, io) {
    const files = await benchmarkFiles(a.data);
    const signal = io.interruptible();
    const { minimalPair, minimalPairs } = await import('@brickwork/transformer');
    const pairs = await readItems(files, io, {
      read: (row, file): MinimalPair => minimalPair(row, bareName(file)),
      header: (line) => pairHeader(line),
      limitPerFile: a.limit,
      skipMalformed: a.skipMalformed,
      signal,
    });
    const scorer = await openScorer(a, io, signal);
    const line = new ProgressLine(io);
    let report: MinimalPairReport;
    try {
      report = await minimalPairs(scorer, pairs, {
        method: a.method.replace('-', '_') as PairMethod,
        normalization: a.normalize,
        batchSize: a.batchSize,
        ...(scorer.kind === 'masked' && { pll: a.pll }),
        signal,
        onProgress: ({ done, total }) => line.show(() => `${count(done)} of ${count(total)} pairs`),
      });
    } finally {
      line.clear();
      await scorer.dispose();
    }
    if (a.predictions !== undefined)
      await writePredictions(
        a.predictions,
        report.results.map(({ pair, good, bad, right }) => ({
          UID: pair.paradigm,
          sentence_good: pair.good,
          sentence_bad: pair.bad,
          good,
          bad,
          right,
        })),
      );
    if (a.json) await io.writeJson(plain(report, a, scorer.kind));
    else await io.write(tables(report));
  },
};

// A line of names, or the first pair.
function pairHeader(line: string): readonly string[] | undefined {
  const cells = line.split(/[\t,]/);
  if (cells.includes('sentence_good')) return undefined;
  const names = ['sentence_good', 'sentence_bad', 'UID', 'field', 'linguistics_term'];
  return names.slice(0, Math.max(2, line.split('\t').length));
}

const plain = (report: MinimalPairReport, a: Args, kind: string): object => ({
  task: 'blimp',
  kind,
  method: a.method,
  normalization: a.normalize,
  ...(kind === 'masked' && { pll: a.pll }),
  overall: report.overall,
  pairs: report.pairs.count,
  accuracy_of_pairs: report.pairs.value,
  paradigms: Object.fromEntries(
    [...report.paradigms].map(([name, { value, standardError, count: n, ties, field, term }]) => [
      name,
      { accuracy: value, stderr: standardError, pairs: n, ties, field, linguistics_term: term },
    ]),
  ),
  fields: Object.fromEntries(report.fields),
  linguistics_terms: Object.fromEntries(report.terms),
});

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

function tables(report: MinimalPairReport): string {
  const rows = [...report.paradigms].map(([name, s]) => [
    name,
    s.term ?? '',
    percent(s.value),
    `±${percent(s.standardError)}`,
    count(s.count),
    s.ties ? count(s.ties) : '',
  ]);
  const parts = [table([['paradigm', 'term', 'accuracy', 'stderr', 'pairs', 'ties'], ...rows], [2, 3, 4, 5])];
  const means = [...report.terms, ...report.fields];
  if (means.length)
    parts.push(
      table([['term or field', 'mean of paradigms'], ...means.map(([name, value]) => [name, percent(value)])], [1]),
    );
  const all = report.pairs;
  parts.push(
    `${percent(report.overall)} is the mean of ${count(report.paradigms.size)} paradigms; ${percent(all.value)} of ${count(all.count)} pairs\n`,
  );
  return parts.join('\n');
}
