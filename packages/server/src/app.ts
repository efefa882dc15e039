// The server's routes, and what holds for all of them: who may ask, for how much, for how long, and how errors look.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hono } from 'hono';
import { chat } from './chat.ts';
import { classify } from './classify.ts';
import { completions } from './completions.ts';
import { embeddings } from './embeddings.ts';
import { HttpError, internal } from './http-error.ts';
import { readJson } from './read-json.ts';
import { score } from './score.ts';
import type { Call, Served } from './served.ts';

/** Who may use it. */
export interface AppOptions {
  /** Requests have to give this key: `Authorization: Bearer KEY`. Not needed unless given. */
  readonly apiKey?: string;
  /** Pages of these origins may use it from a browser, `*` for all; none unless given. */
  readonly cors?: readonly string[];
  /** The names under which it may be asked for (`Host`), so that no other site's name can lead here; any unless given. */
  readonly hosts?: readonly string[];
  /** Called with what went wrong inside. */
  readonly onError?: (error: unknown) => void;
  /** Aborted where the server closes: what still runs is given up. */
  readonly closing?: AbortSignal;
}

type Handler = (served: Served, call: Call) => Promise<Response>;

const routes: Readonly<Record<string, Handler>> = {
  '/v1/completions': completions,
  '/v1/chat/completions': chat,
  '/v1/embeddings': embeddings,
  '/score': score,
  '/classify': classify,
};

