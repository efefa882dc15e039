// How surprised a language model is, in the units that are published: per token, per byte, per character.

/** e to the mean loss in nats of a token: among how many equally likely tokens the model would have to choose. */
export const perplexity = (nats: number): number => Math.exp(nats);

/**
 * Bits of a byte of UTF-8: what tokenizers of different vocabularies can be compared by.
 *
 * @param nats mean loss of a token @param tokens how many the loss is of @param bytes of the text that they are
 */
export function bitsPerByte(nats: number, tokens: number, bytes: number): number {
  if (!(bytes > 0)) throw new Error(`bitsPerByte: ${bytes} bytes; needs more than 0`);
  return (nats * tokens) / Math.LN2 / bytes;
}

/** Bits of a character, of a loss in nats of a character. */
export const bitsPerCharacter = (nats: number): number => nats / Math.LN2;
