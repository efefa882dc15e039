// lm eval cloze: what a model puts into blanks, and how often it is right.
import type { ClozeItem, ClozeReport, ClozeResult } from '@brickwork/transformer';
import { benchmarkFiles, benchmarkFlags, readItems, type BenchmarkArgs } from '../lib/benchmark-data.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import { writePredictions } from '../lib/eval-report.ts';
import { flags } from '../lib/flags.ts';
import type { Io } from '../lib/io.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { table } from '../lib/table.ts';

interface Args extends BenchmarkArgs, EngineArgs, ModelArgs {
  readonly text: readonly string[];
  readonly answer?: string;
  readonly format?: 'jsonl' | 'csv' | 'tsv' | 'parquet' | 'text';
  readonly candidates?: string;
  readonly topK: number;
}

/** `lm eval cloze`. */
export const evalCloze: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts with a blank (___), each in quotes; or -d' },
  },
  flags: {
    ...modelFlags(),
    ...benchmarkFlags('texts at most'),
    ...flags('Texts', {
      format: {
        type: 'choice',
        choices: ['jsonl', 'csv', 'tsv', 'parquet', 'text'],
        describe:
          'what the files hold, where their names don’t say; of each line of a text, the last word is asked for',
      },
      answer: { type: 'text', describe: 'what belongs into the blank of a text in quotes' },
      candidates: {
        type: 'text',
        describe: 'words to choose from, with commas between them: compares the whole texts',
      },
      'top-k': {
        type: 'number',
        alias: 'k',
        min: 0,
        whole: true,
        default: 5,
        describe: 'words to find for each blank; 0: answers are scored alone, which is much faster',
      },
    }),
    ...engineFlags,
  },
  examples: [
    ['eval cloze -m gpt2 "The Vatican lies in the city of …" --answer Rome', 'words with their probabilities'],
    ['eval cloze -m gpt2 -d lambada.jsonl -k 0', 'how often the last word is found, and its perplexity'],
    ['eval cloze -m models/encoder "I can buy a ___ of fish." --candidates can,will', 'the word that fits best'],
  ],
  async run(a, io) {
    const texts = [...a.text, ...a.rest];
    if (texts.length && a.data) throw usage('texts were given in more than one way', 'arguments, or -d');
    if (a.answer !== undefined && texts.length !== 1) throw usage('--answer is for one text in quotes');
    const signal = io.interruptible();
    const { AutoModel, clozeItem, isSeq2Seq } = await import('@brickwork/transformer');
    const read = (row: Readonly<Record<string, unknown>>): ClozeItem => clozeItem(row);
    let items: ClozeItem[] = [];
    if (!a.data) {
      if (!texts.length) throw usage('there is no text', 'a text in quotes, with ___ for the missing word; or -d FILE');
      items = texts.map((text) => fromWords(() => read({ text, ...(a.answer !== undefined && { answer: a.answer }) })));
    } else {
      const files = await benchmarkFiles(a.data);
      const format = a.format === undefined ? {} : { format: a.format };
      items = await readItems(files, io, { read, ...format, limit: a.limit, skipMalformed: a.skipMalformed, signal });
    }
    const folder = await modelPath(a, io, signal);
    const model = await AutoModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
    try {
      const tokenizer = await model.tokenizer();
      const isGuessed = a.candidates !== undefined || isSeq2Seq(model.network);
      if (isGuessed) return await choose(a, { model, tokenizer, items, signal }, io);
      const { results, report } = await fill(a, { model, tokenizer, items, signal }, io);
      if (a.predictions !== undefined) await writePredictions(a.predictions, results.map(plain));
      if (a.json)
        await io.writeJson({
          ...{ task: 'cloze', examples: results.length, ...(report && scores(report)) },
          ...(a.data ? {} : { results: results.map(plain) }),
        });
      else if (a.data && report) await io.write(scoreRows(report));
      else for (const [i, one] of results.entries()) await io.write(`${i ? '\n' : ''}${shown(one)}`);
      if (a.data && !a.json) io.note(`${count(results.length)} texts`);
    } finally {
      await model.dispose();
    }
  },
};

