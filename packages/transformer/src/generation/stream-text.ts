// One prompt, one text: what the command line prints while it is made.
import type { Decoder } from './decoder.ts';
import { generateText, type TextCodec } from './generate-text.ts';
import type { GenerateOptions } from './options.ts';
import type { FinishReason } from './tokens.ts';

/** One token and the text that it completed, which may be none, or more than its own. */
export interface TextToken {
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of the model's own probability of the token. */
  readonly logprob: number;
}

/** Yields the tokens that continue one prompt, and returns why it ended. {@link generateText} does more. */
export async function* streamText(
  decoder: Decoder,
  codec: TextCodec,
  prompt: string,
  options: Omit<GenerateOptions, 'numReturnSequences'> = {},
): AsyncGenerator<TextToken, FinishReason, undefined> {
  const chunks = generateText(decoder, codec, prompt, options);
  try {
    for (;;) {
      const next = await chunks.next();
      if (next.done) return next.value[0]!.finishReason;
      const { id, text, logprob } = next.value;
      yield { id, text, logprob };
    }
  } finally {
    await chunks.return([]);
  }
}
