// lm compare train: a small language model for each class of texts, and how well they tell the classes of others.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ClassModelProgress, LabelledText, RowFormat } from '@brickwork/training';
import { labelled, sharesOf, textOf } from '../lib/class-files.ts';
import type { Command } from '../lib/command.ts';
import { plainReport, reportText } from '../lib/compare-output.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import type { Io } from '../lib/io.ts';
import { labelledTexts, type LabelledArgs } from '../lib/labelled-texts.ts';
import { count, ProgressLine } from '../lib/progress.ts';

interface Args extends EngineArgs, LabelledArgs {
  readonly class?: readonly string[];
  readonly data?: readonly string[];
  readonly format?: RowFormat;
  readonly out: string;
  readonly test: number;
  readonly validation: number;
  readonly passageWords: number;
  readonly prior?: readonly string[];
  readonly frequency: boolean;
  readonly tokenizer: 'bpe' | 'char';
  readonly vocabSize?: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly context: number;
  readonly dropout: number;
  readonly baseSteps: number;
  readonly maxSteps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly classLearningRate?: number;
  readonly evalSteps: number;
  readonly seed: number;
  readonly resume: boolean;
  readonly json: boolean;
}

const positive = { type: 'number', min: 1, whole: true } as const;
const share = { type: 'number', min: 0, max: 0.9 } as const;

/** `lm compare train`. */
export const compareTrain: Command<Args> = {
  flags: {
    ...flags('Texts', {
      class: { type: 'texts', describe: 'texts of a class, as NAME=FILE (.gz, too); one for each file' },
      data: {
        type: 'texts',
        alias: 'd',
        describe: 'instead: labelled texts, JSONL, CSV or TSV with columns text and label',
      },
      format: {
        type: 'choice',
        choices: ['jsonl', 'csv', 'tsv', 'parquet'],
        describe: 'what they hold, where their names don’t say',
      },
      header: { type: 'text', describe: 'names of a table’s columns, where it has no line of names: label,text' },
      columns: { type: 'text', describe: 'columns that are called otherwise than usual: text=sentence,label=class' },
      'skip-malformed': {
        type: 'switch',
        default: false,
        describe: 'leave out rows that can’t be read, and tell each',
      },
      test: {
        ...share,
        default: 0.1,
        describe: 'share of each class, its end, that nothing is learned from: it is measured',
      },
      validation: { ...share, default: 0.1, describe: 'share of the rest, its end, that ends training and calibrates' },
      'passage-words': { ...positive, default: 100, describe: 'words of the passages that long texts are judged by' },
      prior: { type: 'texts', describe: 'share of a class, as NAME=SHARE, one for each; all the same unless given' },
      frequency: { type: 'switch', default: false, describe: 'classes have the shares that they have among the texts' },
    }),
    ...flags('Models', {
      out: {
        type: 'text',
        alias: 'o',
        required: true,
        describe: 'folder for the classifier; its runs are kept in FOLDER.run',
      },
      tokenizer: { type: 'choice', choices: ['bpe', 'char'], default: 'bpe', describe: 'what tokens are' },
      'vocab-size': { ...positive, describe: 'tokens of a bpe vocabulary; 2048 unless given' },
      layers: { ...positive, default: 3, describe: 'blocks of each model' },
      heads: { ...positive, default: 4, describe: 'attention heads of a block' },
      width: { ...positive, default: 128, describe: 'width of a token’s vector' },
      context: { ...positive, alias: 'c', min: 2, default: 128, describe: 'tokens that a model sees' },
      dropout: { type: 'number', min: 0, max: 0.99, default: 0.1, describe: 'share of values dropped while training' },
    }),
    ...flags('Training', {
      'base-steps': {
        type: 'number',
        min: 0,
        whole: true,
        default: 600,
        describe: 'most updates on all texts, which all models begin with',
      },
      'max-steps': { ...positive, alias: 'steps', default: 300, describe: 'most updates on the texts of each class' },
      'batch-size': { ...positive, alias: 'b', default: 16, describe: 'windows of a batch' },
      'learning-rate': { type: 'number', above: 0, default: 3e-3, describe: 'step size at its highest, on all texts' },
      'class-learning-rate': { type: 'number', above: 0, describe: 'the same on each class’s; 1e-3 unless given' },
      'eval-steps': {
        ...positive,
        default: 50,
        describe: 'updates between evaluations; the third that is no better ends training',
      },
      seed: { type: 'number', whole: true, default: 0, describe: 'decides every random choice' },
      resume: { type: 'switch', default: false, describe: 'go on where an interrupted run was' },
      json: { type: 'switch', default: false, describe: 'results as one line of JSON' },
    }),
    ...engineFlags,
  },
  examples: [
    ['compare train --class austen=emma.txt --class doyle=holmes.txt -o authors', 'two authors, in a few minutes'],
    ['compare train -d sms.tsv --header label,text --frequency -o spam', 'labelled messages'],
    ['compare train --class a=a.txt --class b=b.txt -o authors --resume', 'go on after Ctrl-C'],
  ],
  async run(a, io) {
    if (a.frequency && a.prior) throw usage('--frequency and --prior exclude each other');
    if (a.width % a.heads) throw usage(`--width ${a.width} can’t be divided by --heads ${a.heads}`);
    const out = a.out.replace(/(?<=.)[/\\]+$/, '');
    checkOut(out, a.resume);
    const signal = io.interruptible();
    const texts = await classTexts(a, io, signal);
    const labels = [...texts.keys()];
    if (labels.length < 2)
      throw usage(
        `${labels.length ? `one class alone (${labels[0]})` : 'no classes'}; needs two or more`,
        '--class NAME=FILE, twice',
      );
    const priors = a.frequency ? 'frequency' : (sharesOf(a.prior, labels) ?? 'equal');
    const { LikelihoodClassifier, cutPassages, holdOut } = await import('@brickwork/training');
    const parts = new Map([...texts].map(([label, own]) => [label, holdOut(own, a.test)]));
    const line = new ProgressLine(io);
    const started = performance.now();
    let isBegun = false;
    try {
      const classifier = await LikelihoodClassifier.train(
        Object.fromEntries([...parts].map(([label, { train }]) => [label, train])),
        {
          ...{ run: `${out}.run`, resume: a.resume, validation: a.validation, passageWords: a.passageWords, priors },
          ...{ tokenizer: a.tokenizer, layers: a.layers, heads: a.heads, width: a.width, context: a.context },
          ...(a.vocabSize !== undefined && { vocabularySize: a.vocabSize }),
          ...{ dropout: a.dropout, baseSteps: a.baseSteps, steps: a.maxSteps, batchSize: a.batchSize },
          ...{ rate: a.learningRate, evaluateEvery: a.evalSteps, seed: a.seed },
          ...(a.classLearningRate !== undefined && { classRate: a.classLearningRate }),
          signal,
          compile: engineOptions(a),
          onProgress(p) {
            if (p.stage !== 'tokenizer') isBegun = true;
            show(p, line, io);
          },
        },
      );
      try {
        line.clear();
        await classifier.save(out, { signal });
        const trainSeconds = (performance.now() - started) / 1000;
        const test = [...parts].flatMap(([label, { held }]) =>
          held.flatMap((text) => cutPassages(text, a.passageWords)).map((text): LabelledText => ({ text, label })),
        );
        const report = test.length
          ? await classifier.evaluate(test, {
              signal,
              onProgress: ({ done, total }) => line.show(() => `${count(done)} of ${count(total)} scores`),
            })
          : null;
        line.clear();
        const { calibrated, temperature } = classifier;
        if (a.json)
          await io.writeJson({
            ...{ out, labels, temperature, calibration: calibrated, train_seconds: trainSeconds },
            ...(report && { test: plainReport(report, labels) }),
          });
        else {
          if (report) await io.write(reportText(report, labels));
          if (calibrated)
            io.note(
              `temperature ${temperature.toPrecision(4)}, fitted to ${count(calibrated.texts)} passages held out`,
            );
          if (report) io.note(`${count(report.texts)} passages that nothing was learned from`);
          io.note(`saved: ${out}; lm compare -m ${out} "…"`);
        }
      } finally {
        await classifier.dispose();
      }
    } catch (error) {
      line.clear();
      if (signal.aborted && isBegun) io.note(`Stopped. To go on: the same command with --resume`);
      throw error;
    }
  },
};

