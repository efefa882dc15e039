// Rows of a text and its class.
import type { LabelledText, RowFormat } from '@brickwork/training';
import { CliError, usage } from './errors.ts';
import type { Io } from './io.ts';

/** What the flags hold. */
export interface LabelledArgs {
  readonly format?: RowFormat;
  readonly header?: string;
  readonly columns?: string;
  readonly skipMalformed: boolean;
}

/** Reads them. @throws with file and line where a row isn't one, and where there are none. */
export async function labelledTexts(
  files: readonly string[],
  a: LabelledArgs,
  io: Io,
  signal: AbortSignal,
): Promise<LabelledText[]> {
  const { existsSync } = await import('node:fs');
  for (const file of files)
    if (!existsSync(file) && !/[*?[\]{}]/.test(file)) throw usage(`--data ${file}: there is no such file`);
  const { readExamples, RowError } = await import('@brickwork/training');
  const { columnMap } = await import('./data-flags.ts');
  const texts: LabelledText[] = [];
  const examples = readExamples({
    files,
    kind: 'labelled',
    ...(a.format !== undefined && { format: a.format }),
    ...(a.header !== undefined && { header: a.header.split(',').map((name) => name.trim()) }),
    ...(a.columns !== undefined && { columns: columnMap(a.columns) }),
    skipMalformed: a.skipMalformed,
    onMalformed: (error) => io.note(`left out: ${error.message}`),
    signal,
  });
  for await (const { example, file, line } of examples) {
    if (example.kind !== 'labelled') continue;
    const { text, label } = example;
    const isOne = typeof label === 'string' || typeof label === 'number';
    const why = !isOne ? 'several labels; needs one class' : text.trim() ? null : 'the text is empty';
    if (why === null) texts.push({ text, label: String(label) });
    else if (a.skipMalformed) io.note(`left out: ${file}:${line}: ${why}`);
    else throw new RowError(file, line, why);
  }
  if (!texts.length) throw new CliError(`${files.join(', ')}: no rows of a text and a label`);
  return texts;
}
