// Shows generated text: one as it grows, several at the end, or as JSON.
import type { GeneratedText, TextChunk } from '@brickwork/transformer';
import type { Io } from './io.ts';
import { count, ProgressLine } from './progress.ts';

/** What is shown. */
export interface ShowOptions {
  readonly prompts: readonly string[];
  /** Whether texts begin with their prompt. */
  readonly echo: boolean;
  readonly json: boolean;
  /** Texts for each prompt. */
  readonly each: number;
}

/** What came. */
export interface Shown {
  readonly results: readonly GeneratedText[];
  readonly tokens: readonly TextChunk[];
  /** When the first token came, in milliseconds; null where there was none. */
  readonly firstToken: number | null;
}

/** Runs generation. One text is printed as it grows, several one after another at the end, with an empty line between. */
export async function showGeneration(
  chunks: AsyncGenerator<TextChunk, GeneratedText[], undefined>,
  { prompts, echo, json, each }: ShowOptions,
  io: Io,
): Promise<Shown> {
  const streams = !json && prompts.length === 1 && each === 1;
  const before = (prompt: number): string => (echo ? prompts[prompt]! : '');
  const line = new ProgressLine(io);
  const tokens: TextChunk[] = [];
  let firstToken: number | null = null;
  let printed = '';
  for (;;) {
    const next = await chunks.next();
    if (next.done) {
      line.clear();
      const results = next.value;
      if (streams) {
        const { text } = results[0]!;
        await io.write(`${firstToken === null ? before(0) : ''}${text.slice(printed.length)}\n`);
      } else if (!json) await io.write(`${results.map((r) => before(r.prompt) + r.text).join('\n\n')}\n`);
      return { results, tokens, firstToken };
    }
    const { text } = next.value;
    tokens.push(next.value);
    if (!streams) line.show(() => `${count(tokens.length)} tokens`);
    else await io.write(`${firstToken === null ? before(0) : ''}${text}`);
    printed += text;
    firstToken ??= performance.now();
  }
}

/** A text as a line of JSON has it. */
export function describeResult(
  result: GeneratedText,
  prompts: readonly string[],
  tokens: readonly TextChunk[],
  logprobs: number,
): Readonly<Record<string, unknown>> {
  const own = tokens.filter((token) => token.row === result.row);
  return {
    prompt: prompts[result.prompt],
    text: result.text,
    finish_reason: result.finishReason,
    prompt_tokens: result.promptLength,
    ids: result.ids,
    logprobs: result.logprobs,
    ...(logprobs ? { alternatives: own.map((token) => token.alternatives) } : {}),
    ...(result.seed === null ? {} : { seed: result.seed }),
    ...(result.score === null ? {} : { score: result.score }),
  };
}
