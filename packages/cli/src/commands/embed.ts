// lm embed: a vector for each text.
import type { Precision, SentenceEncoder, VectorRanges } from '@brickwork/embedding';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import type { Io } from '../lib/io.ts';
import {
  encodeFlags,
  encodeOptions,
  openEncoder,
  standardEncoder,
  type EncodeArgs,
  encoderTypeFlag,
  type EncoderTypeArgs,
} from '../lib/open-encoder.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { checkTexts, streamTexts, type StreamArgs, type StreamedText } from '../lib/stream-texts.ts';
import { writeNpy, writeVectorTensor, type Row } from '../lib/vector-files.ts';

interface Args extends EncoderTypeArgs, EngineArgs, ModelArgs, EncodeArgs, StreamArgs {
  readonly output?: string;
  readonly precision: Precision;
  readonly calibrate?: string;
}

/** `lm embed`. */
export const embed: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; lines of stdin unless given' },
  },
  flags: {
    ...modelFlags(standardEncoder),
    ...flags('Texts', {
      file: { type: 'texts', alias: 'f', describe: 'a file with a text on each line, or lines of JSON (.jsonl)' },
      field: {
        type: 'text',
        describe: 'the field of JSON lines that holds the text; text in .jsonl files unless given',
      },
    }),
    ...encodeFlags,
    ...flags('Output', {
      output: {
        type: 'text',
        alias: 'o',
        describe: 'a file: .npy, .safetensors (the tensor embeddings) or .jsonl; lines of JSON on stdout unless given',
      },
      precision: {
        type: 'choice',
        choices: ['float32', 'int8', 'uint8', 'binary', 'ubinary'],
        default: 'float32',
        describe: 'what a value is kept as; binary: a bit',
      },
      calibrate: {
        type: 'text',
        describe:
          'a file of texts whose vectors say what int8 and uint8 reach from and to; the texts themselves unless given',
      },
    }),
    ...engineFlags,
    ...encoderTypeFlag,
  },
  examples: [
    ['embed "A man plays the guitar."', 'a line of JSON with the text and its vector'],
    ['embed -f texts.txt -o vectors.npy', 'a row for each line, for numpy'],
    ['embed -f rows.jsonl --field title --normalize', 'each row with its vector'],
    ['embed --precision int8 --calibrate corpus.txt < texts.txt', 'a byte for each axis'],
  ],
  async run(a, io) {
    checkTexts(a, io);
    const kind = a.output === undefined ? 'stdout' : /\.(npy|safetensors|jsonl)$/i.exec(a.output)?.[1]?.toLowerCase();
    if (!kind) throw usage(`--output is '${a.output}'; needs a name that ends in .npy, .safetensors or .jsonl`);
    const isByte = a.precision === 'int8' || a.precision === 'uint8';
    if (a.calibrate !== undefined && !isByte) throw usage('--calibrate is for --precision int8 and uint8');
    if (a.calibrate !== undefined) checkTexts({ text: [], rest: [], file: [a.calibrate] }, io);
    const signal = io.interruptible();
    const encoder = await openEncoder(a, io, signal);
    const line = new ProgressLine(io);
    try {
      const D = a.dimension ?? encoder.dimension;
      if (a.precision.endsWith('binary') && D % 8)
        throw usage(`--precision ${a.precision} needs a multiple of 8 axes; there are ${D}`, '--dimension');
      const rows = vectorsOf(a, encoder, io, signal, (done) => line.show(() => `${count(done)} texts`));
      if (kind === 'npy' || kind === 'safetensors') {
        const { quantizeVectors } = await import('@brickwork/embedding');
        const ranges = { low: new Float32Array(D), high: new Float32Array(D) };
        const [empty] = quantizeVectors([new Float32Array(D)], a.precision, { ranges });
        const only = vectorsAlone(rows);
        const write = kind === 'npy' ? writeNpy : writeVectorTensor;
        const written = await write(a.output!, only, empty!);
        line.clear();
        io.note(`${count(written)} vectors in ${a.output}`);
      } else if (kind === 'jsonl') {
        const { writeAtomic } = await import('@brickwork/runtime');
        let written = 0;
        await writeAtomic(a.output!, async (file) => {
          for await (const one of rows) {
            await file.write(`${JSON.stringify(described(one))}\n`);
            written++;
          }
        });
        line.clear();
        io.note(`${count(written)} vectors in ${a.output}`);
      } else
        for await (const one of rows) {
          line.clear();
          await io.writeJson(described(one));
        }
    } finally {
      line.clear();
      await encoder.dispose();
    }
  },
};

interface Embedded extends StreamedText {
  readonly vector: Row;
}

const described = ({ text, row, vector }: Embedded): object => ({
  ...(row ?? { text }),
  // Nine digits tell every float32 from the next.
  embedding: vector instanceof Float32Array ? Array.from(vector, (x) => Number(x.toPrecision(9))) : Array.from(vector),
});

async function* vectorsAlone(rows: AsyncIterable<Embedded>): AsyncGenerator<Row, void, undefined> {
  for await (const { vector } of rows) yield vector;
}

async function* vectorsOf(
  a: Args,
  encoder: SentenceEncoder,
  io: Io,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): AsyncGenerator<Embedded, void, undefined> {
  const { quantizeVectors, vectorRanges } = await import('@brickwork/embedding');
  const o = encodeOptions(a, encoder, signal);
  const encodeAll = async function* (given: StreamArgs): AsyncGenerator<StreamedText & { vector: Float32Array }> {
    // The rows that texts came from, until their vectors are there.
    const waiting: StreamedText[] = [];
    const texts = async function* (): AsyncGenerator<string> {
      for await (const one of streamTexts(given, io)) {
        waiting.push(one);
        yield one.text;
      }
    };
    for await (const { index, vector } of encoder.stream(texts(), o)) {
      onProgress(index + 1);
      yield { ...waiting.shift()!, vector };
    }
  };
  if (a.precision === 'float32') return yield* encodeAll(a);
  if (a.precision === 'binary' || a.precision === 'ubinary') {
    for await (const one of encodeAll(a)) yield { ...one, vector: quantizeVectors([one.vector], a.precision)[0]! };
    return;
  }
  let ranges: VectorRanges;
  if (a.calibrate !== undefined) {
    const vectors: Float32Array[] = [];
    for await (const { vector } of encodeAll({ text: [], rest: [], file: [a.calibrate] })) vectors.push(vector);
    if (!vectors.length) throw usage(`--calibrate ${a.calibrate}: there is no text in it`);
    ranges = vectorRanges(vectors);
    for await (const one of encodeAll(a))
      yield { ...one, vector: quantizeVectors([one.vector], a.precision, { ranges })[0]! };
    return;
  }
  const all: (StreamedText & { vector: Float32Array })[] = [];
  for await (const one of encodeAll(a)) all.push(one);
  if (!all.length) return;
  if (all.length < 100)
    io.note(`${a.precision}: ranges of ${all.length} texts are rough; --calibrate FILE takes those of more`);
  ranges = vectorRanges(all.map(({ vector }) => vector));
  for (const one of all) yield { ...one, vector: quantizeVectors([one.vector], a.precision, { ranges })[0]! };
}
