// What a row is an example of, told from the names of its columns.
import { RowError, type Row } from './row.ts';

/** What one side says in a conversation. */
export interface Turn {
  /** system, user, assistant, … */
  readonly role: string;
  readonly content: string;
}
/** A text to model. */
export interface TextExample {
  readonly kind: 'text';
  readonly text: string;
}
/** A text, or two, with a class, several classes, or a number. */
export interface LabelledExample {
  readonly kind: 'labelled';
  readonly text: string;
  readonly pair: string | null;
  readonly label: string | number | readonly (string | number)[];
}
/** A text and how it goes on. */
export interface CompletionExample {
  readonly kind: 'completion';
  readonly prompt: string;
  readonly completion: string;
}
/** A conversation. */
export interface ChatExample {
  readonly kind: 'chat';
  readonly messages: readonly Turn[];
}
/** Two texts that belong together, and one that doesn't if there is one. */
export interface PairExample {
  readonly kind: 'pair';
  readonly anchor: string;
  readonly positive: string;
  readonly negative: string | null;
}
/** A text and its translation or summary. */
export interface SequenceExample {
  readonly kind: 'sequence';
  readonly source: string;
  readonly target: string;
}
/** A question about a passage, and where its answers stand in it, in UTF-16 units; none where it has no answer. */
export interface QuestionExample {
  readonly kind: 'question';
  readonly question: string;
  readonly context: string;
  readonly answers: readonly { readonly text: string; readonly start: number }[];
}
/** Words with a label each. */
export interface WordsExample {
  readonly kind: 'words';
  readonly words: readonly string[];
  readonly labels: readonly (string | number)[];
}

/** What one row shows. */
export type Example =
  | TextExample
  | LabelledExample
  | CompletionExample
  | ChatExample
  | PairExample
  | SequenceExample
  | QuestionExample
  | WordsExample;

/** The kinds of examples. */
export type ExampleKind = Example['kind'];

/** The fields of all kinds, and the columns that commonly hold them. */
const usual = {
  text: ['text', 'sentence', 'sentence1', 'premise', 'content', 'question1', 'body', 'message'],
  pair: ['text_pair', 'pair', 'sentence2', 'hypothesis', 'question2'],
  label: ['label', 'labels', 'class', 'category', 'score', 'stars', 'target'],
  prompt: ['prompt', 'instruction'],
  completion: ['completion', 'response', 'output'],
  messages: ['messages', 'conversations', 'conversation'],
  anchor: ['anchor', 'query'],
  positive: ['positive', 'pos'],
  negative: ['negative', 'neg'],
  source: ['source', 'src', 'document', 'article'],
  target: ['target', 'tgt', 'summary', 'translation', 'highlights'],
  question: ['question'],
  context: ['context', 'passage'],
  answers: ['answers', 'answer'],
  words: ['tokens', 'words'],
  tags: ['ner_tags', 'pos_tags', 'tags', 'labels', 'label'],
} as const;

/** A field of an example that a column can be mapped to. */
export type ExampleField = keyof typeof usual;
/** The column of each field, where it isn't called as usual. */
export type ColumnMap = Readonly<Partial<Record<ExampleField, string>>>;

// What each kind is told by, the most telling first.
const kinds: readonly (readonly [ExampleKind, readonly ExampleField[]])[] = [
  ['chat', ['messages']],
  ['question', ['question', 'context']],
  ['words', ['words', 'tags']],
  ['pair', ['anchor', 'positive']],
  ['completion', ['prompt', 'completion']],
  ['sequence', ['source', 'target']],
  ['labelled', ['text', 'label']],
  ['text', ['text']],
];

/** Reads the examples that rows are. */
export interface ExampleReader {
  readonly kind: ExampleKind;
  /** The column of each field that this kind has here. */
  readonly columns: ColumnMap;
  /** @throws RowError where a row lacks a column or holds what can't be read. */
  read(row: Row): Example;
}

/**
 * Finds out from a first row what the rows of a data set are.
 *
 * @param columns where columns are called otherwise than usual
 * @param kind what the rows are to be, where they could be several things
 * @throws where the columns are those of no kind, or a mapped one isn't there.
 */
export function exampleReader(first: Row, columns: ColumnMap = {}, kind?: ExampleKind): ExampleReader {
  const there = Object.keys(first.values);
  const columnOf = (field: ExampleField): string | undefined => {
    const mapped = columns[field];
    if (mapped !== undefined) {
      if (!there.includes(mapped))
        throw new Error(`${first.file}: no column is called ${mapped} (for ${field}); there are ${there.join(', ')}`);
      return mapped;
    }
    return usual[field].find((name) => there.includes(name));
  };
  for (const field of Object.keys(columns))
    if (!Object.hasOwn(usual, field))
      throw new Error(`data: no field is called ${field}; there are ${Object.keys(usual).join(', ')}`);
  // A mapped column that a kind has no place for rules it out.
  const mapped = Object.keys(columns) as ExampleField[];
  const fits = ([name, needed]: (typeof kinds)[number]): boolean =>
    (kind === undefined || kind === name) &&
    needed.every((field) => columnOf(field) !== undefined) &&
    mapped.every((field) => fieldsOf[name].includes(field));
  const found = kinds.find(fits);
  if (!found)
    throw new Error(
      `${first.file}: the columns ${there.join(', ')} are not those of ${kind ? `kind ${kind}` : 'any known kind'}; map them, for example text=${there[0] ?? 'COLUMN'}`,
    );
  const [name] = found;
  const own = Object.fromEntries(
    fieldsOf[name].map((field) => [field, columnOf(field)]).filter(([, column]) => column !== undefined),
  ) as ColumnMap;
  return { kind: name, columns: own, read: (row) => readers[name](new Fields(row, own)) };
}