/** The server as a function of requests (`app.fetch`). */
export function createApp(
  served: Served,
  { apiKey, cors = [], hosts, onError = () => {}, closing }: AppOptions = {},
): Hono {
  const app = new Hono();
  const { metrics } = served;

  app.use(async (c, next) => {
    const host = (c.req.header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
    if (hosts && !hosts.includes(host))
      return new HttpError(
        403,
        'invalid_request_error',
        `This server is not called ${JSON.stringify(host.slice(0, 100))}; it is ${hosts.join(', ')}.`,
      ).toResponse();
    const origin = c.req.header('origin');
    const isAllowed = origin !== undefined && (cors.includes('*') || cors.includes(origin));
    if (c.req.method === 'OPTIONS' && c.req.header('access-control-request-method')) {
      if (!isAllowed)
        return new HttpError(
          403,
          'invalid_request_error',
          'Pages of other origins may not use this server.',
        ).toResponse();
      return new Response(null, {
        status: 204,
        headers: {
          'access-control-allow-origin': origin,
          'access-control-allow-methods': 'GET, POST',
          'access-control-allow-headers': c.req.header('access-control-request-headers') ?? '',
          'access-control-max-age': '600',
          vary: 'origin',
        },
      });
    }
    await next();
    if (isAllowed) {
      c.res.headers.set('access-control-allow-origin', origin);
      c.res.headers.append('vary', 'origin');
    }
    c.res.headers.set('x-content-type-options', 'nosniff');
    return undefined;
  });

  app.get('/health', (c) => c.json({ status: 'ok' }));

  // From here on the key is asked for; the page itself holds nothing that is secret.
  const page = pageFiles();
  app.get('/', () => page('index.html'));
  app.get('/assets/:name', (c) => page(join('assets', c.req.param('name'))));
  if (apiKey !== undefined) {
    const digest = (key: string): Buffer => createHash('sha256').update(key).digest();
    const right = digest(apiKey);
    app.use(async (c, next) => {
      const given = /^Bearer (.*)$/i.exec(c.req.header('authorization') ?? '')?.[1];
      if (given === undefined || !timingSafeEqual(digest(given), right))
        throw new HttpError(
          401,
          'authentication_error',
          given === undefined ? 'No API key given; needs Authorization: Bearer KEY.' : 'The API key is wrong.',
          { code: 'invalid_api_key', headers: { 'www-authenticate': 'Bearer' } },
        );
      await next();
    });
  }

  app.get(
    '/metrics',
    async () =>
      new Response(await metrics.registry.metrics(), { headers: { 'content-type': metrics.registry.contentType } }),
  );
  const models = modelList(served);
  app.get('/v1/models', (c) => c.json({ object: 'list', data: models }));
  app.get('/v1/models/*', (c) => {
    const id = decodeURIComponent(c.req.path.slice('/v1/models/'.length));
    const found = models.find((one) => one.id === id);
    if (!found)
      throw new HttpError(404, 'not_found_error', `There is no model ${JSON.stringify(id)}.`, {
        param: 'model',
        code: 'model_not_found',
      });
    return c.json(found);
  });

  for (const [path, handle] of Object.entries(routes))
    app.post(path, async (c) => {
      const left = new AbortController();
      const timer = AbortSignal.timeout(served.timeout);
      const signal = AbortSignal.any([c.req.raw.signal, left.signal, timer, ...(closing ? [closing] : [])]);
      const started = performance.now();
      const done = (status: number): void => {
        metrics.requests.inc({ route: path, status });
        metrics.seconds.observe({ route: path }, (performance.now() - started) / 1000);
      };
      // What the signal says is told by status.
      const told = (error: unknown): HttpError => {
        if (error instanceof HttpError) return error;
        if (timer.aborted)
          return new HttpError(408, 'timeout_error', `The request took more than ${served.timeout / 1000} seconds.`);
        if (closing?.aborted) return new HttpError(503, 'server_error', 'The server is shutting down.');
        if (signal.aborted) return new HttpError(499, 'invalid_request_error', 'The client left.');
        onError(error);
        return internal(error);
      };
      try {
        const body = await readJson(c.req.raw, served.maxBody);
        const response = await handle(served, {
          body,
          signal,
          stream: {
            onLeave() {
              left.abort();
              done(499);
            },
            onError: (error) => done(told(error).status),
            onEnd: () => done(200),
          },
        });
        if (!isStream(response)) done(response.status);
        return response;
      } catch (error) {
        const known = told(error);
        done(known.status);
        return known.toResponse();
      }
    });

  for (const path of ['/health', '/', '/metrics', '/v1/models', ...Object.keys(routes)])
    app.all(path, (c) => {
      const allow = Object.hasOwn(routes, path) ? 'POST' : 'GET';
      throw new HttpError(405, 'invalid_request_error', `${path} takes ${allow}, not ${c.req.method}.`, {
        headers: { allow },
      });
    });
  app.notFound((c) =>
    new HttpError(404, 'not_found_error', `There is nothing at ${c.req.path.slice(0, 200)}.`).toResponse(),
  );
  app.onError((error) => {
    if (error instanceof HttpError) return error.toResponse();
    onError(error);
    return internal(error).toResponse();
  });
  return app;
}

const isStream = ({ headers }: Response): boolean =>
  headers.get('content-type')?.startsWith('text/event-stream') ?? false;

function modelList({
  language,
  embeddings,
  images,
}: Served): { id: string; object: 'model'; created: number; owned_by: string }[] {
  return [language, embeddings, images].flatMap((one) =>
    one ? [{ id: one.id, object: 'model' as const, created: one.created, owned_by: 'brickwork' }] : [],
  );
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

// The page as it was built, beside this module's build.
function pageFiles(): (name: string) => Promise<Response> {
  const root = fileURLToPath(new URL('../dist/page/', import.meta.url));
  const cache = new Map<string, Uint8Array<ArrayBuffer>>();
  return async (name) => {
    const none = (): Response =>
      new HttpError(404, 'not_found_error', `There is nothing at /${name.slice(0, 200)}.`).toResponse();
    if (!/^(index\.html|assets[\\/][\w.-]+)$/.test(name) || name.includes('..')) return none();
    let content = cache.get(name);
    if (!content) {
      try {
        content = new Uint8Array(await readFile(join(root, name)));
      } catch {
        return none();
      }
      cache.set(name, content);
    }
    return new Response(content, {
      headers: {
        'content-type': types[extname(name)] ?? 'application/octet-stream',
        // Nothing from elsewhere, and no page around it.
        'content-security-policy':
          "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
        'cache-control': name === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable',
      },
    });
  };
}
