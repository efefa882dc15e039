// lm eval: how well a model does on labelled data.
import type { CompileOptions } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { ReadExamplesOptions } from '@brickwork/training';
import type { Model } from '@brickwork/transformer';
import type { Command } from '../lib/command.ts';
import { openAdapted } from '../lib/adapted-model.ts';
import { dataFlags, readOptions, taskFlag, type DataArgs } from '../lib/data-flags.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import {
  byClass,
  checkPicture,
  drawMatrix,
  positiveOf,
  reportTable,
  rowsOf,
  writePredictions,
} from '../lib/eval-report.ts';
import { adjustLabels, makeTask, type Classes } from '../lib/make-task.ts';
import { measure, type Measured } from '../lib/measure.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import type { Scores } from '../lib/scores.ts';
import { scoreTable } from '../lib/show-scores.ts';
import { answerScores, bytesOfTexts, translationScores, type TextScoreOptions } from '../lib/text-scores.ts';
import { classFor, hasLabels, labelNames, readConfig, taskOf, type TaskName } from '../lib/task-names.ts';

interface Args extends DataArgs, EngineArgs, ModelArgs {
  readonly task?: TaskName;
  readonly adapter?: string;
  readonly cache?: string;
  readonly batchSize: number;
  readonly topK?: number;
  readonly positiveLabel?: string;
  readonly generate: boolean;
  readonly numBeams?: number;
  readonly maxNewTokens?: number;
  readonly confusionMatrix?: string;
  readonly predictions?: string;
  readonly json: boolean;
}

