// POST /v1/completions: continues prompts (https://platform.openai.com/docs/api-reference/completions).
import { randomUUID } from 'node:crypto';
import type { FinishReason, TextChunk } from '@brickwork/transformer';
import { z } from 'zod';
import { fields, inputTexts, listOf, sampling } from './fields.ts';
import { invalid } from './http-error.ts';
import { merge } from './merge.ts';
import { modelFor } from './model-for.ts';
import type { Call, Served } from './served.ts';
import { eventStream } from './sse.ts';

const schema = z.object({
  ...sampling,
  prompt: inputTexts.default(''),
  max_tokens: z.int().min(0).default(16),
  logprobs: z.int().min(0).max(20).optional(),
  echo: z.boolean().default(false),
  best_of: z.int().min(1).optional(),
});

interface LogProbs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}
interface Choice {
  text: string;
  index: number;
  logprobs: LogProbs | null;
  finish_reason: 'stop' | 'length' | null;
}

/** The name that OpenAI has for why a text ended. */
export const finishName = (reason: FinishReason | null): 'stop' | 'length' | null =>
  reason === null ? null : reason === 'length' || reason === 'aborted' ? 'length' : 'stop';

/** Answers a request. */
export async function completions(served: Served, call: Call): Promise<Response> {
  const f = fields(schema, call.body);
  const language = modelFor(served.language, f.model, 'language model');
  if (f.best_of !== undefined && f.best_of !== f.n)
    throw invalid('best_of is not supported; leave it out, or give it the value of n.', 'best_of');
  const prompts = listOf(f.prompt).map((one) => language.encode(one, 'prompt'));
  if (prompts.length > language.maxRows)
    throw invalid(`prompt: ${prompts.length} prompts; at most ${language.maxRows} in a request`, 'prompt');
  if (f.max_tokens === 0 && !f.echo) throw invalid('max_tokens: needs 1 or more, or echo', 'max_tokens');
  const asks = prompts.map((prompt) => ({
    prompt,
    maxNewTokens: language.room(prompt, f.max_tokens, 'prompt'),
    logprobs: f.logprobs ?? 0,
    stop: [],
    fields: f,
  }));
  const { signal } = call;
  const about = {
    id: `cmpl-${randomUUID()}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model: language.id,
  };
  const promptTokens = prompts.reduce((n, p) => n + p.length, 0);
  const started = performance.now();
  let written = 0;
  const usage = (): object => ({
    prompt_tokens: promptTokens,
    completion_tokens: written,
    total_tokens: promptTokens + written,
  });
  const offsets = prompts.map(() => Array.from({ length: f.n }, () => 0));
  const logprobsOf = (p: number, sample: number, chunk: TextChunk): LogProbs | null => {
    if (f.logprobs === undefined) return null;
    const part: LogProbs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    if (chunk.finishReason === 'eos') return part;
    const token = language.tokenText(chunk.id);
    const top = chunk.alternatives.map(({ id, logprob }) => [language.tokenText(id), logprob] as const);
    part.tokens.push(token);
    part.token_logprobs.push(chunk.logprob);
    part.top_logprobs.push(Object.fromEntries(top.length ? top : [[token, chunk.logprob]]));
    part.text_offset.push(offsets[p]![sample]!);
    offsets[p]![sample]! += token.length;
    return part;
  };

  // What stands before each completion: the prompt, if asked for, with its own log-probabilities.
  async function before(p: number, sample: number): Promise<Choice | null> {
    if (!f.echo) return null;
    const ids = prompts[p]!;
    const given = listOf(f.prompt)[p]!;
    const text = typeof given === 'string' ? given : language.tokenizer.decode(ids);
    offsets[p]![sample] = text.length;
    let logprobs: LogProbs | null = null;
    if (f.logprobs !== undefined) {
      const tokens = ids.map((id) => language.tokenText(id));
      let offset = 0;
      logprobs = {
        tokens,
        token_logprobs: await language.promptLogProbs(ids, signal),
        top_logprobs: ids.map(() => null),
        text_offset: tokens.map((token) => (offset += token.length) - token.length),
      };
    }
    return { text, index: p * f.n + sample, logprobs, finish_reason: null };
  }

  async function* pieces(): AsyncGenerator<Choice, void, undefined> {
    for (const [p, sample] of prompts.flatMap((_, i) => Array.from({ length: f.n }, (__, k) => [i, k] as const))) {
      const first = await before(p, sample);
      if (first) yield first;
    }
    if (f.max_tokens === 0) {
      for (let i = 0; i < prompts.length * f.n; i++)
        yield { text: '', index: i, logprobs: null, finish_reason: 'length' };
      return;
    }
    const all = asks.map((ask) => language.generate(ask, { turnstile: served.writing, signal }));
    // Without chance all choices of a prompt are one.
    const copies = f.temperature > 0 ? 1 : f.n;
    for await (const [p, chunk] of merge(all)) {
      if (!written) served.metrics.firstToken.observe((performance.now() - started) / 1000);
      for (let copy = 0; copy < copies; copy++) {
        const sample = copies > 1 ? copy : chunk.row;
        written++;
        yield {
          text: chunk.text,
          index: p * f.n + sample,
          logprobs: logprobsOf(p, sample, chunk),
          finish_reason: finishName(chunk.finishReason),
        };
      }
    }
    served.metrics.tokens.inc({ kind: 'prompt' }, promptTokens);
    served.metrics.tokens.inc({ kind: 'completion' }, written);
  }

  if (f.stream) {
    const last = f.stream_options?.include_usage ?? false;
    async function* events(): AsyncGenerator<object, void, undefined> {
      for await (const choice of pieces()) yield { ...about, choices: [choice], ...(last && { usage: null }) };
      if (last) yield { ...about, choices: [], usage: usage() };
    }
    return await eventStream(events(), call.stream);
  }
  const choices: Choice[] = [];
  for await (const piece of pieces()) {
    const own = choices[piece.index];
    if (!own) {
      choices[piece.index] = piece;
      continue;
    }
    own.text += piece.text;
    own.finish_reason = piece.finish_reason ?? own.finish_reason;
    if (own.logprobs && piece.logprobs)
      for (const name of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'] as const)
        (own.logprobs[name] as unknown[]).push(...piece.logprobs[name]);
  }
  return Response.json({ ...about, choices, usage: usage() });
}
