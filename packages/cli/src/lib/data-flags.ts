// Flags of commands that work on labelled data.
import type { ColumnMap, ReadExamplesOptions, RowFormat } from '@brickwork/training';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import { taskNames, exampleKinds, type TaskName } from './task-names.ts';
import type { TaskArgs } from './make-task.ts';

/** What the flags hold. */
export interface DataArgs extends TaskArgs {
  readonly data: readonly string[];
  readonly format?: RowFormat;
  readonly columns?: string;
  readonly header?: string;
  readonly skipMalformed: boolean;
}

/** Flags that say where examples are, and how they are read. */
export const dataFlags: ReturnType<typeof flags> = flags('Data', {
  data: {
    type: 'texts',
    alias: 'd',
    describe: 'a file of examples, or a pattern in quotes: JSONL, CSV, TSV, Parquet or text; several times for several',
  },
  columns: { type: 'text', describe: 'columns that are called otherwise than usual: text=sentence,label=class' },
  format: {
    type: 'choice',
    choices: ['jsonl', 'csv', 'tsv', 'parquet', 'text', 'paragraphs'],
    describe: 'what the files hold, where their names don’t say',
  },
  header: { type: 'text', describe: 'names of a CSV file’s columns, where it has no line of names: label,text' },
  'skip-malformed': { type: 'switch', default: false, describe: 'leave out rows that can’t be read, and tell each' },
  'max-length': {
    type: 'number',
    alias: 'max-seq-length',
    min: 2,
    whole: true,
    describe: 'most tokens of a text; what the model sees, at most 512, unless given',
  },
  prefix: { type: 'text', alias: 'source-prefix', describe: 'seq2seq: put before each source' },
  'whole-word-mask': { type: 'switch', describe: 'mlm: masks all pieces of a word together' },
  'mlm-probability': {
    type: 'number',
    above: 0,
    max: 1,
    describe: 'mlm: share of tokens that are hidden; 0.15 unless given',
  },
  'learn-prompts': { type: 'switch', describe: 'clm: prompts count in the loss, too' },
});

/** What a task is called. */
export const taskFlag: Parameters<typeof flags>[1][string] = {
  type: 'choice',
  choices: taskNames,
  describe: 'what the model is for',
};

/** The data flags as options of the readers. @throws where none are given, or the columns can't be read. */
export function readOptions(a: DataArgs, task: TaskName): ReadExamplesOptions {
  if (!a.data?.length) throw usage('--data is missing', '--data FILE');
  const kind = exampleKinds[task];
  return {
    files: a.data,
    ...(a.format !== undefined && { format: a.format }),
    ...(a.header !== undefined && { header: a.header.split(',').map((name) => name.trim()) }),
    ...(a.columns !== undefined && { columns: columnMap(a.columns) }),
    ...(kind !== undefined && { kind }),
    skipMalformed: a.skipMalformed,
  };
}

/** Pairs of a field and its column: `text=sentence,label=class`. */
export function columnMap(text: string): ColumnMap {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const [field, column] = pair.split('=').map((one) => one.trim());
      if (!field || !column) throw usage(`--columns is '${text}'; needs pairs such as text=sentence,label=class`);
      return [field, column];
    }),
  ) as ColumnMap;
}
