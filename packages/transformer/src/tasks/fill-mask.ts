// The most probable tokens in the place of `[MASK]`, as Hugging Face's fill-mask pipeline gives them.
import { hostTensor, type RunOptions } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Model } from '../model.ts';
import { topCandidates } from '../samplers/top-candidates.ts';

/** A token for a masked place. */
export interface MaskFiller {
  /** Its probability there. */
  readonly score: number;
  readonly token: number;
  /** The token's text. */
  readonly tokenText: string;
  /** The text with this token in its place; other masks stay. */
  readonly sequence: string;
}

/** How to fill. */
export interface FillMaskOptions extends RunOptions {
  /** Tokens for each place; 5 unless given. */
  readonly topK?: number;
}

/**
 * Fills the masks of a text.
 *
 * @param text with the tokenizer's mask token in one place or several
 * @returns the most probable tokens of each masked place, best first
 * @throws where the model isn't a masked one, the tokenizer has no mask token, or the text has none.
 */
export async function fillMask(
  model: Model,
  tokenizer: Tokenizer,
  text: string,
  { topK = 5, signal }: FillMaskOptions = {},
): Promise<MaskFiller[][]> {
  if (!(Number.isInteger(topK) && topK > 0)) throw new Error(`fillMask: topK is ${topK}; needs a whole number above 0`);
  const { mask } = tokenizer.specialTokens;
  if (!mask)
    throw new Error(
      'fillMask: the tokenizer names no mask token (mask_token in tokenizer_config.json); is this a masked model?',
    );
  const { ids, typeIds } = tokenizer.encode(text);
  const places = ids.flatMap((id, t) => (id === mask.id ? [t] : []));
  if (!places.length)
    throw new Error(`fillMask: the text has no ${mask.content}: ${JSON.stringify(text.slice(0, 60))}`);
  const T = ids.length;
  const row = (values: readonly number[]): ReturnType<typeof hostTensor> =>
    hostTensor(BigInt64Array.from(values, BigInt), [1, T]);
  const { logits } = await model.run(
    {
      input_ids: row(ids),
      ...('token_type_ids' in model.network.inputs && { token_type_ids: row(typeIds) }),
    },
    ['logits'],
    signal ? { signal } : {},
  );
  const V = logits!.shape[2]!;
  return places.map((place) => {
    const own = (logits!.data as Float32Array).subarray(place * V, (place + 1) * V);
    const top = own.reduce((a, b) => Math.max(a, b), -Infinity);
    const total = own.reduce((n, v) => n + Math.exp(v - top), 0);
    // A model may have more rows than its tokenizer has tokens.
    const best = Array.from(topCandidates(own.subarray(0, tokenizer.vocabularySize), topK));
    return best.map((token) => {
      const filled = ids.map((id, t) => (t === place ? token : id));
      return {
        score: Math.exp(own[token]! - top) / total,
        token,
        tokenText: tokenizer.decode([token], { skipSpecialTokens: false }),
        sequence: decoded(tokenizer, filled, mask.id),
      };
    });
  });
}

// The text without what stands around it, but with the masks that are left.
function decoded(tokenizer: Tokenizer, ids: readonly number[], mask: number): string {
  const { specialTokens } = tokenizer;
  const around = new Set(
    Object.entries(specialTokens).flatMap(([role, token]) => (role === 'mask' || role === 'unk' ? [] : [token.id])),
  );
  return tokenizer.decode(
    ids.filter((id) => id === mask || !around.has(id)),
    { skipSpecialTokens: false },
  );
}
