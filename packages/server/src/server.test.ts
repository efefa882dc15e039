// The server as OpenAI's own client sees it, and as others do.
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import OpenAI, { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen, openServed, type OpenServed, type RunningServer } from './index.ts';

const shipped = (name: string): { id: string; path: string } => ({
  id: name,
  path: fileURLToPath(new URL(`../../../models/${name}`, import.meta.url)),
});
let served: OpenServed;
let server: RunningServer;
let client: OpenAI;
const key = 'a-key';
// Nothing here fails inside.
const errors: unknown[] = [];
const onError = (error: unknown): void => void errors.push(error);

beforeAll(async () => {
  served = await openServed({
    ...{ language: shipped('shakespeare'), embeddings: shipped('sentences'), images: shipped('digits') },
    ...{ maxRows: 4, maxQueue: 8, maxBody: 100_000 },
  });
  server = await listen(served, { port: 0, apiKey: key, grace: 200, cors: ['https://pages.example'], onError });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(async () => {
  await server.close();
  await served.dispose();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body),
  });
async function refused(response: Response, status: number, message: string): Promise<void> {
  const { error } = (await response.json()) as { error: { message: string; type: string } };
  expect(error.message).toContain(message);
  expect(typeof error.type).toBe('string');
  expect(response.status).toBe(status);
}

describe('with the openai client', () => {
  test('models', async () => {
    const ids = (await client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(['shakespeare', 'sentences', 'digits']);
    expect((await client.models.retrieve('digits')).owned_by).toBe('brickwork');
    await expect(client.models.retrieve('gpt-4')).rejects.toMatchObject({ status: 404 });
  });

  const ask = { model: 'shakespeare', prompt: 'ROMEO:', max_tokens: 24, seed: 5 } as const;

  test('completions: the same seed gives the same text, whole or as a stream', async () => {
    const whole = await client.completions.create(ask);
    expect(whole.choices[0]!.text).toHaveLength(24);
    expect(whole.usage).toEqual({ prompt_tokens: 6, completion_tokens: 24, total_tokens: 30 });
    expect(whole.choices[0]!.finish_reason).toBe('length');
    let text = '';
    let usage;
    const stream = await client.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(whole.choices[0]!.text);
    expect(usage).toEqual(whole.usage);
    const other = await client.completions.create({ ...ask, seed: 6 });
    expect(other.choices[0]!.text).not.toBe(text);
  });

  test('completions: several prompts and samples, echo, log-probabilities, stop, bias', async () => {
    const several = await client.completions.create({ ...ask, prompt: ['ROMEO:', 'JULIET:'], n: 2, max_tokens: 5 });
    expect(several.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(several.choices[0]!.text).not.toBe(several.choices[1]!.text);
    const ids = await client.completions.create({ ...ask, prompt: [30, 27, 25], max_tokens: 3 });
    expect(ids.usage!.prompt_tokens).toBe(3);
    const scored = await client.completions.create({ ...ask, max_tokens: 4, logprobs: 3, echo: true, temperature: 0 });
    const { logprobs, text } = scored.choices[0]!;
    expect(text.startsWith('ROMEO:')).toBe(true);
    expect(logprobs!.tokens!.join('')).toBe(text);
    expect(logprobs!.token_logprobs![0]).toBeNull();
    expect(logprobs!.text_offset).toEqual([...text].map((_, i) => i));
    for (const logprob of logprobs!.token_logprobs!.slice(1)) expect(logprob).toBeLessThanOrEqual(0);
    // Greedy: the likeliest alternative is what was written.
    const last = logprobs!.top_logprobs!.at(-1)!;
    expect(Object.keys(last)).toHaveLength(3);
    expect(Math.max(...Object.values(last))).toBe(last[text.at(-1)!]);
    const stopped = await client.completions.create({ ...ask, max_tokens: 100, temperature: 0, stop: [' '] });
    expect(stopped.choices[0]!.text).not.toContain(' ');
    expect(stopped.choices[0]!.finish_reason).toBe('stop');
    const e = await client.completions.create({ ...ask, max_tokens: 6, logit_bias: { 43: 100 } });
    expect(e.choices[0]!.text).toBe('eeeeee');
    const twice = await client.completions.create({ ...ask, max_tokens: 5, temperature: 0, n: 2 });
    expect(twice.choices.map((one) => one.text)).toEqual(Array(2).fill(twice.choices[0]!.text));
  });

  test('chats, whole and as a stream, with log-probabilities', async () => {
    const messages = [
      { role: 'system', content: 'Speak.' },
      { role: 'user', content: [{ type: 'text', text: 'Who art thou?' }] },
    ] as const;
    const all = { model: 'shakespeare', messages: [...messages] as never, max_completion_tokens: 20, seed: 1 };
    const whole = await client.chat.completions.create({ ...all, logprobs: true, top_logprobs: 2 });
    const { message, logprobs, finish_reason: finish } = whole.choices[0]!;
    expect(message.role).toBe('assistant');
    expect(logprobs!.content!.map(({ token }) => token).join('')).toContain(message.content!);
    expect(logprobs!.content![0]!.top_logprobs).toHaveLength(2);
    expect(['stop', 'length']).toContain(finish);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...all, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(message.content);
    const runner = client.chat.completions.stream(all);
    expect((await runner.finalChatCompletion()).choices[0]!.message.content).toBe(text);
  });

  test('embeddings, of which those of like texts are near; fewer axes; ids', async () => {
    const { data, usage } = await client.embeddings.create({
      model: 'sentences',
      input: ['The dog runs.', 'A dog is running.', 'Taxes rose in spring.'],
    });
    const dot = (i: number, j: number): number =>
      data[i]!.embedding.reduce((s, x, k) => s + x * data[j]!.embedding[k]!, 0);
    expect(dot(0, 1)).toBeGreaterThan(dot(0, 2));
    expect(usage.total_tokens).toBeGreaterThan(8);
    const plain = await client.embeddings.create({
      ...{ model: 'sentences', input: 'The dog runs.', encoding_format: 'float', dimensions: 8 },
    });
    expect(plain.data[0]!.embedding).toHaveLength(8);
  });

  test('what isn’t supported is said, as OpenAI says it', async () => {
    const chat = { model: 'shakespeare', messages: [{ role: 'user' as const, content: 'Hi' }] };
    const tools = [{ type: 'function' as const, function: { name: 'f' } }];
    await expect(client.chat.completions.create({ ...chat, tools })).rejects.toMatchObject({
      ...{ status: 400, param: 'tools', code: 'unsupported_parameter' },
    });
    await expect(client.chat.completions.create({ ...chat, model: 'gpt-4' })).rejects.toMatchObject({
      ...{ status: 400, code: 'model_not_found' },
    });
    const format = { type: 'json_object' as const };
    await expect(client.chat.completions.create({ ...chat, response_format: format })).rejects.toThrow("only 'text'");
    const picture = [{ type: 'image_url' as const, image_url: { url: 'data:,' } }];
    await expect(
      client.chat.completions.create({ model: 'shakespeare', messages: [{ role: 'user', content: picture }] }),
    ).rejects.toThrow(/content.*pictures/);
    const long = client.completions.create({ model: 'shakespeare', prompt: 'x'.repeat(200) });
    await expect(long).rejects.toMatchObject({ code: 'context_length_exceeded' });
    const wrong = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    const error = await wrong.models.list().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });
});

test('/score gives each token’s surprisal, which add up', async () => {
  const { data } = (await (await post('/score', { input: ['To be', 'zzqx'] })).json()) as {
    data: { log_probability: number; perplexity: number; tokens: { text: string; log_probability: number | null }[] }[];
  };
  expect(data[0]!.tokens.map(({ text }) => text).join('')).toBe('To be');
  const sum = data[0]!.tokens.reduce((s, token) => s + (token.log_probability ?? 0), 0);
  expect(data[0]!.log_probability).toBeCloseTo(sum, 6);
  expect(data[1]!.perplexity).toBeGreaterThan(data[0]!.perplexity);
});

test('/classify names a picture, and shows where it was seen', async () => {
  const { readFileSync } = await import('node:fs');
  const file = fileURLToPath(new URL('../../../models/digits/samples/3.png', import.meta.url));
  const image = readFileSync(file).toString('base64');
  const found = (await (
    await post('/classify', { image: `data:image/png;base64,${image}`, grad_cam: true, top_k: 2 })
  ).json()) as { classes: { label: string }[]; grad_cam: string };
  expect(found.classes.map(({ label }) => label)[0]).toBe('3');
  expect(found.classes).toHaveLength(2);
  expect(Buffer.from(found.grad_cam.split(',')[1]!, 'base64').subarray(1, 4).toString()).toBe('PNG');
  await refused(await post('/classify', { image: 'AAAA' }), 400, 'image');
  await refused(await post('/classify', { image: '<svg>' }), 400, 'base64');
});

describe('many at once', () => {
  test('sixteen clients get what each gets alone with the same seed', async () => {
    const own = (seed: number, one = client): Promise<string> =>
      one.completions
        .create({
          ...{
            model: 'shakespeare',
            prompt: `${'Come, '.repeat(seed)}`,
            seed,
            max_tokens: 10 + seed,
            temperature: 0.9,
          },
        })
        .then(({ choices }) => choices[0]!.text);
    // Four write and eight wait: the rest is sent away, and tries again as the client does by itself.
    const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 20 });
    const seeds = Array.from({ length: 16 }, (_, i) => i + 1);
    const together = await Promise.all(seeds.map((seed) => own(seed, patient)));
    for (const seed of seeds) expect(together[seed - 1]).toBe(await own(seed));
  });

  test('beyond the queue they are sent away with 429, and none is lost', async () => {
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, seed) =>
        post('/v1/completions', { prompt: 'Act', seed, max_tokens: 60 }).then(
          async (r) => [r.status, await r.text()] as const,
        ),
      ),
    );
    const counts = new Map<number, number>();
    for (const [status] of all) counts.set(status, (counts.get(status) ?? 0) + 1);
    expect([...counts.keys()].toSorted()).toEqual([200, 429]);
    expect(counts.get(200)).toBeGreaterThanOrEqual(12);
    const [, body] = all.find(([status]) => status === 429)!;
    expect((JSON.parse(body) as { error: { code: string } }).error.code).toBe('rate_limit_exceeded');
  });

  const rows = (): number => served.writing.inside + served.writing.waiting;
  async function until(is: () => boolean): Promise<void> {
    for (let i = 0; i < 500 && !is(); i++) await wait(10);
    expect(is()).toBe(true);
  }

  test('who leaves frees the place at once', async () => {
    const stop = new AbortController();
    const streams = Array.from({ length: 4 }, () =>
      client.completions.create(
        { model: 'shakespeare', prompt: 'A', max_tokens: 120, stream: true, logit_bias: { 0: -100 } },
        { signal: stop.signal },
      ),
    );
    for (const stream of await Promise.all(streams)) {
      const [first] = [stream[Symbol.asyncIterator]()];
      await first.next();
    }
    stop.abort();
    await until(() => rows() === 0);
  });

  test('a client that is killed frees its place', async () => {
    const body = JSON.stringify({ prompt: 'A', max_tokens: 120, n: 4, stream: true });
    const script = `fetch(${JSON.stringify(`${server.url}/v1/completions`)}, { method: 'POST', body: ${JSON.stringify(body)},
      headers: { authorization: 'Bearer ${key}', 'content-type': 'application/json' } })
      .then(async (r) => { for await (const _ of r.body) { console.log('first'); await new Promise(() => {}); } });
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGKILL');
    await until(() => rows() === 0);
  });
});

describe('who may ask, and how', () => {
  test('health and page without a key, all else with it', async () => {
    expect(await (await fetch(`${server.url}/health`)).json()).toEqual({ status: 'ok' });
    for (const path of ['/metrics', '/v1/models'])
      await refused(await fetch(`${server.url}${path}`), 401, 'No API key');
    await refused(await post('/score', { input: 'a' }, { authorization: 'Basic x' }), 401, 'No API key');
    const metrics = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
    expect(await metrics.text()).toMatch(/lm_tokens_total\{kind="completion"\} \d+/);
  });

  test('pages of other origins only where they are allowed', async () => {
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${server.url}/score`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      });
    const yes = await preflight('https://pages.example');
    expect([yes.status, yes.headers.get('access-control-allow-origin')]).toEqual([204, 'https://pages.example']);
    await refused(await preflight('https://evil.example'), 403, 'other origins');
    const direct = await post('/score', { input: 'a b' }, { origin: 'https://evil.example' });
    expect(direct.headers.get('access-control-allow-origin')).toBeNull();
  });

  // fetch sets Host itself.
  const raw = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.end(text));
      let answer = '';
      socket.on('data', (data) => (answer += data.toString()));
      socket.on('close', () => resolve(answer));
    });

  test('another site’s name for this machine is refused, and so is what is no HTTP', async () => {
    expect(await raw('GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 403.*not called/s,
    );
    expect(await raw('Hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400.*"error"/s);
    expect(await raw(`GET / HTTP/1.1\r\nX: ${'a'.repeat(99_999)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431.*"error"/s);
  });

  test('bodies', async () => {
    await refused(await post('/score', 'input=1', { 'content-type': 'text/plain' }), 415, 'application/json');
    await refused(await post('/score', '{"input":'), 400, 'not JSON');
    await refused(await post('/score', '[1]'), 400, 'not a JSON object');
    await refused(await post('/score', Buffer.from([0x7b, 0xff, 0x7d])), 400, 'not text in UTF-8');
    await refused(await post('/score', { input: 'a'.repeat(200_000) }), 413, 'more than 100000 bytes');
    await refused(await post('/v1/completions', { prompt: 'a', stop: Array(1e4).fill('x') }), 400, 'stop');
    await refused(await fetch(`${server.url}/score`, { headers: { authorization: `Bearer ${key}` } }), 405, 'POST');
    await refused(await post('/v1/completions', { prompt: 'Act 7' }), 400, 'prompt');
    await refused(await post('/nothing', {}), 404, '/nothing');
    expect((await fetch(`${server.url}/assets/..%2f..%2fpackage.json`)).status).toBe(404);
  });
});

test('nothing failed inside', () => expect(errors).toEqual([]));

test('a request that takes too long is given up', async () => {
  const slow = { ...served, timeout: 1 };
  const other = await listen(slow, { port: 0 });
  const response = await fetch(`${other.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'A', max_tokens: 120 }),
  });
  await refused(response, 408, 'more than 0.001 seconds');
  await other.close();
});

test('closing lets the running ones end, takes no more, and gives up those that take longer', async () => {
  const other = await listen(served, { port: 0, grace: 5000 });
  const body = JSON.stringify({ prompt: 'A', max_tokens: 60 });
  const headers = { 'content-type': 'application/json' };
  const running = fetch(`${other.url}/v1/completions`, { method: 'POST', headers, body });
  await wait(20);
  const closed = other.close();
  expect((await running).status).toBe(200);
  await closed;
  await expect(fetch(`${other.url}/health`)).rejects.toThrow('fetch failed');
  const hurried = await listen(served, { port: 0, grace: 1 });
  const cut = fetch(`${hurried.url}/v1/completions`, {
    ...{ method: 'POST', headers },
    body: JSON.stringify({ prompt: 'A', max_tokens: 120, n: 4 }),
  });
  await wait(20);
  await hurried.close();
  await refused(await cut, 503, 'shutting down');
});
