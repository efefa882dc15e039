// lm pretrain: trains a model on texts, from nothing or from a checkpoint: a GPT on text files unless told otherwise.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HostTensor } from '@brickwork/runtime';
import type { PretrainOptions } from '@brickwork/training';
import type { CausalLM, Config } from '@brickwork/transformer';
import type { Command } from '../lib/command.ts';
import { configurable, withConfig } from '../lib/config-file.ts';
import { engineOptions } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import type { Io } from '../lib/io.ts';
import { checkObjective, objectiveFlags, type ObjectiveArgs } from '../lib/objective-flags.ts';
import { goesByExamples, pretrainExamples } from '../lib/pretrain-examples.ts';
import { optimizerOptions, scheduleOf } from '../lib/optimizer-flags.ts';
import { checkPretrainArgs, pretrainFlags, type PretrainArgs } from '../lib/pretrain-flags.ts';
import { learnTokenizer, openSource, type Source } from '../lib/pretrain-source.ts';
import { count, memoryText, ProgressLine } from '../lib/progress.ts';
import { runOutput, type RunOutput } from '../lib/run-output.ts';
import { sizeOfFiles } from '../lib/text-files.ts';
import { tellRun } from '../lib/tell-run.ts';

type Args = PretrainArgs & ObjectiveArgs & { readonly config?: string };
const allFlags = { ...pretrainFlags, ...objectiveFlags };

/** `lm pretrain`. */
export const pretrain: Command<Args> = {
  positionals: {
    files: { type: 'string', array: true, describe: 'texts in UTF-8; or rows of JSONL, CSV, TSV or Parquet' },
  },
  flags: configurable(allFlags),
  examples: [
    ['pretrain my-text.txt --out my-model', 'a small GPT of characters, in a few minutes'],
    ['pretrain my-text.txt --out my-model --resume', 'go on after Ctrl-C'],
    ['pretrain *.txt -o m --tokenizer bpe --layers 6 --heads 6 --width 384 --context 256', 'a larger one of words'],
    ['pretrain *.txt -o m --objective mlm --context 128 --vocab-size 6000', 'an encoder that finds hidden words'],
    ['pretrain pairs.tsv -o m --objective seq2seq --header source,target', 'the Transformer of 2017, to translate'],
    ['pretrain more.txt -o m -m gpt2 --learning-rate 5e-5', 'a checkpoint goes on with other texts'],
    ['generate -m my-model "Once"', 'run it'],
  ],
  async run(given, io) {
    const a = await withConfig(allFlags, given);
    checkPretrainArgs(a);
    checkObjective(a, given as unknown as Record<string, unknown>);
    const files = [...a.files, ...a.rest];
    const byExamples = await goesByExamples(a, files);
    const size = byExamples ? 0 : sizeOfFiles(files);
    const output = runOutput(a.out, a.resume);
    const signal = io.interruptible();
    try {
      if (byExamples) return await pretrainExamples(a, given as unknown as Record<string, unknown>, output, signal, io);
      await pretrainWindows(a, given, { files, size }, output, signal, io);
    } catch (error) {
      if (signal.aborted && (error === signal.reason || (error as Error).name === 'AbortError'))
        io.note('Stopped before the first step; nothing was written.');
      throw error;
    } finally {
      await output.tidy();
    }
  },
};

