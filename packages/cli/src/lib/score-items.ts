// What lm score reads: texts, each maybe with what stands before it, from wherever lm embed takes them; pairs and whole files.
import type { ScoreItem } from '@brickwork/transformer';
import { CliError, usage } from './errors.ts';
import type { Io } from './io.ts';
import { readTexts } from './read-texts.ts';
import { checkTexts, streamTexts, type StreamArgs, type StreamedText } from './stream-texts.ts';

/** Where texts and their contexts are. */
export interface ItemArgs extends StreamArgs {
  readonly context?: string;
  /** Lines are a context, a tab and a text. */
  readonly pairs: boolean;
  /** Each file is one text. */
  readonly documents: boolean;
}

/** A text to score, and the object that it is a field of; null where it is a line. */
export interface RowItem {
  readonly item: ScoreItem;
  readonly row: StreamedText['row'];
}

const contextFields = ['context', 'prompt', 'source'];

/** @throws where flags don't go together, or there are no texts. */
export function checkItems(a: ItemArgs, io: Io): void {
  if (a.pairs && a.context !== undefined) throw usage('--pairs have contexts of their own; leave --context away');
  if (a.pairs && a.documents) throw usage('--pairs are lines, and --documents whole files', 'one of them');
  if (a.field !== undefined && (a.pairs || a.documents))
    throw usage('--field is for lines of JSON, not for pairs or documents');
  if (a.documents && a.text.length + a.rest.length) throw usage('--documents is for files and stdin');
  checkTexts(a, io);
}

/** The items one after another. Blank lines are left out. @throws where one isn't an item, with file and line. */
export async function* streamItems(a: ItemArgs, io: Io): AsyncGenerator<RowItem, void, undefined> {
  if (a.documents) {
    // One at a time: the next is read when this one is done with.
    for (const file of a.file ?? [null])
      for (const text of await readTexts({ text: [], rest: [], ...(file !== null && { file: [file] }) }, io)) {
        if (!text.trim()) throw new CliError(`${file ?? 'stdin'}: the document is empty; there is nothing to score`);
        yield { item: withContext(text, a.context), row: null };
      }
    return;
  }
  let number = 0;
  for await (const { text, row } of streamTexts(a, io)) {
    number++;
    if (!text.trim()) {
      if (row || a.text.length) throw new CliError(`text ${number} is empty; there is nothing to score`);
      continue;
    }
    if (a.pairs) yield { item: pairOf(text, number), row };
    else yield { item: withContext(text, contextOf(row, a.context, number)), row };
  }
}

const withContext = (text: string, context: string | undefined): ScoreItem =>
  context === undefined ? text : { context, text };

function contextOf(row: RowItem['row'], given: string | undefined, number: number): string | undefined {
  const name = row && contextFields.find((field) => typeof row[field] === 'string');
  if (!name) return given;
  if (given !== undefined) throw usage(`text ${number} has a ${name} of its own; leave --context away`);
  return row[name] as string;
}

function pairOf(line: string, number: number): ScoreItem {
  const at = line.indexOf('\t');
  if (at < 0 || !line.slice(at + 1).trim())
    throw new CliError(
      `text ${number}: ${JSON.stringify(line.slice(0, 60))} is no pair; needs a context, a tab and a text`,
    );
  return { context: line.slice(0, at), text: line.slice(at + 1) };
}
