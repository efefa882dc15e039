// POST /v1/chat/completions: answers in a conversation (https://platform.openai.com/docs/api-reference/chat).
import { randomUUID } from 'node:crypto';
import type { TextChunk } from '@brickwork/transformer';
import { z } from 'zod';
import { finishName } from './completions.ts';
import { fields, sampling } from './fields.ts';
import { invalid } from './http-error.ts';
import { modelFor } from './model-for.ts';
import type { Call, Served } from './served.ts';
import { eventStream } from './sse.ts';

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: 'needs system, developer, user or assistant; tools are not supported by this server',
  }),
  content: z.union(
    [
      z.string(),
      z
        .array(z.object({ type: z.literal('text'), text: z.string() }))
        .transform((parts) => parts.map(({ text }) => text).join('')),
    ],
    { error: 'needs a text, or a list of parts of type text; pictures and sound are not supported by this server' },
  ),
});
const schema = z.object({
  ...sampling,
  messages: z.array(message).min(1).max(1000),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
  logprobs: z.boolean().default(false),
  top_logprobs: z.int().min(0).max(20).optional(),
  response_format: z
    .object({ type: z.literal('text', { error: "only 'text' is supported by this server" }) })
    .optional(),
});

interface TokenLogProb {
  token: string;
  logprob: number;
  bytes: number[];
  top_logprobs: { token: string; logprob: number; bytes: number[] }[];
}
interface Piece {
  readonly index: number;
  readonly text: string;
  readonly logprobs: { content: TokenLogProb[]; refusal: null } | null;
  readonly finish: 'stop' | 'length' | null;
}

/** Answers a request. */
export async function chat(served: Served, call: Call): Promise<Response> {
  const f = fields(schema, call.body);
  const language = modelFor(served.language, f.model, 'language model');
  if (f.top_logprobs !== undefined && !f.logprobs) throw invalid('top_logprobs: needs logprobs: true', 'top_logprobs');
  const format = language.chat;
  const turns = f.messages.map(({ role, content }) => ({ role: role === 'developer' ? 'system' : role, content }));
  let text: string;
  try {
    text = format.render(turns, true);
  } catch (error) {
    throw invalid(`messages: ${(error as Error).message}`, 'messages'); // the template refuses these roles
  }
  const prompt = language.encode(text, 'messages', format.addSpecialTokens);
  const maxNewTokens = language.room(prompt, f.max_completion_tokens ?? f.max_tokens, 'messages');
  const ask = { prompt, maxNewTokens, logprobs: f.top_logprobs ?? 0, stop: format.stop, fields: f };
  const about = {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: language.id,
  };
  const started = performance.now();
  let written = 0;
  const usage = (): object => ({
    prompt_tokens: prompt.length,
    completion_tokens: written,
    total_tokens: prompt.length + written,
  });
  const probability = (id: number, logprob: number): Omit<TokenLogProb, 'top_logprobs'> => {
    const token = language.tokenText(id);
    return { token, logprob, bytes: [...Buffer.from(token)] };
  };
  const logprobsOf = ({ id, logprob, alternatives, finishReason }: TextChunk): Piece['logprobs'] => {
    if (!f.logprobs) return null;
    const top_logprobs = alternatives.map((one) => probability(one.id, one.logprob));
    const content = finishReason === 'eos' ? [] : [{ ...probability(id, logprob), top_logprobs }];
    return { content, refusal: null };
  };
  async function* pieces(): AsyncGenerator<Piece, void, undefined> {
    const copies = f.temperature > 0 ? 1 : f.n;
    for await (const chunk of language.generate(ask, { turnstile: served.writing, signal: call.signal })) {
      if (!written) served.metrics.firstToken.observe((performance.now() - started) / 1000);
      for (let copy = 0; copy < copies; copy++) {
        written++;
        yield {
          index: copies > 1 ? copy : chunk.row,
          text: chunk.text,
          logprobs: logprobsOf(chunk),
          finish: finishName(chunk.finishReason),
        };
      }
    }
    served.metrics.tokens.inc({ kind: 'prompt' }, prompt.length);
    served.metrics.tokens.inc({ kind: 'completion' }, written);
  }

  if (f.stream) {
    const last = f.stream_options?.include_usage ?? false;
    const event = (index: number, delta: object, rest: object = {}): object => ({
      ...about,
      object: 'chat.completion.chunk',
      choices: [{ index, delta, logprobs: null, finish_reason: null, ...rest }],
      ...(last && { usage: null }),
    });
    async function* events(): AsyncGenerator<object, void, undefined> {
      const begun = new Set<number>();
      for await (const { index, text: content, logprobs, finish } of pieces()) {
        const role = begun.has(index) ? {} : { role: 'assistant' };
        begun.add(index);
        yield event(index, { ...role, content }, { logprobs, finish_reason: finish });
      }
      if (last) yield { ...about, object: 'chat.completion.chunk', choices: [], usage: usage() };
    }
    return await eventStream(events(), call.stream);
  }
  const choices = Array.from({ length: f.n }, (_, index) => ({
    index,
    message: { role: 'assistant', content: '', refusal: null },
    logprobs: f.logprobs ? { content: [] as TokenLogProb[], refusal: null } : null,
    finish_reason: 'stop' as 'stop' | 'length',
  }));
  for await (const { index, text: content, logprobs, finish } of pieces()) {
    const own = choices[index]!;
    own.message.content += content;
    own.logprobs?.content.push(...(logprobs?.content ?? []));
    own.finish_reason = finish ?? own.finish_reason;
  }
  return Response.json({ ...about, object: 'chat.completion', choices, usage: usage() });
}
