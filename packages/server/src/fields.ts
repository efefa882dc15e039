// Fields of requests, checked; what is wrong is named as OpenAI's API names it.
import { z } from 'zod';
import { invalid } from './http-error.ts';

/** Fields of OpenAI's API that change what is computed in a way that isn't done here, and when they may stand there. */
const unsupported: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: (v) => Array.isArray(v) && v.length === 0,
  functions: (v) => Array.isArray(v) && v.length === 0,
  tool_choice: (v) => v === 'none' || v === 'auto',
  function_call: (v) => v === 'none',
  audio: () => false,
  modalities: (v) => Array.isArray(v) && v.every((one) => one === 'text'),
  prediction: () => false,
  suffix: (v) => v === '',
  web_search_options: () => false,
};

/**
 * The fields that a schema knows. null is as if left out; what isn't known is left alone, as clients send more than is needed.
 *
 * @throws where a field has another type or value than the schema says, or is one that isn't supported.
 */
export function fields<T extends z.ZodType>(schema: T, given: Readonly<Record<string, unknown>>): z.infer<T> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  for (const [name, isHarmless] of Object.entries(unsupported))
    if (Object.hasOwn(present, name) && !isHarmless(present[name]))
      throw invalid(`${name} is not supported by this server; leave it out.`, name, 'unsupported_parameter');
  const read = schema.safeParse(present);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const path = issue!.path.map((part, i) =>
    typeof part === 'number' ? `[${part}]` : i ? `.${String(part)}` : String(part),
  );
  const param = path.join('').slice(0, 200);
  throw invalid(`${param || 'The request'}: ${issue!.message.slice(0, 300)}`, param || null);
}

/** A whole number from 0 that a seed can be, from any whole number. */
export const seedOf = (seed: number): number => Math.abs(seed);

const penalty = z.number().min(-2).max(2);

/** Most stop strings, and characters of one. */
const stops = { count: 16, length: 500 };

/** The fields of sampling, which completions and chats share, checked. */
export interface SamplingFields {
  readonly model: string | undefined;
  readonly stream: boolean;
  readonly stream_options: { readonly include_usage?: boolean | undefined } | undefined;
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
  readonly min_p: number;
  readonly n: number;
  readonly seed: number | undefined;
  readonly stop: string[];
  readonly presence_penalty: number;
  readonly frequency_penalty: number;
  readonly repetition_penalty: number;
  /** By token id; -100 forbids a token. */
  readonly logit_bias: Record<string, number>;
  readonly user: string | undefined;
}

/** How they are checked. */
export const sampling: { readonly [K in keyof SamplingFields]: z.ZodType<SamplingFields[K]> } = {
  model: z.string().optional(),
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().optional() }).optional(),
  temperature: z.number().min(0).max(2).default(1),
  top_p: z.number().gt(0).max(1).default(1),
  top_k: z.int().min(0).default(0),
  min_p: z.number().min(0).max(1).default(0),
  n: z.int().min(1).max(128).default(1),
  seed: z.int().optional(),
  stop: z
    .union([
      z
        .string()
        .min(1)
        .max(stops.length)
        .transform((one) => [one]),
      z.array(z.string().min(1).max(stops.length)).max(stops.count),
    ])
    .default([]),
  presence_penalty: penalty.default(0),
  frequency_penalty: penalty.default(0),
  repetition_penalty: z.number().gt(0).max(10).default(1),
  logit_bias: z.record(z.string().regex(/^\d{1,9}$/, 'needs token ids'), z.number().min(-100).max(100)).default({}),
  user: z.string().max(1000).optional(),
};

/** A text, several, ids of one, or ids of several. */
export const inputTexts: z.ZodType<string | string[] | number[] | number[][]> = z.union(
  [
    z.string(),
    z.array(z.string()).min(1).max(2048),
    z.array(z.int().min(0)).min(1),
    z
      .array(z.array(z.int().min(0)).min(1))
      .min(1)
      .max(2048),
  ],
  { error: 'needs a text, a list of texts, a list of token ids, or a list of those' },
);

/** As lists of texts or of ids. */
export function listOf(input: string | string[] | number[] | number[][]): (string | number[])[] {
  if (typeof input === 'string') return [input];
  return typeof input[0] === 'number' ? [input as number[]] : (input as (string | number[])[]);
}
