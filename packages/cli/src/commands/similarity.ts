// lm similarity: how alike texts are, by the vectors of a sentence encoder; or a word's uses, by its vectors in context.
import { readFile } from 'node:fs/promises';
import type { SimilarityName } from '@brickwork/embedding';
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { utf8, type Io } from '../lib/io.ts';
import {
  encodeFlags,
  encodeOptions,
  openEncoder,
  standardEncoder,
  type EncodeArgs,
  encoderTypeFlag,
  type EncoderTypeArgs,
} from '../lib/open-encoder.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { readLines, type TextArgs } from '../lib/read-texts.ts';
import { table } from '../lib/table.ts';

interface Args extends EncoderTypeArgs, EngineArgs, ModelArgs, EncodeArgs {
  readonly text: readonly string[];
  readonly rest: readonly string[];
  readonly file?: readonly string[];
  readonly pairs?: string;
  readonly matrix: boolean;
  readonly topK: number;
  readonly similarity?: SimilarityName;
  readonly word?: string;
  readonly layer?: number;
  readonly json: boolean;
}

/** `lm similarity`. */
export const similarity: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; lines of stdin unless given' },
  },
  flags: {
    ...modelFlags(standardEncoder),
    ...flags('Texts', {
      file: {
        type: 'texts',
        alias: 'f',
        describe: 'a file with a text on each line; with one text, what it is compared with',
      },
      pairs: { type: 'text', describe: 'a file with two texts on each line, between them a tab: a score for each' },
      word: { type: 'text', describe: 'compares this word wherever it stands in the texts, by an encoder’s states' },
      layer: { type: 'number', whole: true, describe: 'with --word: of which layer; the last unless given' },
    }),
    ...encodeFlags,
    ...flags('Output', {
      matrix: { type: 'switch', default: false, describe: 'every text beside every other, not the best pairs' },
      'top-k': { type: 'number', alias: 'k', min: 1, whole: true, default: 10, describe: 'pairs that are shown' },
      similarity: {
        type: 'choice',
        choices: ['cosine', 'dot', 'euclidean', 'manhattan'],
        describe: 'how vectors are compared; distances are negative; what the model is made for unless given',
      },
      json: { type: 'switch', default: false, describe: 'lines of JSON' },
    }),
    ...engineFlags,
    ...encoderTypeFlag,
  },
  examples: [
    ['similarity "A man plays the guitar." "Someone makes music."', 'one number, 1 for the same'],
    ['similarity -f texts.txt -k 5', 'the five most similar pairs'],
    ['similarity "a text" -f texts.txt', 'the lines most similar to it'],
    ['similarity --pairs pairs.tsv', 'a score for each line'],
    ['similarity --word can "I can buy a can of fish"', 'a word as verb and noun'],
  ],
  async run(a, io) {
    if (a.word !== undefined) return compareWord(a, a.word, io);
    if (a.layer !== undefined) throw usage('--layer is for --word');
    const words = [...a.text, ...a.rest];
    if (a.pairs !== undefined && (words.length || a.file))
      throw usage('texts were given in more than one way', '--pairs, or texts');
    const asked = a.pairs === undefined ? null : await readPairs(a.pairs, io);
    const isSearch = words.length === 1 && a.file !== undefined;
    const texts = asked
      ? asked.flat()
      : isSearch
        ? await readLines({ text: [], rest: [], file: a.file! }, io)
        : await readLines(textsOf(a), io);
    if (!asked && !isSearch && texts.length < 2) throw usage('one text has nothing to be compared with', 'two or more');
    const signal = io.interruptible();
    const encoder = await openEncoder(a, io, signal);
    try {
      const { similarityBy } = await import('@brickwork/embedding');
      const compare = similarityBy(a.similarity ?? (encoder.similarity as SimilarityName));
      const query = isSearch ? words : [];
      const vectors = await encoder.encode([...texts, ...query], encodeOptions(a, encoder, signal));
      const of = (i: number, j: number): number => compare(vectors[i]!, vectors[j]!);
      if (asked) {
        for (const [i, [x, y]] of asked.entries()) {
          const score = of(2 * i, 2 * i + 1);
          await (a.json
            ? io.writeJson({ a: x, b: y, similarity: score })
            : io.write(`${score.toFixed(4)}\t${x}\t${y}\n`));
        }
        return;
      }
      if (isSearch) {
        const all = texts.map((text, i) => ({ text, similarity: of(i, texts.length) }));
        const best = all.toSorted((x, y) => y.similarity - x.similarity).slice(0, a.topK);
        if (a.json) for (const one of best) await io.writeJson(one);
        else await io.write(table(best.map((one) => [one.similarity.toFixed(4), one.text])));
        return;
      }
      const n = texts.length;
      if (a.matrix) {
        const rows = texts.map((_, i) => texts.map((__, j) => of(i, j)));
        if (a.json) await io.writeJson({ texts, similarities: rows });
        else {
          const head = ['', ...texts.map((_, j) => String(j))];
          const shown = rows.map((row, i) => [String(i), ...row.map((x) => x.toFixed(4)), short(texts[i]!)]);
          await io.write(
            table(
              [head, ...shown],
              texts.map((_, j) => j + 1),
            ),
          );
        }
        return;
      }
      if (n === 2 && !a.json && !a.file) return await io.write(`${of(0, 1).toFixed(4)}\n`);
      for (const { i, j, score } of bestPairs(n, of, a.topK))
        await (a.json
          ? io.writeJson({ a: texts[i], b: texts[j], similarity: score })
          : io.write(`${score.toFixed(4)}\t${texts[i]}\t${texts[j]}\n`));
    } finally {
      await encoder.dispose();
    }
  },
};

