// lm eval: how well a model does on labelled data.
import type { Command } from '../lib/command.ts';
import { openAdapted } from '../lib/adapted-model.ts';
import { dataFlags, readOptions, taskFlag, type DataArgs } from '../lib/data-flags.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { adjustLabels, makeTask, type Classes } from '../lib/make-task.ts';
import { measure } from '../lib/measure.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { scoreTable } from '../lib/show-scores.ts';
import { classFor, hasLabels, labelNames, readConfig, taskOf, type TaskName } from '../lib/task-names.ts';

interface Args extends DataArgs, EngineArgs, ModelArgs {
  readonly task?: TaskName;
  readonly adapter?: string;
  readonly cache?: string;
  readonly batchSize: number;
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
    ...engineFlags,
  },
  examples: [
    ['eval -m spam -d test.csv', 'accuracy, F1 and more, as the model’s task has them'],
    ['eval -m gpt2 -T clm -d text.txt --json', 'perplexity'],
    ['eval -m my-encoder --adapter topics -T classification -d test.jsonl', 'a model with an adapter'],
  ],
  async run(a, io) {
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
        const scores = await measure(model, data.train, {
          name: task,
          task: made,
          batchSize: a.batchSize,
          signal,
          compile,
          onProgress: (done) => line.show(() => `${count(done)} of ${count(data.train.count)} examples`),
        });
        line.clear();
        const { count: examples } = data.train;
        if (a.json) await io.writeJson({ task, examples, skipped: data.skipped, ...scores });
        else await io.write(scoreTable({ ...scores }));
        if (!a.json) io.note(`${count(examples)} examples`);
      } finally {
        await data.close();
      }
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};

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
