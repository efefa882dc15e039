// Scores of what a model writes, beside what it should have: answers, translations, and the bytes of a text.
import type { Example, ReadExamplesOptions } from '@brickwork/training';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { CompileOptions } from '@brickwork/runtime';
import type { Model } from '@brickwork/transformer';
import type { Scores } from './scores.ts';

/** How a model writes, and whom to tell. */
export interface TextScoreOptions {
  readonly batchSize: number;
  readonly prefix: string;
  readonly numBeams?: number;
  readonly maxNewTokens?: number;
  readonly signal: AbortSignal;
  readonly compile: CompileOptions;
  readonly onProgress: (done: number) => void;
  /** Called with each text, in order. */
  readonly onPrediction: (row: { readonly predicted: string; readonly expected: readonly string[] }) => void;
}

async function* examplesOf<K extends Example['kind']>(
  o: ReadExamplesOptions,
  kind: K,
): AsyncGenerator<Extract<Example, { kind: K }>> {
  const { readExamples } = await import('@brickwork/training');
  for await (const { example } of readExamples(o))
    if (example.kind === kind) yield example as Extract<Example, { kind: K }>;
}

/** BLEU and chrF of what an encoder-decoder writes, by greedy decoding or beams. */
export async function translationScores(
  model: Model,
  tokenizer: Tokenizer,
  data: ReadExamplesOptions,
  o: TextScoreOptions,
): Promise<Scores> {
  const { bleu, chrf } = await import('@brickwork/training');
  const { collect, generateFrom, seq2seqDecoder } = await import('@brickwork/transformer');
  const pairs: { source: string; target: string }[] = [];
  for await (const { source, target } of examplesOf(data, 'sequence')) pairs.push({ source, target });
  if (!pairs.length) return {};
  const decoder = seq2seqDecoder(model, o.compile);
  const texts: string[] = [];
  try {
    for (let first = 0; first < pairs.length; first += o.batchSize) {
      o.signal.throwIfAborted();
      const some = pairs.slice(first, first + o.batchSize);
      const options = { numBeams: o.numBeams, maxNewTokens: o.maxNewTokens, signal: o.signal };
      const sources = some.map(({ source }) => o.prefix + source);
      const written = await collect(generateFrom(decoder, tokenizer, sources, options));
      o.signal.throwIfAborted();
      // Only the first of what may be several for each source.
      some.forEach(({ target }, i) => {
        const text = written.find(({ prompt }) => prompt === i)!.text.trim();
        texts.push(text);
        o.onPrediction({ predicted: text, expected: [target] });
      });
      o.onProgress(Math.min(pairs.length, first + o.batchSize));
    }
  } finally {
    await decoder.dispose();
  }
  const references = pairs.map(({ target }) => [target]);
  return { bleu: bleu(texts, references).score, chrf: chrf(texts, references) };
}

/** Exact match and F1 of the texts of answers, as SQuAD's. */
export async function answerScores(
  model: Model,
  tokenizer: Tokenizer,
  data: ReadExamplesOptions,
  o: Pick<TextScoreOptions, 'signal' | 'onProgress' | 'onPrediction'>,
): Promise<Scores> {
  const { exactMatch, wordF1 } = await import('@brickwork/training');
  const { answer } = await import('@brickwork/transformer');
  let [exact, f1, count] = [0, 0, 0];
  for await (const { question, context, answers } of examplesOf(data, 'question')) {
    o.signal.throwIfAborted();
    // Where there may be none, an empty text is the right answer.
    const expected = answers.length ? answers.map(({ text }) => text) : [''];
    const how = { handleImpossible: !answers.length, signal: o.signal };
    const [found] = await answer(model, tokenizer, { question, context }, how);
    const predicted = found?.answer ?? '';
    exact += exactMatch(predicted, expected);
    f1 += wordF1(predicted, expected);
    o.onPrediction({ predicted, expected });
    o.onProgress(++count);
  }
  return count ? { exact_match: exact / count, f1: f1 / count } : {};
}

/** Bytes of UTF-8 of all plain texts; null where there are others, or none. */
export async function bytesOfTexts(data: ReadExamplesOptions): Promise<number | null> {
  const { readExamples } = await import('@brickwork/training');
  let bytes = 0;
  for await (const { example } of readExamples(data)) {
    if (example.kind !== 'text') return null;
    bytes += Buffer.byteLength(example.text);
  }
  return bytes || null;
}
