// What lm pretrain trains, and where that begins: an objective, and a new model or a checkpoint.
import type { RowFormat } from '@brickwork/training';
import { dataFlags } from './data-flags.ts';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import type { TaskArgs } from './make-task.ts';
import { modelFlags } from './open-model.ts';

/** What a model learns from texts. */
export const objectives = ['clm', 'mlm', 'seq2seq', 'span-corruption'] as const;
/** An objective. */
export type Objective = (typeof objectives)[number];

/** What the flags hold. */
export interface ObjectiveArgs extends TaskArgs {
  readonly objective: Objective;
  readonly model?: string;
  readonly revision?: string;
  readonly offline: boolean;
  readonly modelType?: string;
  readonly configFile?: string;
  readonly configOverrides?: string;
  readonly lineByLine: boolean;
  readonly packing: boolean;
  readonly numTrainEpochs?: number;
  readonly format?: RowFormat;
  readonly columns?: string;
  readonly header?: string;
  readonly skipMalformed: boolean;
}

const { model, ...hub } = modelFlags();
const { data: _, ...columns } = dataFlags;

/** The flags. */
export const objectiveFlags: ReturnType<typeof flags> = {
  ...flags('Objective', {
    objective: {
      type: 'choice',
      alias: 'task',
      choices: objectives,
      default: 'clm',
      describe:
        'next tokens, hidden tokens (mlm), targets of sources (seq2seq; of plain texts, spans that are left out), or such spans',
    },
    'model-type': {
      type: 'text',
      describe: 'family of a new model; gpt2, modernbert, transformer (t5 for spans) by objective unless given',
    },
    'config-file': {
      type: 'text',
      alias: 'config-name',
      describe: 'config.json of a new model, in place of --layers, --heads, --width and --context',
    },
    'config-overrides': { type: 'text', describe: 'fields of it: hidden_act=relu,tie_word_embeddings=false' },
  }),
  model: {
    ...model!,
    demandOption: false,
    alias: ['m', 'model-name-or-path'],
    describe: `goes on with a checkpoint: ${model!.describe ?? ''}`,
  },
  ...hub,
  ...columns,
  ...flags('Data', {
    'line-by-line': {
      type: 'switch',
      default: false,
      describe: 'of plain text, each line is a text; otherwise paragraphs are (mlm, seq2seq)',
    },
    packing: {
      type: 'switch',
      default: false,
      describe: 'clm: rows of whole texts, each of which sees itself alone, in place of windows over all text',
    },
  }),
  ...flags('Training', {
    'num-train-epochs': {
      type: 'number',
      alias: 'epochs',
      above: 0,
      describe: 'times through the data, for --max-steps',
    },
  }),
};

/** @throws where flags contradict each other. */
export function checkObjective(a: ObjectiveArgs, given: Readonly<Record<string, unknown>>): void {
  const isGiven = (name: string): boolean => given[name] !== undefined;
  for (const name of ['modelType', 'configFile', 'configOverrides', 'layers', 'heads', 'width', 'vocabSize'] as const)
    if (a.model !== undefined && isGiven(name))
      throw usage(`--${dashed(name)} is for a new model, and --model ${a.model} has its own`, 'leave one of them out');
  for (const name of ['layers', 'heads', 'width'] as const)
    if (a.configFile !== undefined && isGiven(name))
      throw usage(`--config-file says what --${name} is`, `leave --${name} out, or --config-overrides`);
  if (a.packing && a.objective !== 'clm') throw usage('--packing is for --objective clm', 'leave it out');
  if (isGiven('numTrainEpochs') && isGiven('maxSteps'))
    throw usage('--num-train-epochs and --max-steps both say how long', 'leave one of them out');
}

const dashed = (name: string): string => name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
