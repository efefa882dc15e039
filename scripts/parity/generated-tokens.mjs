// What a model generates where a reference says what PyTorch generated.
import {
  collect,
  generateTokens,
  generateTokensFrom,
  isSeq2Seq,
  Model,
  seq2seqDecoder,
  targetDefaults,
} from '@brickwork/transformer';

/**
 * Both in the same form: the new tokens of each row up to its end token, without padding.
 *
 * @param {import('@brickwork/transformer').Model} model
 * @param {{ tokens: number[][], prompt: { input_ids: number[][], attention_mask?: number[][] } }} generate
 *   `generate` of expected.json: the arguments of Hugging Face's `generate`, its prompt and its result
 * @param {AbortSignal} [signal]
 */
export async function generatedTokens(model, { tokens, prompt, ...asked }, signal) {
  // The arguments take the place of generation_config.json's fields; where there is none, config.json's count.
  const hasOwn = Object.keys(model.generationConfig).length > 0;
  const generationConfig = { ...model.generationConfig, ...asked, ...(!hasOwn && { _from_model_config: true }) };
  const asIf = new Model({ ...model, generationConfig });
  const { options, processors, last } = targetDefaults(asIf);
  const ends = options.eosTokenIds ?? [];
  const prompts = prompt.input_ids.map((row, i) => row.filter((_, t) => prompt.attention_mask?.[i]?.[t] !== 0));
  const isTarget = isSeq2Seq(model.network);
  const decoder = isTarget ? seq2seqDecoder(asIf) : model.decoder();
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const found = await collect(
    isTarget
      ? generateTokensFrom(decoder, prompts, { signal })
      : generateTokens(decoder, prompts, { ...given, processors: [...processors(ends), ...last], signal }),
  );
  await decoder.dispose();
  // Hugging Face gives a causal model's prompt back, filled up as it was, and a target with the token that starts it.
  const before = isTarget ? 1 : prompt.input_ids[0].length;
  const expected = tokens.map((row) => {
    const rest = row.slice(before);
    const end = rest.findIndex((id) => ends.includes(id));
    return end < 0 ? rest : rest.slice(0, end + 1);
  });
  return { expected, found: found.map(({ ids }) => [...ids]) };
}
