// POST /score: how likely the language model finds texts, token by token.
import { z } from 'zod';
import { fields } from './fields.ts';
import { invalid } from './http-error.ts';
import { modelFor } from './model-for.ts';
import type { Call, Served } from './served.ts';

const text = z.string().min(1).max(100_000);
const schema = z.object({
  model: z.string().optional(),
  input: z.union([text.transform((one) => [one]), z.array(text).min(1).max(256)], {
    error: 'needs a text, or a list of up to 256',
  }),
  /** What stands before each text and isn't scored. */
  context: z.string().max(100_000).optional(),
});

/** Answers a request. */
export async function score(served: Served, { body, signal }: Call): Promise<Response> {
  const f = fields(schema, body);
  const language = modelFor(served.language, f.model, 'language model');
  const items = f.input.map((one) => (f.context === undefined ? one : { context: f.context, text: one }));
  const scored = await served.reading.through(1, signal, async () => {
    try {
      return await language.scorer.score(items, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw invalid(`input: ${(error as Error).message}`, 'input');
    }
  });
  const data = scored.map((one, index) => ({
    object: 'score',
    index,
    text: one.text,
    log_probability: one.logProb,
    tokens_scored: one.count,
    perplexity: one.count ? Math.exp(-one.logProb / one.count) : null,
    bits_per_byte: one.bytes ? -one.logProb / Math.LN2 / one.bytes : null,
    tokens: one.tokens.map((token) => ({
      id: token.id,
      text: token.text,
      start: token.start,
      end: token.end,
      log_probability: token.logProb,
      surprisal: token.logProb === null ? null : -token.logProb / Math.LN2,
    })),
  }));
  served.metrics.tokens.inc(
    { kind: 'scored' },
    scored.reduce((n, one) => n + one.count, 0),
  );
  return Response.json({ object: 'list', model: language.id, data });
}
