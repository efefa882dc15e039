// lm finetune: trains a checkpoint, whole or in part, on your own labelled data.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { HostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { FineTuning, MemoryEstimate, Method, PreparedData, Task } from '@brickwork/training';
import type { Model } from '@brickwork/transformer';
import type { Command } from '../lib/command.ts';
import { configurable, withConfig } from '../lib/config-file.ts';
import { readOptions } from '../lib/data-flags.ts';
import { engineOptions } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { finetuneFlags, type FinetuneArgs } from '../lib/finetune-flags.ts';
import type { Io } from '../lib/io.ts';
import { adjustLabels, classFields, findClasses, makeTask, type Classes } from '../lib/make-task.ts';
import { measure } from '../lib/measure.ts';
import { methodOf, withNewLayers } from '../lib/method-flags.ts';
import { modelPath } from '../lib/open-model.ts';
import { bytes, count, ProgressLine } from '../lib/progress.ts';
import { runOutput, type RunOutput } from '../lib/run-output.ts';
import { saveTuned } from '../lib/save-tuned.ts';
import type { Scores } from '../lib/scores.ts';
import { scoreText } from '../lib/show-scores.ts';
import { classFor, hasLabels, readConfig, taskOf, type TaskName } from '../lib/task-names.ts';

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

interface Prepared {
  readonly name: TaskName;
  readonly task: Task;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly classes: Classes | null;
  readonly method: Method;
  readonly data: PreparedData;
}

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
    await train({ name, task, model, tokenizer, classes, method, data }, a, output, signal, io);
  } finally {
    await data.close();
    await model.dispose();
  }
}

