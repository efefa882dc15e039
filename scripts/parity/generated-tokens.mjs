// What a model generates where a reference says what PyTorch generated.
import { collect, generateTokens, isSeq2Seq, Seq2SeqDecoder } from '@brickwork/transformer';

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
  const given = prompt.input_ids.map((row, i) => row.filter((_, t) => prompt.attention_mask?.[i]?.[t] !== 0));
  const { decoder, prompts } = begin(model, given, asked);
  const found = await collect(generateTokens(decoder, prompts, { ...options, eosTokenIds: end }));
  await decoder.dispose();
  // Hugging Face gives a causal model's prompt back, filled up as it was, and a target with the token that starts it.
  const before = isSeq2Seq(model.network) ? 1 : prompt.input_ids[0].length;
  const expected = tokens.map((row) => {
    const rest = row.slice(before);
    const last = rest.findIndex((id) => end.includes(id));
    return last < 0 ? rest : rest.slice(0, last + 1);
  });
  return { expected, found: found.map(({ ids }) => [...ids]) };
}

// A causal model goes on from its prompts; an encoder-decoder reads them, and writes from a token of its own.
function begin(model, given, asked) {
  if (!isSeq2Seq(model.network)) return { decoder: model.decoder(), prompts: given };
  const { decoder_start_token_id: own } = { ...model.config, ...model.generationConfig, ...asked };
  const start = own ?? model.network.startId;
  if (typeof start !== 'number') throw new Error('generate: config.json has no decoder_start_token_id');
  const decoder = new Seq2SeqDecoder(model.network, model.weights);
  decoder.read(given);
  return { decoder, prompts: given.map(() => [start]) };
}
