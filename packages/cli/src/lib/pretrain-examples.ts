// lm pretrain on texts and pairs one by one: masked language models, encoder-decoders, and language models on rows.
import { join } from 'node:path';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Example, PreparedData, ReadExamplesOptions, Task } from '@brickwork/training';
import type { Model } from '@brickwork/transformer';
import type { Rest } from './command.ts';
import { readOptions } from './data-flags.ts';
import { engineOptions } from './engine-flags.ts';
import { usage } from './errors.ts';
import { finetuneFlags, type FinetuneArgs } from './finetune-flags.ts';
import type { Io } from './io.ts';
import { lengthOf, makeTask } from './make-task.ts';
import type { Objective, ObjectiveArgs } from './objective-flags.ts';
import type { PretrainArgs } from './pretrain-flags.ts';
import { learnTokenizer, openSource, type Source } from './pretrain-source.ts';
import { bytes, count, ProgressLine } from './progress.ts';
import type { RunOutput } from './run-output.ts';
import type { TaskName } from './task-names.ts';
import { tune } from './tune.ts';

type Args = PretrainArgs & ObjectiveArgs & Rest;

const taskOf = (objective: Objective): TaskName => (objective === 'span-corruption' ? 'seq2seq' : objective);

// Tokens that a new vocabulary has besides those of the texts, by objective.
const sentinels = Array.from({ length: 100 }, (_, i) => `<extra_id_${i}>`);
function specialTokens(objective: Objective, kind: string): readonly string[] | undefined {
  if (objective === 'mlm') return kind === 'wordpiece' ? undefined : ['<pad>', '<unk>', '<s>', '</s>', '<mask>'];
  if (objective === 'clm') return undefined;
  return ['<pad>', '</s>', '<unk>', '<s>', ...(objective === 'span-corruption' ? sentinels : [])];
}

/** Which rows are read, and how. */
async function readingOf(a: Args, files: readonly string[]): Promise<ReadExamplesOptions> {
  const { dataFiles, formatOf } = await import('@brickwork/training');
  const name = taskOf(a.objective);
  const data = { ...a, data: files };
  const all = a.format === undefined ? await dataFiles(files) : [];
  const isText = all.length > 0 && all.every((file) => formatOf(file) === 'text');
  const format = a.format ?? (isText && !a.lineByLine ? 'paragraphs' : undefined);
  const { kind: _, ...options } = readOptions(format === undefined ? data : { ...data, format }, name);
  const kind = a.objective === 'mlm' || a.objective === 'span-corruption' ? 'text' : undefined;
  return { ...options, ...(kind && { kind }), ...(a.objective === 'clm' && { adjust: textOf }) };
}

// What a text is labelled with is nothing to a language model.
const textOf = (example: Example): Example =>
  example.kind === 'labelled' ? { kind: 'text', text: example.text } : example;

/** Of plain texts, sequence to sequence means spans that are left out. */
async function resolveObjective(a: Args, options: ReadExamplesOptions): Promise<Objective> {
  if (a.objective !== 'seq2seq') return a.objective;
  const { readExamples } = await import('@brickwork/training');
  for await (const { example } of readExamples(options))
    return example.kind === 'text' || example.kind === 'labelled' ? 'span-corruption' : 'seq2seq';
  return 'seq2seq';
}

async function* textsOf(options: ReadExamplesOptions): AsyncGenerator<string> {
  const { readExamples } = await import('@brickwork/training');
  for await (const { example } of readExamples(options)) {
    const texts = Object.entries(example).flatMap(([field, value]) =>
      field !== 'kind' && typeof value === 'string' ? [value] : [],
    );
    const turns = example.kind === 'chat' ? example.messages.map(({ content }) => content) : [];
    yield [...texts, ...turns, ''].join('\n');
  }
}