// On windows of all the text, one after another.
async function pretrainWindows(
  all: Args,
  given: Args,
  { files, size }: { readonly files: readonly string[]; readonly size: number },
  output: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<void> {
  if (all.labelSmoothingFactor)
    throw usage(
      `--label-smoothing-factor is ${all.labelSmoothingFactor}, and windows of text are learned without it`,
      'leave it out, or --packing, or another --objective',
    );
  const about = { name: 'clm', objective: 'clm', given: given as unknown as Record<string, unknown> } as const;
  const source = await openSource(all, about, signal, io, () => learnTokenizer(all, files, signal, io));
  const { AutoModel, buildCausalLM } = await import('@brickwork/transformer');
  const checkpoint =
    source.folder === null ? null : await AutoModel.fromPretrained(source.folder, { class: source.className, signal });
  const model = checkpoint?.causalLM ?? buildCausalLM(source.config);
  const usual = checkpoint ? Math.min(model.contextLength, 512) : Math.min(model.contextLength, all.context);
  const a = { ...all, context: given.context ?? usual };
  const data = await tokenize(files, size, source, a, output, signal, io);
  try {
    const perEpoch = data.train.length / (a.context * a.batchSize * a.gradientAccumulation);
    const maxSteps =
      given.numTrainEpochs === undefined ? a.maxSteps : Math.max(1, Math.round(a.numTrainEpochs! * perEpoch));
    const generationConfig = checkpoint?.generationConfig ?? sampling;
    const start = { model, weights: checkpoint?.weights ?? null, generationConfig };
    await train({ ...a, maxSteps }, source, start, data, output, signal, io);
  } finally {
    data.close();
    await checkpoint?.dispose();
  }
}

// Texts up to this size are tokenized anew each time, in memory; larger ones once, into the run's folder.
const largestInMemory = 2 ** 25;

type Dataset = Awaited<ReturnType<(typeof import('@brickwork/training'))['tokenDataset']>>;

async function tokenize(
  files: readonly string[],
  size: number,
  { tokenizer }: Source,
  a: PretrainArgs,
  { run }: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<Dataset> {
  const { tokenDataset } = await import('@brickwork/training');
  const line = new ProgressLine(io);
  const end = tokenizer.specialTokens.eos?.id;
  const data = await tokenDataset(files, tokenizer, {
    validation: a.validation,
    ...(size > largestInMemory ? { cache: join(run, 'tokens') } : {}),
    ...(end === undefined ? {} : { separator: end }),
    signal,
    onProgress: (done, total) => line.show(() => `tokens of ${count(done)} of ${count(total)} characters`),
  });
  line.clear();
  const held = data.validation.length;
  if (a.validation > 0 && held <= a.context) {
    data.close();
    throw new CliError(
      `${held} tokens are held out for validation, but a window of --context ${a.context} needs ${a.context + 1}`,
      { hint: 'more text, a larger --validation, a shorter --context, or --validation 0' },
    );
  }
  return data;
}

// How lm generate runs the model unless told otherwise: small models that always take the most probable token repeat
// themselves.
const sampling = { do_sample: true, temperature: 0.8, top_p: 0.95 };

interface Start {
  readonly model: CausalLM;
  /** A checkpoint's; null for a model that begins anew. */
  readonly weights: ReadonlyMap<string, HostTensor> | null;
  readonly generationConfig: Config;
}

async function train(
  a: PretrainArgs,
  { config, files }: Source,
  { model, weights: first, generationConfig }: Start,
  data: Dataset,
  output: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<void> {
  const { out, run } = output;
  const [training, { readSafetensors, saveCheckpoint }] = await Promise.all([
    import('@brickwork/training'),
    import('@brickwork/runtime'),
  ]);
  const { tell, note, other, end } = await tellRun(io, { steps: a.maxSteps, json: a.json, output });
  const save = async (step: number, tensors: Parameters<typeof saveCheckpoint>[1]['tensors']): Promise<void> => {
    await saveCheckpoint(out, { config, tensors, generationConfig, files });
    await tell({ type: 'saved', step, path: out });
  };
  const heldOut = data.validation.length;
  const keepsBest = a.keepBest && heldOut > 0;
  const options: PretrainOptions = {
    length: a.context,
    ...(first && { weights: first }),
    steps: a.maxSteps,
    batchSize: a.batchSize,
    accumulate: a.gradientAccumulation,
    rate: a.learningRate,
    schedule: scheduleOf(a.lrScheduler),
    warmup: Math.min(a.warmupSteps, a.maxSteps),
    floor: a.minLr,
    ...optimizerOptions(a, a.optimizer),
    weightDecay: a.weightDecay,
    betas: [0.9, a.beta2],
    clip: a.maxGradNorm,
    sampling: a.sampling,
    evaluateEvery: a.evalSteps,
    ...(a.saveSteps === undefined ? {} : { saveEvery: a.saveSteps }),
    seed: a.seed,
    folder: run,
    resume: a.resume,
    picture: a.picture,
    identity: { config },
    signal,
    compile: engineOptions(a),
  };
  const memory = training.pretrainMemory(model, options);
  for await (const event of training.pretrain(model, data, options)) {
    if (event.type === 'evaluation') {
      const { weights, ...plain } = event;
      await tell(plain);
      note(
        `step ${event.step}: validation ${event.loss.toFixed(4)} nats a token, ${event.lossPerCharacter.toFixed(4)} a character${event.best ? ', the best so far' : ''}`,
      );
      if (event.best && keepsBest) await save(event.step, weights);
      continue;
    }
    if (event.type === 'start') {
      await tell({ ...event, trainTokens: data.train.length, validationTokens: heldOut, memory });
      note(
        `${count(event.parameters)} parameters, ${count(data.train.length)} tokens to train on, ${count(heldOut)} held out${event.step ? `; going on from step ${event.step}` : ''}`,
      );
      note(memoryText(memory));
      continue;
    }
    if (event.type === 'end') {
      const finish = async (): Promise<void> => {
        if (keepsBest && existsSync(join(out, 'model.safetensors'))) return;
        const prefix = a.emaDecay === undefined ? 'weights/' : 'ema/';
        const { tensors } = await readSafetensors(join(run, training.runFiles.state), {
          names: (name) => name.startsWith(prefix),
        });
        await save(event.step, new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor])));
        if (keepsBest) note(`${out} was gone: it has the last weights now, not the best`);
      };
      await end(event, finish, join(out, 'model.safetensors'));
      continue;
    }
    await other(event);
  }
}
