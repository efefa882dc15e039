// What a model generates where a reference says what PyTorch generated.
import { collect, generateTokens } from '@brickwork/transformer';

/**
 * Both in the same form: the new tokens of each row up to its end token, without padding.
 *
 * @param {import('@brickwork/transformer').Model} model
 * @param {{ tokens: number[][], prompt: { input_ids: number[][], attention_mask?: number[][] } }} generate
 *   `generate` of expected.json: the arguments of Hugging Face's `generate`, its prompt and its result
 * @param {AbortSignal} [signal]
 */
export async function generatedTokens(model, { tokens, prompt, ...asked }, signal) {
  const options = { maxNewTokens: asked.max_new_tokens, numBeams: asked.num_beams ?? 1, signal };
  const end = [asked.eos_token_id ?? model.generationConfig.eos_token_id ?? model.config.eos_token_id]
    .flat()
    .filter((id) => typeof id === 'number');
  const prompts = prompt.input_ids.map((row, i) => row.filter((_, t) => prompt.attention_mask?.[i]?.[t] !== 0));
  const decoder = model.decoder();
  const found = await collect(generateTokens(decoder, prompts, { ...options, eosTokenIds: end }));
  await decoder.dispose();
  const expected = tokens.map((row, i) => {
    const rest = row.slice(prompt.input_ids[i % prompts.length].length);
    const last = rest.findIndex((id) => end.includes(id));
    return last < 0 ? rest : rest.slice(0, last + 1);
  });
  return { expected, found: found.map(({ ids }) => [...ids]) };
}