/** `lm eval`. */
export const evalCommand: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...flags('Model', {
      adapter: { type: 'text', describe: 'folder of an adapter in PEFT’s format' },
      task: { ...taskFlag, alias: 'T' },
    }),
    ...dataFlags,
    ...flags('Run', {
      cache: { type: 'text', describe: 'folder for encoded examples, which later runs find again' },
      'batch-size': {
        type: 'number',
        alias: ['b', 'per-device-eval-batch-size'],
        min: 1,
        whole: true,
        default: 8,
        describe: 'examples at a time',
      },
      json: { type: 'switch', default: false, describe: 'one line of JSON' },
    }),
    ...flags('Scores', {
      'top-k': {
        type: 'number',
        min: 1,
        whole: true,
        describe: 'classification: also how often the right class is among the k most probable',
      },
      'positive-label': {
        type: 'text',
        describe: 'of two classes, the one that is looked for; the second unless given',
      },
      generate: {
        type: 'switch',
        default: true,
        describe: 'seq2seq: writes every target, for BLEU and chrF; --no-generate: the loss alone',
      },
      'num-beams': {
        type: 'number',
        min: 1,
        whole: true,
        describe: 'seq2seq: beams; as the model’s files say unless given',
      },
      'max-new-tokens': { type: 'number', min: 1, whole: true, describe: 'seq2seq: most tokens of a target' },
      'confusion-matrix': { type: 'text', describe: 'draws what was taken for what to this file, .svg or .png' },
      predictions: { type: 'text', describe: 'writes a line of JSON for each prediction to this file' },
    }),
    ...engineFlags,
  },
  examples: [
    ['eval -m spam -d test.csv', 'accuracy, F1 and more, as the model’s task has them'],
    ['eval -m gpt2 -T clm -d text.txt --json', 'perplexity'],
    ['eval -m my-encoder --adapter topics -T classification -d test.jsonl', 'a model with an adapter'],
  ],
  async run(a, io) {
    checkPicture(a.confusionMatrix);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const config = await readConfig(folder);
    const task = a.task ?? taskOf(a.adapter === undefined ? config : await readAdapterConfigOr(a.adapter, config));
    const options = readOptions(a, task);
    const className = await classFor(task, config);
    const compile = engineOptions(a);
    const model = await openAdapted({ folder, adapter: a.adapter, className, signal, compile });
    const line = new ProgressLine(io);
    try {
      const tokenizer = await model.tokenizer();
      const classes = hasLabels(task) ? classesOf(task, labelNames(model.config)) : null;
      const names = classes?.names.length ? classes.names : null;
      const made = await makeTask(task, { model, tokenizer, classes }, a);
      const { prepareData } = await import('@brickwork/training');
      const data = await prepareData({
        ...options,
        task: made,
        tokenizer,
        adjust: adjustLabels(task, names),
        adjusted: { name: task, names, templates: tokenizer.chatTemplates },
        ...(a.cache !== undefined && { cache: a.cache }),
        signal,
        onMalformed(error) {
          line.clear();
          io.note(`left out: ${error.message}`);
        },
        onProgress: ({ stage, done }) => line.show(() => (stage === 'hash' ? '' : `${count(done)} rows encoded`)),
      });
      try {
        const examples = data.train.count;
        const show = (done: number): void => line.show(() => `${count(done)} of ${count(examples)} examples`);
        const measured = await measure(model, data.train, {
          name: task,
          task: made,
          batchSize: a.batchSize,
          names,
          ...(a.topK !== undefined && { topK: a.topK }),
          ...(a.positiveLabel !== undefined && { positive: positiveOf(a.positiveLabel, names) }),
          signal,
          compile,
          onProgress: show,
        });
        const lines: object[] = [];
        const onPrediction = (row: object): void => void lines.push(row);
        const written = await textScores(
          { model, tokenizer, task },
          { ...options, adjust: adjustLabels(task, names), onMalformed: () => {} },
          { a, measured, signal, compile, onProgress: show, onPrediction },
        );
        line.clear();
        const scores = { ...measured.scores, ...written };
        const classNames = measured.reported ?? names;
        const report = measured.report && classNames ? byClass(measured.report, classNames) : null;
        if (a.confusionMatrix !== undefined) await drawMatrix(a.confusionMatrix, measured, names);
        if (a.predictions !== undefined)
          await writePredictions(a.predictions, lines.length ? lines : rowsOf(task, measured, names));
        if (a.json)
          await io.writeJson({ task, examples, skipped: data.skipped, ...scores, ...(report && { classes: report }) });
        else {
          await io.write(scoreTable({ ...scores }));
          if (report && Object.keys(report).length > 1) await io.write(`\n${reportTable(report)}`);
          io.note(`${count(examples)} examples`);
        }
      } finally {
        await data.close();
      }
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};

// What is judged by texts, which are read once more.
async function textScores(
  { model, tokenizer, task }: { readonly model: Model; readonly tokenizer: Tokenizer; readonly task: TaskName },
  data: ReadExamplesOptions,
  o: Pick<TextScoreOptions, 'signal' | 'onProgress' | 'onPrediction'> & {
    readonly a: Args;
    readonly measured: Measured;
    readonly compile: CompileOptions;
  },
): Promise<Scores> {
  const { a, measured, compile, ...tell } = o;
  if (task === 'qa') return answerScores(model, tokenizer, data, tell);
  if (task === 'seq2seq' && a.generate)
    return translationScores(model, tokenizer, data, {
      ...tell,
      compile,
      batchSize: a.batchSize,
      prefix: a.prefix ?? '',
      ...(a.numBeams !== undefined && { numBeams: a.numBeams }),
      ...(a.maxNewTokens !== undefined && { maxNewTokens: a.maxNewTokens }),
    });
  const bytes = task === 'clm' ? await bytesOfTexts(data) : null;
  const { bitsPerByte } = await import('@brickwork/training');
  return bytes === null ? {} : { bits_per_byte: bitsPerByte(measured.scores['loss']!, measured.count, bytes) };
}

async function readAdapterConfigOr(
  adapter: string,
  config: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const { existsSync } = await import('node:fs');
  return existsSync(`${adapter}/config.json`) ? readConfig(adapter) : config;
}

function classesOf(task: TaskName, names: readonly string[] | null): Classes {
  if (task === 'regression') return { problem: 'regression', names: [] };
  if (!names)
    throw usage('the model’s config.json doesn’t say what its classes are called', 'a model that lm finetune wrote');
  if (task === 'tokens') return { problem: 'tokens', names };
  return {
    problem: task === 'multi-label' ? 'multi_label_classification' : 'single_label_classification',
    names,
  };
}
