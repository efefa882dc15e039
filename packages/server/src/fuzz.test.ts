// Whatever is sent, the server answers with JSON and the right kind of status, and goes on; and it keeps nothing of it.
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { Hono } from 'hono';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApp } from './app.ts';
import { openServed, type OpenServed } from './open-served.ts';

const shipped = (name: string): { id: string; path: string } => ({
  id: name,
  path: fileURLToPath(new URL(`../../../models/${name}`, import.meta.url)),
});
const errors: unknown[] = [];
let served: OpenServed;
let app: Hono;
beforeAll(async () => {
  served = await openServed({
    ...{ language: shipped('shakespeare'), embeddings: shipped('sentences'), images: shipped('digits') },
    ...{ maxRows: 4, maxQueue: 4, timeout: 20_000 },
  });
  app = createApp(served, { onError: (error) => errors.push(error) });
});
afterAll(() => served.dispose());

const routes = ['/v1/completions', '/v1/chat/completions', '/v1/embeddings', '/score', '/classify'];
const send = async (
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  type = 'application/json',
): Promise<Response> =>
  await app.fetch(new Request(`http://localhost${path}`, { method: 'POST', headers: { 'content-type': type }, body }));

/** It is an error of the request, told as JSON; or all was well. */
async function wellBehaved(response: Response): Promise<void> {
  const text = await response.text();
  expect(errors.map(String)).toEqual([]);
  expect([200, 400, 413, 415]).toContain(response.status);
  if (response.status === 200) return;
  const { error } = JSON.parse(text) as { error: { message: unknown; type: unknown } };
  expect(typeof error.message).toBe('string');
  expect(error.type).toBe('invalid_request_error');
}

// Values of every type, the right ones among them, so that some requests get through to the model.
const anything = fc.oneof(
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  fc.constantFrom(
    null,
    '',
    'ROMEO:',
    'é😀\u0000\ud800',
    0,
    1,
    -1,
    1e308,
    0.5,
    2 ** 53,
    true,
    false,
    [],
    {},
    [[]],
    [0, 1],
  ),
);
const message = fc.record({ role: fc.oneof(fc.constantFrom('user', 'system', 'tool'), anything), content: anything });
const names = [
  ...['model', 'prompt', 'input', 'image', 'context', 'stream', 'temperature', 'top_p', 'top_k', 'min_p', 'n', 'seed'],
  ...['stop', 'presence_penalty', 'frequency_penalty', 'repetition_penalty', 'logit_bias', 'logprobs', 'echo'],
  ...[
    'top_logprobs',
    'best_of',
    'suffix',
    'tools',
    'response_format',
    'dimensions',
    'encoding_format',
    'top_k',
    'user',
  ],
  ...['stream_options', 'grad_cam', 'max_completion_tokens', '__proto__', 'constructor'],
];
const request = fc.record({
  fields: fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 6 }),
  messages: fc.option(fc.array(message, { maxLength: 3 })),
  prompt: fc.option(fc.constantFrom('ROMEO:', ['A', 'B'], [1, 2, 3], 'To be')),
});

test('requests made of anything', { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), request, async (path, { fields, messages, prompt }) => {
      const body = {
        ...(prompt !== null && { prompt, input: prompt }),
        messages: messages ?? [{ role: 'user', content: 'Hi' }],
        ...fields,
        max_tokens: 4,
      };
      await wellBehaved(await send(path, JSON.stringify(body)));
    }),
    { numRuns: 300 },
  );
});

test('bytes of any kind, cut and bent JSON', async () => {
  const good = JSON.stringify({
    prompt: 'ROMEO:',
    messages: [{ role: 'user', content: 'Hi' }],
    input: 'a',
    max_tokens: 2,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...routes),
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(good.length).map((at) => Buffer.from(good.slice(0, at))),
        fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
          const bytes = Buffer.from(good);
          bytes[at] = byte;
          return bytes;
        }),
      ),
      async (path, bytes) => await wellBehaved(await send(path, new Uint8Array(bytes))),
    ),
    { numRuns: 200 },
  );
});

test('a million stop strings, nesting without end, endless numbers, other types', async () => {
  const stops = JSON.stringify({ prompt: 'A', stop: Array<string>(1e6).fill('x') });
  for (const [body, status] of [
    [stops, 400],
    [`{"prompt":${'['.repeat(1e6)}${']'.repeat(1e6)}}`, 400],
    [`{"seed":${'9'.repeat(1e5)}}`, 400],
    [`{"prompt":"${'a'.repeat(11 * 2 ** 20)}"}`, 413],
    [
      `{"prompt":"A","logit_bias":${JSON.stringify(Object.fromEntries(Array.from({ length: 5e4 }, (_, i) => [i, 1e9])))}}`,
      400,
    ],
  ] as const) {
    const response = await send('/v1/completions', body);
    expect(response.status).toBe(status);
    await wellBehaved(response);
  }
  for (const type of [
    '',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/x-www-form-urlencoded',
  ])
    expect((await send('/score', '{"input":"a"}', type)).status).toBe(415);
});

test('nothing is kept: memory in use is the same after as many requests again', { timeout: 240_000 }, async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const round = async (): Promise<number> => {
    for (let i = 0; i < 40; i++) {
      await wellBehaved(
        await send('/v1/completions', JSON.stringify({ prompt: 'ROMEO:', max_tokens: 8, logprobs: 3 })),
      );
      await wellBehaved(await send('/v1/embeddings', JSON.stringify({ input: [`text ${i}`] })));
      await wellBehaved(await send('/score', JSON.stringify({ input: 'To be or not to be' })));
      // Left amid a stream.
      const stream = await send('/v1/completions', JSON.stringify({ prompt: 'A', max_tokens: 50, stream: true }));
      const reader = stream.body!.getReader();
      await reader.read();
      await reader.cancel();
    }
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  await round();
  const before = await round();
  const after = await round();
  // A kept request would be 160 times its body, tokens and logits: over 5 MB.
  expect(after - before).toBeLessThan(2e6);
  expect(served.writing.inside + served.reading.inside).toBe(0);
});
