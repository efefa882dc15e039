// One text as a model's inputs.
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { Encoding, Tokenizer } from '@brickwork/tokenizer';
import type { Model } from '@brickwork/transformer';

/** A text's tokens and the inputs that they are. */
export interface OneText {
  readonly encoding: Encoding;
  readonly inputs: Record<string, HostTensor>;
}

/** @throws where the text has no tokens, or more than the model sees. */
export function encodeOne(who: string, model: Model, tokenizer: Tokenizer, text: string): OneText {
  const encoding = tokenizer.encode(text);
  const T = encoding.ids.length;
  if (!T) throw new Error(`${who}: the text has no tokens`);
  const { longest = {}, inputs: takes } = model.network;
  const most = longest[String(takes['input_ids']?.shape[1])];
  if (most !== undefined && T > most)
    throw new Error(`${who}: the text has ${T} tokens, but the model sees ${most}; cut it, or take a part`);
  const row = (values: readonly number[]): HostTensor => hostTensor(BigInt64Array.from(values, BigInt), [1, T]);
  return {
    encoding,
    inputs: {
      input_ids: row(encoding.ids),
      ...(takes['attention_mask'] && { attention_mask: row(encoding.ids.map(() => 1)) }),
    },
  };
}
