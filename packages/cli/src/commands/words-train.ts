// lm words train: vectors of words from your own text.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type {
  TrainWordsOptions,
  WordCorpus,
  WordTrainingEvent,
  WordTrainingState,
  WordVectors,
} from '@brickwork/embedding';
import type { Command } from '../lib/command.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { sizeOfFiles } from '../lib/text-files.ts';

interface Args {
  readonly files: readonly string[];
  readonly rest: readonly string[];
  readonly output: string;
  readonly method: 'skipgram' | 'cbow' | 'glove';
  readonly dimension: number;
  readonly window?: number;
  readonly negatives: number;
  readonly subsample: number;
  readonly epochs?: number;
  readonly rate?: number;
  readonly minCount: number;
  readonly maxVocabulary?: number;
  readonly split: 'words' | 'spaces';
  readonly lowerCase: boolean;
  readonly threads: number;
  readonly seed: number;
  readonly resume: boolean;
  readonly json: boolean;
}

/** `lm words train`. */
export const wordsTrain: Command<Args> = {
  positionals: {
    files: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'texts (.txt, .txt.gz: each paragraph is one), or rows with a field text',
    },
  },
  flags: {
    ...flags('Output', {
      output: {
        type: 'text',
        alias: 'o',
        required: true,
        describe: 'a file: .bin is word2vec binary, all else (.vec, .txt) text',
      },
      json: { type: 'switch', default: false, describe: 'the result as JSON' },
    }),
    ...flags('Words', {
      'min-count': { type: 'number', min: 1, whole: true, default: 5, describe: 'rarer words are left out' },
      'max-vocabulary': { type: 'number', min: 1, whole: true, describe: 'only the most frequent words' },
      split: {
        type: 'choice',
        choices: ['words', 'spaces'],
        default: 'words',
        describe: 'runs of letters and digits, or what white space parts',
      },
      'lower-case': { type: 'switch', default: true, describe: 'all in lower case' },
    }),
    ...flags('Training', {
      method: {
        type: 'choice',
        choices: ['skipgram', 'cbow', 'glove'],
        default: 'skipgram',
        describe: 'how they are trained',
      },
      dimension: { type: 'number', alias: 'd', min: 1, whole: true, default: 100, describe: 'values of a vector' },
      window: {
        type: 'number',
        min: 1,
        whole: true,
        describe: 'words to each side that count; 5, glove 10, unless given',
      },
      negatives: {
        type: 'number',
        min: 0,
        whole: true,
        default: 5,
        describe: 'words drawn against each that stands there',
      },
      subsample: {
        type: 'number',
        min: 0,
        default: 1e-3,
        describe: 'words with a larger share of the text are left out now and then',
      },
      epochs: {
        type: 'number',
        alias: 'e',
        min: 1,
        whole: true,
        describe: 'times through the text; 5, glove 15, unless given',
      },
      rate: { type: 'number', above: 0, describe: 'the first step size; 0.025, cbow and glove 0.05, unless given' },
      threads: {
        type: 'number',
        alias: 't',
        min: 1,
        max: 1024,
        whole: true,
        default: 1,
        describe: 'with one, the same seed gives the same vectors',
      },
      seed: { type: 'number', alias: 's', min: 0, whole: true, default: 1, describe: 'of all that is random' },
      resume: { type: 'switch', default: false, describe: 'goes on after the last whole epoch of an interrupted run' },
    }),
  },
  examples: [
    ['words train novels/*.txt -o novels.vec', 'skip-gram vectors of 100 values'],
    ['words train corpus.txt.gz -o corpus.bin --method glove -d 200 -t 4', 'GloVe in four threads'],
    ['words neighbours sea -w novels.vec', 'what they are good for'],
  ],
  async run(a, io) {
    const files = [...a.files, ...a.rest];
    sizeOfFiles(files);
    const stateFile = `${a.output}.state`;
    if (a.resume && !existsSync(stateFile)) throw usage(`--resume: there is no ${stateFile}`, 'leave --resume out');
    if (!a.resume && existsSync(stateFile))
      throw new CliError(`${stateFile} is of an interrupted run; needs --resume to go on, or remove it`);
    const signal = io.interruptible();
    const line = new ProgressLine(io);
    const { trainWordVectors, wordCorpus, writeWordVectors } = await import('@brickwork/embedding');
    try {
      const corpus = await wordCorpus(texts(files, signal), {
        minCount: a.minCount,
        split: a.split,
        lowerCase: a.lowerCase,
        signal,
        onProgress: (words) => line.show(() => `${count(words)} words read`),
        ...(a.maxVocabulary !== undefined && { maxVocabulary: a.maxVocabulary }),
      });
      line.clear();
      io.note(`${count(corpus.read)} words, ${count(corpus.words.length)} different ones with a vector each`);
      const settings: TrainWordsOptions = {
        method: a.method,
        dimension: a.dimension,
        negatives: a.negatives,
        subsample: a.subsample,
        seed: a.seed,
        threads: a.threads,
        ...(a.window !== undefined && { window: a.window }),
        ...(a.epochs !== undefined && { epochs: a.epochs }),
        ...(a.rate !== undefined && { rate: a.rate }),
      };
      const mark = JSON.stringify({ ...settings, threads: 0, words: corpus.words.length, total: corpus.total });
      const state = a.resume ? await readState(stateFile, mark) : null;
      const began = performance.now();
      let vectors: WordVectors | null = null;
      let loss = NaN;
      for await (const event of trainWordVectors(corpus, { ...settings, signal, ...(state && { state }) })) {
        if (event.type === 'progress') line.show(() => shown(event));
        else if (event.type === 'epoch') {
          loss = event.loss;
          await writeState(stateFile, event.state(), mark);
        } else vectors = event.vectors;
      }
      line.clear();
      await writeWordVectors(a.output, vectors!, { signal });
      await rm(stateFile, { force: true });
      const seconds = (performance.now() - began) / 1000;
      await report(a, corpus, { loss, seconds }, io);
    } catch (error) {
      if (signal.aborted && existsSync(stateFile)) io.note(`interrupted; the same command with --resume goes on`);
      throw error;
    } finally {
      line.clear();
    }
  },
};

