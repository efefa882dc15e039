// A task of the library for a model: how texts are encoded, how long they may be, which classes there are.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Example, ProblemType, ReadExamplesOptions, Task } from '@brickwork/training';
import type { Config } from '@brickwork/transformer';
import { usage } from './errors.ts';
import { hasLabels, type TaskName } from './task-names.ts';

/** What flags say of a task. */
export interface TaskArgs {
  readonly maxLength?: number;
  readonly prefix?: string;
  readonly wholeWordMask?: boolean;
  readonly mlmProbability?: number;
  readonly learnPrompts?: boolean;
}

/** Classes and what they mean; null for tasks that have none. */
export interface Classes {
  readonly problem: ProblemType | 'tokens';
  readonly names: readonly string[];
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const asNumber = (label: string | number): string | number =>
  typeof label === 'string' && decimal.test(label.trim()) ? Number(label) : label;

/**
 * Labels as they are meant: CSV has numbers as texts, several classes may stand in one text, and numbers count a model's
 * classes, whatever their names.
 */
export function adjustLabels(task: TaskName, names: readonly string[] | null): (example: Example) => Example {
  const named = (label: string | number): string | number => {
    if (names?.includes(String(label))) return String(label);
    const value = asNumber(label);
    return typeof value === 'number' && names ? (names[value] ?? value) : value;
  };
  return (example) => {
    if (example.kind === 'words') return { ...example, labels: example.labels.map(named) };
    if (example.kind !== 'labelled') return example;
    const { label } = example;
    if (task === 'regression') {
      const values = [label].flat().map(asNumber);
      return { ...example, label: values.length === 1 ? values[0]! : values };
    }
    if (task !== 'multi-label') return typeof label === 'object' ? example : { ...example, label: named(label) };
    // "a, b", or a list of them.
    const several =
      typeof label === 'string'
        ? label
            .split(/[,;|]/)
            .map((one) => one.trim())
            .filter(Boolean)
        : [label].flat();
    return { ...example, label: several.map(named) };
  };
}

/** Finds the classes of a data set by reading it once. @throws where its labels are not those of the task. */
export async function findClasses(task: TaskName, options: ReadExamplesOptions): Promise<Classes | null> {
  if (!hasLabels(task)) return null;
  if (task === 'regression') return { problem: 'regression', names: [] };
  const { labelSet, readExamples } = await import('@brickwork/training');
  const adjust = adjustLabels(task, null);
  async function* labelled(): AsyncGenerator<Example> {
    for await (const { example } of readExamples({ ...options, adjust })) {
      // Words are labelled as several classes of one text would be.
      if (example.kind === 'words') yield { kind: 'labelled', text: '', pair: null, label: example.labels };
      else yield example;
    }
  }
  const { problem, names } = await labelSet(labelled());
  if (task === 'classification' && problem !== 'single_label_classification')
    throw usage(
      problem === 'regression' ? 'the labels are fractions, not classes' : 'the labels are lists of classes',
      problem === 'regression' ? '--task regression' : '--task multi-label',
    );
  if (!names.length) throw usage('the data have no labels', '--columns label=COLUMN');
  return {
    problem: task === 'tokens' ? 'tokens' : task === 'multi-label' ? 'multi_label_classification' : problem,
    names,
  };
}

/** The fields of config.json that say what a model's classes are. */
export function classFields(classes: Classes): Config {
  const names = classes.problem === 'regression' ? ['LABEL_0'] : classes.names;
  return {
    num_labels: names.length,
    id2label: Object.fromEntries(names.map((name, i) => [String(i), name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
    ...(classes.problem !== 'tokens' && { problem_type: classes.problem }),
  };
}

/** What a task has to know of a model. */
export interface TaskModel {
  readonly config: Config;
  readonly network: { readonly inputs: Readonly<Record<string, unknown>> };
}

/** The most tokens that a model sees; null where it has no bound. */
export function lengthOf({ network }: TaskModel): number | null {
  const { longest, contextLength } = network as { longest?: Readonly<Record<string, number>>; contextLength?: number };
  return longest?.['T'] ?? contextLength ?? null;
}

// What texts are cut to unless told otherwise; attention costs grow with its square.
const usual = 512;

/** Builds a task. @throws where flags ask for what the model can't do. */
export async function makeTask(
  name: TaskName,
  {
    model,
    tokenizer,
    classes,
    virtualTokens = 0,
  }: {
    readonly model: TaskModel;
    readonly tokenizer: Tokenizer;
    readonly classes: Classes | null;
    /** Learned tokens that stand before each text. */
    readonly virtualTokens?: number;
  },
  a: TaskArgs,
): Promise<Task> {
  const t = await import('@brickwork/training');
  const sees = lengthOf(model);
  const most = sees === null ? Infinity : sees - virtualTokens;
  if (a.maxLength !== undefined && a.maxLength > most)
    throw usage(`--max-length ${a.maxLength}, but the model sees ${most} tokens`, `--max-length ${most}`);
  const limit = a.maxLength ?? Math.min(most, usual);
  const { specialTokens } = tokenizer;
  const own = (field: string): number | undefined =>
    typeof model.config[field] === 'number' ? model.config[field] : undefined;
  const padId = specialTokens.pad?.id ?? own('pad_token_id') ?? specialTokens.eos?.id ?? 0;
  const endId = specialTokens.eos?.id ?? own('eos_token_id') ?? null;
  const typed = 'token_type_ids' in model.network.inputs;
  const inputs = { padId, limit, ...(typed && { typed }) };
  switch (name) {
    case 'classification':
    case 'regression':
    case 'multi-label': {
      const { problem, names } = classes!;
      return t.classification(tokenizer, { ...inputs, labels: { problem: problem as ProblemType, names } });
    }
    case 'tokens':
      return t.tokenClassification(tokenizer, { ...inputs, names: classes!.names });
    case 'qa':
      return t.questionAnswering(tokenizer, inputs);
    case 'clm': {
      const { renderChat } = await import('@brickwork/tokenizer');
      const { chatTemplates } = tokenizer;
      const has = Object.keys(chatTemplates).length > 0;
      return t.languageModelling(tokenizer, {
        padId,
        limit,
        endId,
        ...(a.learnPrompts !== undefined && { learnPrompts: a.learnPrompts }),
        ...(has && {
          template: (turns, o) =>
            renderChat(chatTemplates, specialTokens, turns as Parameters<typeof renderChat>[2], o),
        }),
      });
    }
    case 'mlm': {
      const maskId = specialTokens.mask?.id;
      if (maskId === undefined) throw usage('the tokenizer has no mask token', '--task clm, or another model');
      return t.maskedLanguageModelling(tokenizer, {
        ...inputs,
        maskId,
        vocabularySize: tokenizer.vocabularySize,
        ...(a.wholeWordMask !== undefined && { wholeWords: a.wholeWordMask }),
        ...(a.mlmProbability !== undefined && { share: a.mlmProbability }),
      });
    }
    default:
      return t.sequenceToSequence(tokenizer, {
        padId,
        limit,
        endId,
        ...(a.prefix !== undefined && { prefix: a.prefix }),
      });
  }
}
