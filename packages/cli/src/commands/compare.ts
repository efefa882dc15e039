// lm compare: under which of several language models is a text likeliest, and which of its words say so?
import type { JudgedText, RowFormat } from '@brickwork/training';
import type { Command } from '../lib/command.ts';
import { plainReport, plainText, reportText, textTable } from '../lib/compare-output.ts';
import { engineFlags } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { checkPicture, writePredictions } from '../lib/eval-report.ts';
import { flags } from '../lib/flags.ts';
import { labelledTexts, type LabelledArgs } from '../lib/labelled-texts.ts';
import { openClassifier, type ClassifierArgs } from '../lib/open-classifier.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { readLines, readTexts, type TextArgs } from '../lib/read-texts.ts';
import { writeDrawing } from '../lib/write-drawing.ts';

interface Args extends ClassifierArgs, TextArgs, LabelledArgs {
  readonly data?: readonly string[];
  readonly calibrate?: readonly string[];
  readonly lines: boolean;
  readonly evidence: number;
  readonly batchSize: number;
  readonly html?: string;
  readonly predictions?: string;
  readonly confusionMatrix?: string;
  readonly format?: RowFormat;
  readonly json: boolean;
}

/** `lm compare`. */
export const compare: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; stdin unless given' },
  },
  flags: {
    ...flags('Models', {
      model: {
        type: 'texts',
        alias: 'm',
        describe:
          'a language model, as NAME=FOLDER or a folder whose name is its class; two or more, or one classifier’s folder',
      },
      prior: { type: 'texts', describe: 'share of a class, as NAME=SHARE, one for each; all the same unless given' },
      offline: { type: 'switch', default: false, describe: 'only models that are in the cache already' },
      calibrate: {
        type: 'texts',
        describe: 'labelled texts, which no model was trained on, that the temperature is fitted to',
      },
    }),
    ...flags('Texts', {
      file: { type: 'texts', alias: 'f', describe: 'a file that is a text' },
      lines: { type: 'switch', default: false, describe: 'each line of files and of stdin is a text' },
      data: {
        type: 'texts',
        alias: 'd',
        describe: 'texts with their classes: JSONL, CSV or TSV with columns text and label',
      },
      format: {
        type: 'choice',
        choices: ['jsonl', 'csv', 'tsv', 'parquet'],
        describe: 'what the files hold, where their names don’t say',
      },
      header: { type: 'text', describe: 'names of a table’s columns, where it has no line of names: label,text' },
      columns: { type: 'text', describe: 'columns that are called otherwise than usual: text=sentence,label=class' },
      'skip-malformed': {
        type: 'switch',
        default: false,
        describe: 'leave out rows that can’t be read, and tell each',
      },
    }),
    ...flags('Results', {
      evidence: {
        type: 'number',
        min: 0,
        whole: true,
        default: 5,
        describe: 'words shown for and against the class found',
      },
      html: { type: 'text', describe: 'writes a page with texts coloured by what they say to this file' },
      predictions: { type: 'text', describe: 'writes a line of JSON for each text to this file' },
      'confusion-matrix': {
        type: 'text',
        describe: 'with -d: draws what was taken for what to this file, .svg or .png',
      },
      'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 32, describe: 'rows of a run at most' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each text, or with -d for all' },
    }),
    ...engineFlags,
  },
  examples: [
    ['compare train --class austen=emma.txt --class doyle=holmes.txt -o authors', 'a small model for each author'],
    ['compare -m authors "My dear Watson, you astonish me."', 'who would rather say so, and which words tell'],
    ['compare -m austen -m doyle -f passage.txt --html why.html', 'two models of your own; a page in colours'],
    ['compare -m authors -d held-out.tsv --json', 'accuracy, what was taken for what, and calibration'],
  ],
  async run(a, io) {
    checkPicture(a.confusionMatrix);
    const isTyped = a.text.length + a.rest.length > 0 || a.file !== undefined;
    if (a.data && isTyped) throw usage('texts were given in more than one way', 'one of: arguments, -f, -d');
    if (a.confusionMatrix !== undefined && !a.data) throw usage('--confusion-matrix is for labelled texts', '-d FILE');
    const signal = io.interruptible();
    const labelled = a.data ? await labelledTexts(a.data, a, io, signal) : null;
    const known = a.calibrate ? await labelledTexts(a.calibrate, a, io, signal) : null;
    const texts = labelled?.map(({ text }) => text) ?? (await (a.lines ? readLines(a, io) : plainTexts(a, io)));
    const classifier = await openClassifier(a, io, signal);
    const line = new ProgressLine(io);
    const options = {
      batchSize: a.batchSize,
      signal,
      onProgress: ({ done, total }: { done: number; total: number }): void =>
        line.show(() => `${count(done)} of ${count(total)} scores`),
    };
    try {
      for (const { label } of [...(labelled ?? []), ...(known ?? [])])
        if (!classifier.labels.includes(label))
          throw usage(`the data have the class ${label}; the models are ${classifier.labels.join(', ')}`);
      if (known) {
        const note = await classifier.calibrate(known, options);
        line.clear();
        io.note(`temperature ${note.temperature.toPrecision(4)}, fitted to ${count(note.texts)} texts`);
      }
      const report = labelled ? await classifier.evaluate(labelled, options) : null;
      const judged = report?.predictions ?? (await classifier.classify(texts, options));
      line.clear();
      await writeFiles(a, judged, texts, io);
      if (report) {
        const { labels } = classifier;
        if (a.confusionMatrix !== undefined) await draw(a.confusionMatrix, report.matrix, labels);
        if (a.json) await io.writeJson({ ...plainReport(report, labels), temperature: classifier.temperature });
        else await io.write(reportText(report, labels));
        if (!a.json) io.note(`${count(report.texts)} texts`);
        return;
      }
      for (const [i, one] of judged.entries()) {
        if (a.json) await io.writeJson(plainText(one, texts[i]!));
        else await io.write(`${i ? '\n' : ''}${textTable(one, texts[i]!, a.evidence)}`);
      }
    } finally {
      line.clear();
      await classifier.dispose();
    }
  },
};