function checkOut(out: string, resume: boolean): void {
  const run = `${out}.run`;
  for (const path of [out, run])
    if (existsSync(path) && !statSync(path).isDirectory()) throw usage(`--out ${out}: ${path} is a file`);
  if (existsSync(out) && readdirSync(out).length && !existsSync(join(out, 'classifier.json')))
    throw usage(`--out ${out}: the folder holds something else than a classifier`, 'a new folder, or an empty one');
  if (existsSync(run) && readdirSync(run).length && !resume)
    throw new CliError(`${run}: a run is there`, { hint: '--resume to go on with it, or another --out' });
}

// Texts by class, of files or of rows.
async function classTexts(a: Args, io: Io, signal: AbortSignal): Promise<Map<string, string[]>> {
  if (!a.class === !a.data)
    throw usage(a.data ? '--class and --data exclude each other' : 'no texts', '--class NAME=FILE');
  const texts = new Map<string, string[]>();
  const add = (label: string, text: string): void => void texts.set(label, [...(texts.get(label) ?? []), text]);
  if (a.data) {
    const lists = new Map<string, string[]>();
    for (const { text, label } of await labelledTexts(a.data, a, io, signal)) {
      const own = lists.get(label);
      if (own) own.push(text);
      else lists.set(label, [text]);
    }
    return lists;
  }
  const { stripGutenberg } = await import('@brickwork/training');
  for (const given of a.class!) {
    const { label, value } = labelled(given, 'class');
    const text = stripGutenberg(textOf(value, 'class'));
    if (!text) throw usage(`--class ${given}: the file is empty`);
    add(label, text);
  }
  return texts;
}

function show({ stage, label, step, steps, loss, validation }: ClassModelProgress, line: ProgressLine, io: Io): void {
  const what = stage === 'class' ? `class ${label}` : stage === 'base' ? 'all texts' : stage;
  if (validation !== undefined) {
    line.clear();
    io.note(`${what}, step ${step}: held out ${validation.toFixed(4)} nats a token`);
  } else
    line.show(
      () => `${what}: ${count(step)} of ${count(steps)}${loss === undefined ? '' : `, loss ${loss.toFixed(4)}`}`,
    );
}