const fieldsOf: Readonly<Record<ExampleKind, readonly ExampleField[]>> = {
  text: ['text'],
  labelled: ['text', 'pair', 'label'],
  completion: ['prompt', 'completion'],
  chat: ['messages'],
  pair: ['anchor', 'positive', 'negative'],
  sequence: ['source', 'target'],
  question: ['question', 'context', 'answers'],
  words: ['words', 'tags'],
};

const readers: Readonly<Record<ExampleKind, (fields: Fields) => Example>> = {
  text: (f) => ({ kind: 'text', text: f.text('text') }),
  labelled: (f) => ({ kind: 'labelled', text: f.text('text'), pair: f.textOrNull('pair'), label: f.label() }),
  completion: (f) => ({ kind: 'completion', prompt: f.prompt(), completion: f.text('completion') }),
  chat: (f) => ({ kind: 'chat', messages: f.messages() }),
  pair: (f) => ({
    kind: 'pair',
    anchor: f.text('anchor'),
    positive: f.text('positive'),
    negative: f.textOrNull('negative'),
  }),
  sequence: (f) => ({ kind: 'sequence', source: f.text('source'), target: f.text('target') }),
  question: (f) => ({
    kind: 'question',
    question: f.text('question'),
    context: f.text('context'),
    answers: f.answers(),
  }),
  words: (f) => f.words(),
};

/** One row's values by field, checked. */
class Fields {
  readonly #row: Row;
  readonly #columns: ColumnMap;
  constructor(row: Row, columns: ColumnMap) {
    this.#row = row;
    this.#columns = columns;
  }
  #fail(field: ExampleField, needed: string): never {
    const column = this.#columns[field] ?? field;
    const value = this.#row.values[column];
    const shown = value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
    throw new RowError(this.#row.file, this.#row.line, `the column ${column} is ${shown}; needs ${needed}`);
  }
  #value(field: ExampleField): unknown {
    const column = this.#columns[field];
    return column === undefined ? undefined : this.#row.values[column];
  }
  text(field: ExampleField): string {
    const value = this.#value(field);
    return typeof value === 'string' ? value : this.#fail(field, 'a text');
  }
  textOrNull(field: ExampleField): string | null {
    const value = this.#value(field) ?? null;
    return value === null || typeof value === 'string' ? value : this.#fail(field, 'a text');
  }
  /** The prompt; in Alpaca's rows an instruction may have an `input` of its own, which follows it. */
  prompt(): string {
    const prompt = this.text('prompt');
    const more = this.#columns.prompt === 'instruction' ? this.#row.values['input'] : null;
    return typeof more === 'string' && more ? `${prompt}\n\n${more}` : prompt;
  }
  label(): string | number | readonly (string | number)[] {
    const value = plain(this.#value('label'));
    if (isLabel(value) || (Array.isArray(value) && value.every(isLabel))) return value;
    if (typeof value === 'boolean') return Number(value);
    return this.#fail('label', 'a class, a number or a list of them');
  }
  messages(): Turn[] {
    const list = this.#value('messages');
    if (!Array.isArray(list)) return this.#fail('messages', 'a list of {role, content}');
    return list.map((one: unknown): Turn => {
      const m = (typeof one === 'object' && one !== null ? one : {}) as Record<string, unknown>;
      const role = m['role'] ?? sharedRoles[String(m['from'])];
      const content = m['content'] ?? m['value'];
      if (typeof role !== 'string' || typeof content !== 'string')
        return this.#fail('messages', 'a role and a content in every message');
      return { role, content };
    });
  }
  answers(): { text: string; start: number }[] {
    const value = plain(this.#value('answers')) ?? [];
    const a = value as { text?: unknown; answer_start?: unknown };
    // SQuAD's columns: lists of texts and of places.
    const list = Array.isArray(a.text)
      ? a.text.map((text: unknown, i) => ({ text, answer_start: (a.answer_start as unknown[] | undefined)?.[i] }))
      : Array.isArray(value)
        ? (value as { text?: unknown; answer_start?: unknown }[])
        : [a];
    return list.map(({ text, answer_start }) => {
      const start = Number(answer_start);
      if (typeof text !== 'string' || !Number.isInteger(start) || start < 0)
        return this.#fail('answers', 'texts and where they start (answer_start)');
      return { text, start };
    });
  }
  words(): WordsExample {
    const [words, labels] = [plain(this.#value('words')), plain(this.#value('tags'))];
    if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
      return this.#fail('words', 'a list of words');
    if (!Array.isArray(labels) || !labels.every(isLabel) || labels.length !== words.length)
      return this.#fail('tags', `a label for each of ${words.length} words`);
    return { kind: 'words', words: words as string[], labels: labels as (string | number)[] };
  }
}

// ShareGPT's names of who speaks.
const sharedRoles: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  system: 'system',
};
const isLabel = (value: unknown): value is string | number => typeof value === 'string' || Number.isFinite(value);

// Parquet gives whole numbers as bigint.
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  return value;
}