async function plainTexts(a: Args, io: Parameters<typeof readTexts>[1]): Promise<string[]> {
  const isNone = !a.text.length && !a.rest.length && !a.file && io.stdin.isTTY === true;
  const given = isNone ? [] : await readTexts(a, io);
  // Of files and of stdin, the line end that editors put at the end is left out.
  const texts = a.text.length + a.rest.length ? given : given.map((text) => text.replace(/\r?\n$/, ''));
  if (!texts.length || texts.some((text) => !text.trim()))
    throw usage(texts.length ? 'a text is empty' : 'there is no text', 'a text in quotes, -f FILE, or -d FILE');
  return texts;
}

// More texts make a page that no browser likes.
const mostOnPage = 500;

async function writeFiles(
  a: Args,
  judged: readonly JudgedText[],
  texts: readonly string[],
  io: Parameters<typeof readTexts>[1],
): Promise<void> {
  if (a.predictions !== undefined)
    await writePredictions(
      a.predictions,
      judged.map((one, i) => plainText(one, texts[i]!)),
    );
  if (a.html === undefined) return;
  const [{ evidencePage }, { writeFileAtomic }] = await Promise.all([
    import('@brickwork/training'),
    import('@brickwork/runtime'),
  ]);
  await writeFileAtomic(a.html, evidencePage(judged.slice(0, mostOnPage)));
  if (judged.length > mostOnPage) io.note(`${a.html} has the first ${mostOnPage} of ${count(judged.length)} texts`);
}

async function draw(path: string, matrix: readonly Float64Array[], labels: readonly string[]): Promise<void> {
  const { confusionPicture } = await import('@brickwork/training');
  await writeDrawing(path, confusionPicture(matrix, labels));
}