/** Trains on examples, whatever the objective. */
export async function pretrainExamples(
  a: Args,
  given: Readonly<Record<string, unknown>>,
  output: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<void> {
  const files = [...a.files, ...a.rest];
  const first = await readingOf(a, files);
  const objective = await resolveObjective(a, first);
  const options = await readingOf({ ...a, objective }, files);
  const name = taskOf(objective);
  const kind =
    (given['tokenizer'] as string | undefined) ?? { clm: 'char', mlm: 'wordpiece' }[objective as 'clm'] ?? 'bpe';
  const source = await openSource(a, { name, objective, given }, signal, io, () =>
    learnTokenizer(
      { ...a, tokenizer: kind },
      textsOf({ ...options, signal, skipMalformed: a.skipMalformed }),
      signal,
      io,
      specialTokens(objective, kind),
    ),
  );
  const { tokenizer, files: beside } = source;
  const { AutoModel } = await import('@brickwork/transformer');
  const compile = engineOptions(a);
  const model =
    source.folder === null
      ? AutoModel.fromConfig(source.config, { class: source.className, seed: a.seed, compile })
      : await AutoModel.fromPretrained(source.folder, { class: source.className, signal, compile });
  try {
    const task = await taskFor(objective, a, source, model, given);
    const data = await prepare(a, options, task, tokenizer, output, signal, io);
    try {
      const own = source.folder === null ? { files: beside } : {};
      const tuned = { name, task, model, tokenizer, classes: null, method: 'full' as const, data, ...own };
      await tune(tuned, tuningArgs(a, given, data), output, signal, io);
    } finally {
      await data.close();
    }
  } finally {
    await model.dispose();
  }
}

async function taskFor(
  objective: Objective,
  a: Args,
  { tokenizer }: Source,
  model: Model,
  given: Readonly<Record<string, unknown>>,
): Promise<Task> {
  // A family without an end of its own sees what --context says.
  const sees = lengthOf(model) ?? Infinity;
  const maxLength =
    a.maxLength ?? (given['context'] !== undefined || sees === Infinity ? Math.min(a.context, sees) : undefined);
  const own = maxLength === undefined ? a : { ...a, maxLength };
  if (objective !== 'span-corruption') return makeTask(taskOf(objective), { model, tokenizer, classes: null }, own);
  const { spanCorruption } = await import('@brickwork/training');
  const ids = sentinels.map((token) => tokenizer.tokenToId(token)).filter((id) => id !== undefined);
  if (!ids.length)
    throw usage(
      'the tokenizer has no <extra_id_0>, <extra_id_1>, … that stand for spans',
      'a tokenizer of T5, or none',
    );
  const { specialTokens: special } = tokenizer;
  const field = (key: string): number | undefined =>
    typeof model.config[key] === 'number' ? (model.config[key] as number) : undefined;
  return spanCorruption(tokenizer, {
    padId: special.pad?.id ?? field('pad_token_id') ?? 0,
    limit: maxLength ?? Math.min(sees, 512),
    sentinels: ids,
    endId: special.eos?.id ?? field('eos_token_id') ?? 1,
    ...(a.mlmProbability !== undefined && { share: a.mlmProbability }),
  });
}

async function prepare(
  a: Args,
  options: ReadExamplesOptions,
  task: Task,
  tokenizer: Tokenizer,
  { run }: RunOutput,
  signal: AbortSignal,
  io: Io,
): Promise<PreparedData> {
  const { packedData, prepareData } = await import('@brickwork/training');
  const line = new ProgressLine(io);
  const data = await prepareData({
    ...options,
    adjusted: options.adjust ? 'texts alone' : null,
    task,
    tokenizer,
    cache: join(run, 'data'),
    validation: a.validation,
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
  return a.packing ? packedData(data, { length: Number(task.identity['limit']) }) : data;
}

// The same run as lm finetune's, with the flags of lm pretrain.
function tuningArgs(a: Args, given: Readonly<Record<string, unknown>>, data: PreparedData): FinetuneArgs {
  const standard = Object.fromEntries(
    Object.entries(finetuneFlags).map(([name, { default: value }]) => [camel(name), value as unknown]),
  );
  const epochs = given['numTrainEpochs'] as number | undefined;
  const perEpoch = Math.max(1, Math.ceil(data.train.count / a.batchSize / a.gradientAccumulation));
  const maxSteps = epochs === undefined ? a.maxSteps : Math.max(1, Math.round(epochs * perEpoch));
  return {
    ...standard,
    ...a,
    maxSteps,
    perDeviceTrainBatchSize: a.batchSize,
    gradientAccumulationSteps: a.gradientAccumulation,
    lrSchedulerType: a.lrScheduler,
    optim: a.optimizer,
    adamBeta1: 0.9,
    adamBeta2: a.beta2,
    warmupSteps: Math.min(a.warmupSteps, maxSteps),
    warmupRatio: 0,
  } as unknown as FinetuneArgs;
}

const camel = (name: string): string => name.replaceAll(/-(\w)/g, (_, c: string) => c.toUpperCase());

/** Whether a run goes over examples one by one, and not over windows of all text. */
export async function goesByExamples(a: Args, files: readonly string[]): Promise<boolean> {
  if (a.objective !== 'clm' || a.packing || a.lineByLine) return true;
  if (a.format !== undefined) return a.format !== 'text';
  const { formatOf } = await import('@brickwork/training');
  return files.some((file) => {
    try {
      return formatOf(file) !== 'text';
    } catch {
      return false; // text, whatever it is called
    }
  });
}
