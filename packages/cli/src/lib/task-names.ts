// The tasks that lm trains, measures and predicts for, and the classes that Hugging Face has for them.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExampleKind } from '@brickwork/training';
import type { Config } from '@brickwork/transformer';
import { CliError, usage } from './errors.ts';

/** What each task is called on the command line. */
export const taskNames = [
  'classification',
  'regression',
  'multi-label',
  'tokens',
  'qa',
  'clm',
  'mlm',
  'seq2seq',
] as const;
/** A task. */
export type TaskName = (typeof taskNames)[number];

const classes: Readonly<Record<TaskName, RegExp>> = {
  classification: /ForSequenceClassification$/,
  regression: /ForSequenceClassification$/,
  'multi-label': /ForSequenceClassification$/,
  tokens: /ForTokenClassification$/,
  qa: /ForQuestionAnswering$/,
  clm: /(ForCausalLM|LMHeadModel)$/,
  mlm: /ForMaskedLM$/,
  seq2seq: /(ForConditionalGeneration|MTModel)$/,
};

/** What rows are read as, where their columns could be several things. */
export const exampleKinds: Readonly<Partial<Record<TaskName, ExampleKind>>> = {
  classification: 'labelled',
  regression: 'labelled',
  'multi-label': 'labelled',
  tokens: 'words',
  qa: 'question',
  mlm: 'text',
};

/** PEFT's name of each task. */
export const peftTasks: Readonly<Record<TaskName, string | null>> = {
  classification: 'SEQ_CLS',
  regression: 'SEQ_CLS',
  'multi-label': 'SEQ_CLS',
  tokens: 'TOKEN_CLS',
  qa: 'QUESTION_ANS',
  clm: 'CAUSAL_LM',
  mlm: null,
  seq2seq: 'SEQ_2_SEQ_LM',
};

/** Whether a task tells classes apart, whose names config.json holds. */
export const hasLabels = (task: TaskName): boolean =>
  ['classification', 'regression', 'multi-label', 'tokens'].includes(task);

/** The content of a model's config.json. */
export async function readConfig(folder: string): Promise<Config> {
  const path = join(folder, 'config.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Config;
  } catch (cause) {
    throw new CliError(`${path}: ${(cause as Error).message}`, { cause });
  }
}

const savedClass = (config: Config): string | undefined => {
  const named: unknown = Array.isArray(config['architectures']) ? config['architectures'][0] : undefined;
  return typeof named === 'string' ? named : undefined;
};

/** The class of a model's architecture that a task needs. @throws where there is none. */
export async function classFor(task: TaskName, config: Config): Promise<string> {
  const { architectures } = await import('@brickwork/transformer');
  const type = String(config['model_type']);
  const known = Object.keys(architectures[type]?.classes ?? {});
  const own = savedClass(config);
  if (own !== undefined && known.includes(own) && classes[task].test(own)) return own;
  const found = known.find((name) => classes[task].test(name));
  if (found !== undefined) return found;
  const able = taskNames.filter((name) => known.some((one) => classes[name].test(one)));
  throw usage(
    `${type} has no class for --task ${task}`,
    able.length ? `--task ${able.join(', or ')}; or another model` : 'another model',
  );
}

/** The task that a model was made for, told from its class. @throws where that says nothing. */
export function taskOf(config: Config): TaskName {
  const own = savedClass(config) ?? '';
  const problem = config['problem_type'];
  const found = taskNames.find((name) => classes[name].test(own));
  if (found === undefined) throw usage(`a ${own || 'model of this kind'} says nothing of its task`, '--task');
  if (found !== 'classification') return found;
  const { id2label } = config;
  const count = typeof id2label === 'object' && id2label !== null ? Object.keys(id2label).length : undefined;
  if (problem === 'regression' || (problem === undefined && count === 1)) return 'regression';
  return problem === 'multi_label_classification' ? 'multi-label' : 'classification';
}

/** The names of a model's classes in the order of their numbers; null where config.json has none. */
export function labelNames(config: Config): string[] | null {
  const { id2label } = config;
  if (typeof id2label !== 'object' || id2label === null) return null;
  const named = id2label as Record<string, unknown>;
  return Object.keys(named).map((_, i) => String(named[i] ?? `LABEL_${i}`));
}
