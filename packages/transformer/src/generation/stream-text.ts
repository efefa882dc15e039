// Continues a text token by token: the plainest way to generate, one prompt at a time.
import { argMax, draw } from '../samplers/pick.ts';
import type { Decoder } from './decoder.ts';
import type { TextCodec } from './generate-text.ts';
import { logSumExp } from './log-sum-exp.ts';
import { generationSettings, type GenerateOptions } from './options.ts';
import { sampleStream } from './random.ts';

/** One token and the text that it completed, which may be none, or more than its own. */
export interface TextToken {
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of the model's own probability of the token. */
  readonly logprob: number;
}

/**
 * Yields the tokens that continue a prompt, and returns why it ended. Text that may be the beginning of a stop text is held
 * back until it is known not to be.
 */
export async function* streamText(
  decoder: Decoder,
  codec: TextCodec,
  prompt: string,
  options: GenerateOptions = {},
): AsyncGenerator<TextToken, 'length' | 'stop' | 'eos' | 'aborted', void> {
  const o = generationSettings(options, 'streamText');
  if (o.numBeams > 1 || o.numReturnSequences > 1)
    throw new Error('streamText: one sequence without beams; numBeams and numReturnSequences are for others');
  const ids = [...codec.encode(prompt).ids];
  if (!ids.length) throw new Error('streamText: the prompt has no tokens; give it some text');
  const promptLength = ids.length;
  const uniform = sampleStream(
    typeof o.seed === 'number' ? o.seed : (o.seed?.[0] ?? Math.floor(Math.random() * 2 ** 32)),
  );
  const stream = codec.decodeStream();
  let held = '';
  const holdBack = (text: string): { out: string; stopped: boolean } => {
    held += text;
    const at = o.stop.map((s) => held.indexOf(s)).filter((i) => i >= 0);
    if (at.length) return { out: held.slice(0, Math.min(...at)), stopped: true };
    // The longest end of the text that begins a stop text.
    let keep = 0;
    for (const s of o.stop)
      for (let n = Math.min(s.length - 1, held.length); n > keep; n--) if (held.endsWith(s.slice(0, n))) keep = n;
    const out = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return { out, stopped: false };
  };
  let logits: Float32Array | null = null;
  for (let n = 0; n < o.maxNewTokens && ids.length < decoder.contextLength; n++) {
    if (o.signal?.aborted) return 'aborted';
    logits = logits ? await decoder.step([ids.at(-1)!]) : await decoder.prefill([ids]);
    const changed = logits.slice();
    for (const process of o.processors) process(changed, { ids, promptLength });
    const id = o.sample ? draw(changed, uniform()) : argMax(changed);
    const logprob = logits[id]! - logSumExp(logits);
    ids.push(id);
    if (o.eosTokenIds.includes(id)) return 'eos';
    const last = n + 1 === o.maxNewTokens || ids.length === decoder.contextLength;
    const { out, stopped } = holdBack(stream.push(id) + (last ? stream.end() : ''));
    yield { id, text: last && !stopped ? out + held : out, logprob };
    if (stopped) return 'stop';
  }
  return 'length';
}
