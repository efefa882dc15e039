// POST /v1/embeddings: vectors of texts (https://platform.openai.com/docs/api-reference/embeddings).
import { z } from 'zod';
import { fields, inputTexts, listOf } from './fields.ts';
import { invalid } from './http-error.ts';
import { modelFor } from './model-for.ts';
import type { Call, Served } from './served.ts';

const schema = z.object({
  model: z.string().optional(),
  input: inputTexts,
  encoding_format: z.enum(['float', 'base64'], { error: 'needs float or base64' }).default('float'),
  dimensions: z.int().min(1).optional(),
  user: z.string().max(1000).optional(),
});

/** Answers a request. */
export async function embeddings(served: Served, { body, signal }: Call): Promise<Response> {
  const f = fields(schema, body);
  const { model: encoder, id } = modelFor(served.embeddings, f.model, 'model of embeddings');
  if (f.dimensions !== undefined && f.dimensions > encoder.dimension)
    throw invalid(`dimensions is ${f.dimensions}; the model's vectors have ${encoder.dimension}`, 'dimensions');
  const texts = listOf(f.input).map((one, i) => {
    if (typeof one === 'string') return one;
    const wrong = one.find((token) => encoder.tokenizer.idToToken(token) === undefined);
    if (wrong !== undefined)
      throw invalid(`input: text ${i} has token id ${wrong}, which the vocabulary lacks`, 'input');
    return encoder.tokenizer.decode(one);
  });
  const options = { signal, ...(f.dimensions !== undefined && { dimension: f.dimensions }) };
  const vectors = await served.reading.through(1, signal, () => encoder.encode(texts, options));
  const tokens = texts.reduce((n, text) => n + encoder.encodeIds(text).ids.length, 0);
  served.metrics.tokens.inc({ kind: 'embedding' }, tokens);
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding:
      f.encoding_format === 'float'
        ? Array.from(vector)
        : Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64'),
  }));
  return Response.json({ object: 'list', data, model: id, usage: { prompt_tokens: tokens, total_tokens: tokens } });
}