async function encode(
  a: FinetuneArgs,
  { name, task, tokenizer, classes }: Pick<Prepared, 'name' | 'task' | 'tokenizer' | 'classes'>,
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

const isSlow = (method: Method): boolean => method === 'full' || (typeof method === 'object' && 'last' in method);

async function train(
  p: Prepared,
  a: FinetuneArgs,
  { out, run }: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<void> {
  const [training, { readSafetensors }] = await Promise.all([
    import('@brickwork/training'),
    import('@brickwork/runtime'),
  ]);
  const { data, task, name } = p;
  const tuning = new training.FineTuning(p.model, { method: p.method, seed: a.seed });
  const memory = (size: number): MemoryEstimate =>
    tuning.estimateMemory(data.train, {
      task,
      batchSize: size,
      steps: 1,
      accumulate: a.gradientAccumulationSteps,
      optimizer: a.optim,
      recompute: a.gradientCheckpointing,
    });
  const { batchSize, accumulate } = a.autoFindBatchSize
    ? smallerBatches(a, training.findBatchSize(memory, { most: a.perDeviceTrainBatchSize }).batchSize)
    : { batchSize: a.perDeviceTrainBatchSize, accumulate: a.gradientAccumulationSteps };
  const estimate = memory(batchSize);
  const perEpoch = Math.max(1, Math.ceil(training.batchesPerEpoch(data.train.count, batchSize) / accumulate));
  const steps = a.maxSteps ?? Math.max(1, Math.round(perEpoch * a.numTrainEpochs));
  const evaluateEvery = Math.min(a.evalSteps ?? perEpoch, steps);
  const tell = async (event: object): Promise<void> => (a.json ? await io.writeJson(event) : undefined);
  const line = training.progressLine({ steps, stream: io.stderr });
  const note = (text: string): void => {
    line.clear();
    io.note(text);
  };
  const save = async (step: number): Promise<void> => {
    await saveTuned(out, tuning, p.model);
    await tell({ type: 'saved', step, path: out });
  };
  const heldOut = data.validation?.count ?? 0;
  const keepsBest = a.keepBest && heldOut > 0;
  const schedule = a.lrSchedulerType === 'constant_with_warmup' ? 'constant' : a.lrSchedulerType;
  for await (const event of tuning.train(data, {
    task,
    batchSize,
    accumulate,
    steps,
    rate: a.learningRate ?? (isSlow(p.method) ? 5e-5 : 1e-3),
    schedule: schedule as 'linear' | 'cosine' | 'constant' | 'plateau',
    warmup: Math.min(steps, a.warmupSteps || Math.ceil(a.warmupRatio * steps)),
    floor: 0,
    clip: a.maxGradNorm,
    optimizer: a.optim,
    weightDecay: a.weightDecay,
    betas: [a.adamBeta1, a.adamBeta2],
    groupByLength: a.groupByLength,
    recompute: a.gradientCheckpointing,
    evaluateEvery,
    ...(a.saveSteps !== undefined && { saveEvery: a.saveSteps }),
    seed: a.seed,
    folder: run,
    resume: a.resume,
    picture: a.picture,
    identity: { task: name, validation: data.validation?.fingerprint ?? null },
    signal,
    compile: engineOptions(a),
  })) {
    if (event.type === 'evaluation') {
      // Of language models the loss is all there is to know.
      const scores = ['clm', 'mlm', 'seq2seq'].includes(name)
        ? { loss: event.loss, perplexity: Math.exp(event.loss) }
        : await scoresOf(tuning, p, a, signal);
      if (!scores) continue;
      const { weights: _, lossPerCharacter: __, ...plain } = event;
      await tell({ ...plain, scores });
      note(`step ${event.step}: validation ${scoreText(scores)}${event.best ? ', the best so far' : ''}`);
      if (event.best && keepsBest) await save(event.step);
      continue;
    }
    if (event.type === 'start') {
      const { trained, all } = tuning.counts;
      await tell({
        ...event,
        parameters: all,
        trained,
        train: data.train.count,
        validation: heldOut,
        skipped: data.skipped,
        batchSize,
        accumulate,
        memory: estimate,
      });
      note(
        `${count(trained)} of ${count(all)} parameters are trained (${((100 * trained) / all).toPrecision(3)}%); ${count(data.train.count)} examples to train on, ${count(heldOut)} held out${data.skipped ? `, ${count(data.skipped)} rows left out` : ''}${data.isCached ? ', found encoded' : ''}; ${count(steps)} steps${event.step ? `, going on from step ${event.step}` : ''}`,
      );
      const parts = `${bytes(estimate.resident)} now, ${bytes(estimate.state)} gradients and optimizer, ${bytes(estimate.activations)} activations, ${bytes(estimate.engine)} engine`;
      note(`memory: about ${bytes(estimate.total)} at its peak (${parts})`);
      if (batchSize < a.perDeviceTrainBatchSize)
        note(
          `batches of ${batchSize} in place of ${a.perDeviceTrainBatchSize}, ${accumulate} in an update: more don’t fit in memory`,
        );
      if (p.model.initialized.length && !event.step) note(`a new head: ${p.model.initialized.join(', ')}`);
      continue;
    }
    if (event.type === 'end') {
      if (event.aborted) {
        await tell(event);
        note(
          event.step
            ? `Stopped after step ${event.step}; the checkpoint is in ${run}. To go on: the same command with --resume`
            : 'Stopped before the first step; nothing was written.',
        );
        return;
      }
      if (!keepsBest || !existsSync(join(out, 'config.json'))) {
        const { tensors } = await readSafetensors(join(run, training.runFiles.state), {
          names: (own) => own.startsWith('weights/'),
        });
        restore(tuning, tensors);
        await save(event.step);
        if (keepsBest) note(`${out} was gone: it has the last weights now, not the best`);
      }
      const peak = process.resourceUsage().maxRSS * 1024;
      note(`memory: ${bytes(peak)} at its peak`);
      if (!a.json) await io.write(`${out}\n`);
      await tell({ ...event, peakMemory: peak });
      continue;
    }
    await tell(event);
    if (event.type === 'step') line.show(event);
    else if (event.type === 'picture') note(`losses: ${event.path}`);
    else if (event.type === 'warning') note(event.message);
  }
}

// Batches of this size, as many in an update that it has as many examples as before, or hardly fewer.
function smallerBatches(a: FinetuneArgs, batchSize: number): { batchSize: number; accumulate: number } {
  const perUpdate = a.perDeviceTrainBatchSize * a.gradientAccumulationSteps;
  return { batchSize, accumulate: Math.max(1, Math.round(perUpdate / batchSize)) };
}

function restore(tuning: FineTuning, tensors: ReadonlyMap<string, HostTensor>): void {
  for (const [name, { data }] of tuning.trainedWeights) {
    const last = tensors.get(`weights/${name}`);
    if (!last) throw usage(`the checkpoint lacks ${name}`);
    (data as Float32Array).set(last.data as Float32Array);
  }
}

// The scores of the weights as they are now; null where it was interrupted.
async function scoresOf(tuning: FineTuning, p: Prepared, a: FinetuneArgs, signal: AbortSignal): Promise<Scores | null> {
  const { Model } = await import('@brickwork/transformer');
  const { architecture, className, config } = p.model;
  const now = new Model(
    { network: tuning.network, architecture, className, config, weights: tuning.weights },
    engineOptions(a),
  );
  try {
    const batchSize = a.perDeviceEvalBatchSize ?? a.perDeviceTrainBatchSize;
    return await measure(now, p.data.validation!, { name: p.name, task: p.task, batchSize, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    return null;
  } finally {
    await now.dispose();
  }
}