// --prompt is put before texts here, and is none.
const textsOf = ({ text, rest, file }: Args): TextArgs => ({ text, rest, ...(file && { file }) });

const short = (text: string): string => (text.length > 50 ? `${text.slice(0, 49)}…` : text);

interface Pair {
  readonly i: number;
  readonly j: number;
  readonly score: number;
}

// The most similar of all pairs; of many only the best are kept.
function bestPairs(n: number, of: (i: number, j: number) => number, most: number): Pair[] {
  let best: Pair[] = [];
  const order = (x: Pair, y: Pair): number => y.score - x.score || x.i - y.i || x.j - y.j;
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      best.push({ i, j, score: of(i, j) });
      if (best.length >= 4 * most + 1024) best = best.sort(order).slice(0, most);
    }
  return best.sort(order).slice(0, most);
}

async function readPairs(path: string, io: Io): Promise<[string, string][]> {
  const bytes =
    path === '-'
      ? null
      : await readFile(path).catch((cause: NodeJS.ErrnoException) => {
          const why = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' }[cause.code ?? ''] ?? cause.message;
          throw usage(`--pairs ${path}: ${why}`);
        });
  const text = bytes ? utf8(bytes, path) : await io.readStdin();
  const pairs = text.split(/\r?\n/).flatMap((line, i): [string, string][] => {
    if (!line.trim()) return [];
    const [x, y, ...more] = line.split('\t');
    if (x === undefined || y === undefined || more.length)
      throw new CliError(
        `${path}:${i + 1}: ${more.length + (y === undefined ? 1 : 2)} columns; needs two texts with a tab between them`,
      );
    return [[x, y]];
  });
  if (!pairs.length) throw usage(`--pairs ${path}: there are no pairs in it`);
  return pairs;
}

async function compareWord(a: Args, word: string, io: Io): Promise<void> {
  const texts = await readLines(textsOf(a), io);
  const signal = io.interruptible();
  // A vector for each token, wherever it stands, tells no uses apart.
  const named = a.model === standardEncoder ? 'models/encoder' : a.model;
  const folder = await modelPath({ ...a, model: named }, io, signal);
  const [{ AutoModel }, { compareContexts }] = await Promise.all([
    import('@brickwork/transformer'),
    import('@brickwork/embedding'),
  ]);
  const model = await AutoModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
  try {
    const { places, similarities } = await compareContexts(model, await model.tokenizer(), word, texts, {
      ...(a.layer !== undefined && { layer: a.layer }),
      signal,
    });
    if (a.json) {
      const described = places.map(({ context, start, end }) => ({ text: texts[context], start, end }));
      return await io.writeJson({ word, places: described, similarities });
    }
    // The word in brackets where it stands.
    const shown = places.map(({ context, start, end }) => {
      const text = texts[context]!;
      return short(`${text.slice(Math.max(0, start - 20), start)}[${text.slice(start, end)}]${text.slice(end)}`);
    });
    const head = ['', ...places.map((_, j) => String(j))];
    const rows = similarities.map((row, i) => [String(i), ...row.map((x) => x.toFixed(4)), shown[i]!]);
    await io.write(
      table(
        [head, ...rows],
        places.map((_, j) => j + 1),
      ),
    );
  } finally {
    await model.dispose();
  }
}
