// lm finetune: trains a checkpoint, whole or in part, on your own labelled data.
import { join } from 'node:path';
import type { PreparedData } from '@brickwork/training';
import type { Command } from '../lib/command.ts';
import { configurable, withConfig } from '../lib/config-file.ts';
import { readOptions } from '../lib/data-flags.ts';
import { engineOptions } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { finetuneFlags, type FinetuneArgs } from '../lib/finetune-flags.ts';
import type { Io } from '../lib/io.ts';
import { adjustLabels, classFields, findClasses, makeTask } from '../lib/make-task.ts';
import { methodOf, withNewLayers } from '../lib/method-flags.ts';
import { modelPath } from '../lib/open-model.ts';
import { bytes, count, ProgressLine } from '../lib/progress.ts';
import { runOutput, type RunOutput } from '../lib/run-output.ts';
import { classFor, hasLabels, readConfig, taskOf } from '../lib/task-names.ts';
import { tune, type ToTune } from '../lib/tune.ts';

/** `lm finetune`. */
export const finetune: Command<FinetuneArgs> = {
  flags: configurable(finetuneFlags),
  examples: [
    ['finetune -m my-encoder --task classification -d spam.csv -o spam', 'a classifier of texts'],
    ['finetune -m gpt2 --task clm -d poems.txt --method lora -o poems', 'a LoRA for a language model'],
    ['finetune -m my-encoder -T regression -d sts.tsv --columns text=s1,pair=s2 -o sts', 'a number for pairs of texts'],
    ['finetune --config run.yaml --learning-rate 1e-4', 'flags from a file, but for one'],
  ],
  async run(given, io) {
    const a = await withConfig(finetuneFlags, given);
    const signal = io.interruptible();
    const output = runOutput(a.out, a.resume);
    try {
      await prepareAndTrain(a, output, signal, io);
    } catch (error) {
      if (signal.aborted && (error === signal.reason || (error as Error).name === 'AbortError'))
        io.note('Stopped before the first step; nothing was written.');
      throw error;
    } finally {
      await output.tidy();
    }
  },
};

async function prepareAndTrain(a: FinetuneArgs, output: RunOutput, signal: AbortSignal, io: Io): Promise<void> {
  const folder = await modelPath(a, io, signal);
  const config = await readConfig(folder);
  const name = a.task ?? taskOf(config);
  const options = readOptions(a, name);
  if (a.packing && name !== 'clm') throw usage('--packing is for --task clm', 'leave it out');
  if (a.packing && (a.method === 'prompt' || a.method === 'prefix'))
    throw usage(`--packing doesn’t go with --method ${a.method}`, 'leave it out');
  const asked = await methodOf(a, { task: name, type: String(config['model_type']), base: a.model });
  const className = await classFor(name, config);
  const { AutoModel } = await import('@brickwork/transformer');
  const line = new ProgressLine(io);
  line.show(() => 'reading labels');
  const classes = await findClasses(name, { ...options, signal });
  // A decoder finds a row's last token by the padding's id.
  const { loadTokenizer } = await import('@brickwork/tokenizer');
  const tokenizer = await loadTokenizer(folder);
  const pad = tokenizer.specialTokens.pad?.id ?? tokenizer.specialTokens.eos?.id;
  const model = await AutoModel.fromPretrained(folder, {
    class: className,
    missing: hasLabels(name) || name === 'qa' ? 'initialize' : 'error',
    seed: a.seed,
    config: {
      ...(classes && classFields(classes)),
      ...(classes && config['pad_token_id'] == null && pad !== undefined && { pad_token_id: pad }),
    },
    signal,
    compile: engineOptions(a),
  });
  const method = withNewLayers(asked, model.initialized);
  const virtualTokens = typeof method === 'object' && 'num_virtual_tokens' in method ? method.num_virtual_tokens : 0;
  const task = await makeTask(name, { model, tokenizer, classes, virtualTokens }, a);
  const data = await encode(a, { name, task, tokenizer, classes }, output, signal, io);
  try {
    await tune({ name, task, model, tokenizer, classes, method, data }, a, output, signal, io);
  } finally {
    await data.close();
    await model.dispose();
  }
}

async function encode(
  a: FinetuneArgs,
  { name, task, tokenizer, classes }: Pick<ToTune, 'name' | 'task' | 'tokenizer' | 'classes'>,
  { run }: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<PreparedData> {
  const { packedData, prepareData } = await import('@brickwork/training');
  const line = new ProgressLine(io);
  const names = classes && classes.names.length ? classes.names : null;
  const data = await prepareData({
    ...readOptions(a, name),
    task,
    tokenizer,
    adjust: adjustLabels(name, names),
    adjusted: { name, names, templates: tokenizer.chatTemplates },
    cache: a.cache ?? join(run, 'data'),
    validation: a.validationData ?? a.validationSplit,
    seed: a.seed,
    signal,
    onMalformed(error) {
      line.clear();
      io.note(`left out: ${error.message}`);
    },
    onProgress: ({ stage, done }) =>
      line.show(() => (stage === 'hash' ? `${bytes(done)} of data read` : `${count(done)} rows encoded`)),
  });
  line.clear();
  if (!a.packing) return data;
  return packedData(data, { length: Number(task.identity['limit']) });
}
