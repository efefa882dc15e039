// Text-level generation: prompts in, text out piece by piece, never half a character and never part of a stop string.
import type { Decoder } from './decoder.ts';
import { generateTokens } from './generate-tokens.ts';
import { generationSettings, type GenerateOptions } from './options.ts';
import { StopStrings } from './stop-strings.ts';
import type { GeneratedSequence, GeneratedToken } from './tokens.ts';

/** What generation needs of a tokenizer. */
export interface TextCodec {
  encode(text: string): { readonly ids: readonly number[] };
  /** Decodes one sequence as it grows: `push` returns the characters that became complete, `end` what is left. */
  decodeStream(): { push(id: number): string; end(): string };
}

/** One generated token with the text that it completed. */
export interface TextChunk extends GeneratedToken {
  /** May be empty: the token ends amid a character, or in what may become a stop string, or ends the sequence. */
  readonly text: string;
}

/** One generated text. */
export interface GeneratedText extends GeneratedSequence {
  /** All of it, without the prompt, the end token and the stop string. */
  readonly text: string;
}

/** The tokens of the prompt that the decoding starts from, so that spaces and word pieces join as in the whole text. */
const contextTokens = 8;

/**
 * Continues a text, or each of several in one batch.
 *
 * @example
 * for await (const { text } of generateText(decoder, tokenizer, 'Once upon a time', { temperature: 0.8, seed: 7 }))
 *   process.stdout.write(text);
 *
 * @param decoder the model; driven by one generation at a time, and left open.
 * @param prompts one text or several; several are told apart by each chunk's `row`.
 * @returns an iterator of chunks, one for each token, whose texts joined are the row's text. Its return value is the texts
 *   with their finish reasons and tokens (see `collect`). On an abort the iteration ends without an error; what was held back
 *   then is in the return value only.
 * @throws at once, before any work, where an option or a prompt is refused.
 */
export function generateText(
  decoder: Decoder,
  codec: TextCodec,
  prompts: string | readonly string[],
  options: GenerateOptions = {},
): AsyncGenerator<TextChunk, GeneratedText[], undefined> {
  const { stop, numReturnSequences } = generationSettings(options, 'generateText');
  const texts = typeof prompts === 'string' ? [prompts] : prompts;
  const encoded = texts.map((text, p) => {
    if (typeof text !== 'string') throw new TypeError(`generateText: prompt ${p} is a ${typeof text}; needs a text`);
    const { ids } = codec.encode(text);
    if (!ids.length)
      throw new Error(
        `generateText: prompt ${p} (${JSON.stringify(text)}) has no tokens; needs one or more, such as the one that begins a text`,
      );
    return ids;
  });
  const rows = encoded.flatMap((ids) =>
    Array.from({ length: numReturnSequences }, () => new RowText(codec, ids.slice(-contextTokens), stop)),
  );
  const { stop: _, ...others } = options;
  const stopWhen = ({ row, id }: { row: number; id: number }): boolean => rows[row]!.push(id);
  return chunks(generateTokens(decoder, encoded, { ...others, stopWhen }), rows);
}

async function* chunks(
  tokens: AsyncGenerator<GeneratedToken, GeneratedSequence[], undefined>,
  rows: readonly RowText[],
): AsyncGenerator<TextChunk, GeneratedText[], undefined> {
  try {
    for (;;) {
      const next = await tokens.next();
      if (next.done)
        return next.value.map((sequence) => {
          const row = rows[sequence.row]!;
          row.end();
          row.take();
          return { ...sequence, finishReason: row.stopped ? 'stop' : sequence.finishReason, text: row.text };
        });
      const token = next.value;
      const row = rows[token.row]!;
      if (token.finishReason !== null) row.end();
      const finishReason = row.stopped ? 'stop' : token.finishReason;
      yield { ...token, finishReason, text: row.take() };
    }
  } finally {
    await tokens.return([]);
  }
}

/** The text of one row as it grows. */
class RowText {
  /** What was taken so far. */
  text = '';
  readonly #decode: ReturnType<TextCodec['decodeStream']>;
  readonly #stops: StopStrings;
  #ready = '';
  #ended = false;

  constructor(codec: TextCodec, before: readonly number[], stops: readonly string[]) {
    this.#decode = codec.decodeStream();
    for (const id of before) this.#decode.push(id);
    this.#stops = new StopStrings(stops);
  }

  get stopped(): boolean {
    return this.#stops.found !== null;
  }

  /** Adds a token; answers whether a stop string is complete. */
  push(id: number): boolean {
    this.#ready += this.#stops.push(this.#decode.push(id));
    return this.stopped;
  }

  /** No more tokens come: lets go what was held back. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ready += this.#stops.push(this.#decode.end()) + this.#stops.end();
  }

  /** The text that became certain since the last time. */
  take(): string {
    const text = this.#ready;
    this.#ready = '';
    this.text += text;
    return text;
  }
}