// What is wrong with a text of the command line was asked wrongly.
function fromWords<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new CliError((cause as Error).message, { exitCode: 2, cause });
  }
}

interface Work {
  readonly model: Parameters<(typeof import('@brickwork/transformer'))['cloze']>[0];
  readonly tokenizer: Parameters<(typeof import('@brickwork/transformer'))['cloze']>[1];
  readonly items: readonly ClozeItem[];
  readonly signal: AbortSignal;
}

async function fill(
  a: Args,
  { model, tokenizer, items, signal }: Work,
  io: Io,
): Promise<{ results: ClozeResult[]; report: ClozeReport | null }> {
  const { cloze, clozeReport } = await import('@brickwork/transformer');
  const line = new ProgressLine(io);
  const results: ClozeResult[] = [];
  try {
    const options = {
      topK: a.topK,
      batchSize: a.batchSize,
      signal,
      onProgress: ({ done, total }: { done: number; total: number }): void =>
        line.show(() => `${count(done)} of ${count(total)} texts`),
    };
    for await (const one of cloze(model, tokenizer, items, options)) results.push(one);
  } finally {
    line.clear();
  }
  return { results, report: results.some(({ answer }) => answer) ? clozeReport(results) : null };
}

// Compares words in the whole text: those given, or those that an encoder-decoder writes.
async function choose(a: Args, { model, tokenizer, items, signal }: Work, io: Io): Promise<void> {
  const { guessWord } = await import('@brickwork/transformer');
  const given = a.candidates?.split(',').map((word) => word.trim());
  const candidates = given?.filter(Boolean);
  if (candidates?.length === 0) throw usage(`--candidates is '${a.candidates}'; needs words with commas between them`);
  const line = new ProgressLine(io);
  let [known, right] = [0, 0];
  for (const [i, { before, after, answer }] of items.entries()) {
    const text = `${before}___${after}`;
    const options = candidates ? { candidates, topK: candidates.length } : { topK: Math.max(1, a.topK) };
    const guesses = await guessWord(model, tokenizer, text, { ...options, signal });
    line.show(() => `${count(i + 1)} of ${count(items.length)} texts`);
    if (answer !== null) known++;
    if (answer !== null && guesses[0]?.word === answer) right++;
    const words = guesses.map(({ word, probability, logProb }) => ({ word, probability, log_prob: logProb }));
    line.clear();
    if (a.json) await io.writeJson({ text, ...(answer !== null && { answer }), words });
    else await io.write(`${i ? '\n' : ''}${table(guesses.map((g) => [g.probability.toFixed(4), g.word, g.text]))}`);
  }
  if (known) io.note(`the first word is right in ${count(right)} of ${count(known)} texts`);
}

const scores = (report: ClozeReport): Record<string, number> => ({
  accuracy: report.accuracy.value,
  accuracy_stderr: report.accuracy.standardError,
  perplexity: report.perplexity,
  mean_reciprocal_rank: report.reciprocalRank,
  ...(report.first && { first_word: report.first.value }),
  ...(report.found && { among_words: report.found.value }),
});

const scoreRows = (report: ClozeReport): string =>
  table(
    Object.entries(scores(report)).map(([name, n]) => [name.replaceAll('_', ' '), n.toFixed(4)]),
    [1],
  );

const plain = ({ item, words, answer }: ClozeResult): object => ({
  text: `${item.before}___${item.after}`,
  words,
  ...(answer && {
    answer: item.answer,
    log_prob: answer.logProb,
    probability: Math.exp(answer.logProb),
    is_greedy: answer.isGreedy,
    rank: answer.rank,
    first_token_rank: answer.firstTokenRank,
  }),
});

function shown({ item, words, answer }: ClozeResult): string {
  const rows = words.map(({ word, probability }) => [probability.toFixed(4), word]);
  const own = answer
    ? `${item.answer}: probability ${Math.exp(answer.logProb).toPrecision(3)}, ${answer.rank === null ? `not among the ${words.length} likeliest words` : `number ${answer.rank} of the words`}; its first token is number ${answer.firstTokenRank}\n`
    : '';
  return `${table(rows)}${own}`;
}