async function* texts(files: readonly string[], signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const { readRows, formatOf } = await import('@brickwork/training');
  for (const file of files) {
    const isKnown = /\.(jsonl|ndjson|json|csv|tsv|tab|parquet)(\.gz)?$/i.test(file);
    for await (const { values, line } of readRows(file, { format: isKnown ? formatOf(file) : 'paragraphs', signal })) {
      const text = values['text'];
      if (typeof text !== 'string')
        throw new CliError(`${file}:${line}: the field text is ${JSON.stringify(text) ?? 'missing'}; needs a text`);
      yield text;
    }
  }
}

type Progress = Extract<WordTrainingEvent, { type: 'progress' }>;

function shown({ epoch, epochs, done, total, loss, perSecond }: Progress): string {
  const left = perSecond > 0 ? (total - done) / perSecond : 0;
  const time = left >= 90 ? `${Math.round(left / 60)} min` : `${Math.ceil(left)} s`;
  return `epoch ${epoch + 1} of ${epochs}: ${((100 * done) / total).toFixed(1)}%, loss ${loss.toFixed(4)}, ${count(perSecond)} words/s, ${time} left`;
}

async function writeState(path: string, { epoch, tables }: WordTrainingState, mark: string): Promise<void> {
  const { hostTensor, writeSafetensors } = await import('@brickwork/runtime');
  await writeSafetensors(path, new Map([['tables', hostTensor(tables)]]), { metadata: { epoch: String(epoch), mark } });
}

async function readState(path: string, mark: string): Promise<WordTrainingState> {
  const { readSafetensors } = await import('@brickwork/runtime');
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata?.['mark'] !== mark)
    throw new CliError(`${path} is of a run with other texts or settings; needs the same ones, or remove it`);
  return { epoch: Number(metadata['epoch']), tables: tensors.get('tables')!.data as Float32Array };
}

async function report(
  a: Args,
  { words, read }: WordCorpus,
  { loss, seconds }: { readonly loss: number; readonly seconds: number },
  io: Parameters<typeof wordsTrain.run>[1],
): Promise<void> {
  const { output, method, dimension } = a;
  if (a.json)
    await io.writeJson({
      output,
      method,
      dimension,
      words: words.length,
      read,
      loss: Number.isFinite(loss) ? loss : null,
      seconds,
    });
  else io.note(`${count(words.length)} words of ${dimension} values in ${output}, ${seconds.toFixed(1)} s`);
}
