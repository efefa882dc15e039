// Refuses prompts that a decoder cannot take, before any work is done.
import type { Decoder } from './decoder.ts';

/** @throws where a prompt is empty, longer than the context, or holds an id outside the vocabulary. */
export function checkPrompts(
  prompts: readonly (readonly number[])[],
  { vocabularySize, contextLength }: Pick<Decoder, 'vocabularySize' | 'contextLength'>,
  who = 'generate',
): void {
  if (!prompts.length) throw new Error(`${who}: no prompts; needs one or more`);
  prompts.forEach((prompt, p) => {
    if (!prompt.length)
      throw new Error(`${who}: prompt ${p} is empty; needs one token or more, such as the token that begins a text`);
    if (prompt.length > contextLength)
      throw new Error(
        `${who}: prompt ${p} has ${prompt.length} tokens, but the model's context holds ${contextLength}; shorten it by ${prompt.length - contextLength} or more`,
      );
    for (const id of prompt)
      if (!(Number.isInteger(id) && id >= 0 && id < vocabularySize))
        throw new Error(
          `${who}: prompt ${p} holds id ${String(id)}; needs whole numbers from 0 to ${vocabularySize - 1}. Is this the model's own tokenizer?`,
        );
  });
}
