// lm serve: models over HTTP, with OpenAI's interface and a page to try them.
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { Command } from '../lib/command.ts';
import { decoderFlags, decoderOptions, type DecoderArgs } from '../lib/decoder-flags.ts';
import { engineFlags, engineOptions } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { utf8 } from '../lib/io.ts';
import { standardModel } from '../lib/model-folder.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';

interface Args extends ModelArgs, DecoderArgs {
  readonly embeddings: string;
  readonly images: string;
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly cors?: readonly string[];
  readonly template?: string;
  readonly parallel: number;
  readonly queue: number;
  readonly timeout: number;
  readonly maxBody: number;
  readonly grace: number;
  readonly json: boolean;
}

/** `lm serve`. */
export const serve: Command<Args> = {
  flags: {
    ...modelFlags(standardModel),
    ...flags('Model', {
      embeddings: {
        type: 'text',
        default: 'models/sentences',
        describe: 'model of /v1/embeddings, or none',
      },
      images: { type: 'text', default: 'models/digits', describe: 'model of /classify, or none' },
      template: {
        type: 'text',
        describe:
          'how chats are written where the model has no template: plain (unless given), chatml, or a file with one',
      },
    }),
    ...flags('Server', {
      host: { type: 'text', default: '127.0.0.1', describe: 'this machine alone, or 0.0.0.0 for all who reach it' },
      port: {
        type: 'number',
        alias: 'p',
        min: 0,
        max: 65535,
        whole: true,
        default: 8080,
        describe: '0 for one that is free',
      },
      'api-key': { type: 'text', describe: 'key that requests must give; LM_API_KEY in the environment unless given' },
      cors: {
        type: 'texts',
        describe: 'origin whose pages may use the server from a browser, * for all; none unless given',
      },
      json: { type: 'switch', default: false, describe: 'the address as JSON' },
    }),
    ...flags('Limits', {
      parallel: {
        type: 'number',
        min: 1,
        max: 256,
        whole: true,
        default: 16,
        describe: 'texts that are written at a time',
      },
      queue: {
        type: 'number',
        min: 0,
        whole: true,
        default: 64,
        describe: 'texts that wait; more are answered with 429',
      },
      timeout: { type: 'number', above: 0, default: 300, describe: 'seconds for a request' },
      'max-body': { type: 'number', above: 0, default: 10, describe: 'most megabytes of a request' },
      grace: { type: 'number', min: 0, default: 10, describe: 'seconds that running requests are given when it ends' },
    }),
    ...engineFlags,
    ...decoderFlags,
  },
  examples: [
    ['serve', 'the models that ship, at http://127.0.0.1:8080'],
    ['serve -m gpt2 --dtype int4 --port 8000', 'with weights of 4 bits'],
    ['serve -m my-model --host 0.0.0.0 --api-key secret', 'for others, with a key'],
  ],
  async run(a, io) {
    const apiKey = a.apiKey ?? process.env['LM_API_KEY'];
    if (apiKey === '') throw usage('--api-key is empty');
    const signal = io.interruptible();
    const place = async (name: string): Promise<{ id: string; path: string } | null> =>
      name === 'none' ? null : { id: name, path: await modelPath({ ...a, model: name }, io, signal) };
    const template = await templateOf(a.template);
    const { listen, openServed } = await import('@brickwork/server');
    const [language, embeddings, images] = [await place(a.model), await place(a.embeddings), await place(a.images)];
    if (!language && !embeddings && !images) throw usage('no model is left to serve');
    io.note('opening the models …');
    const served = await openServed({
      language,
      embeddings,
      images,
      decoder: decoderOptions(a),
      compile: engineOptions(a),
      maxRows: a.parallel,
      maxQueue: a.queue,
      maxBody: Math.round(a.maxBody * 1e6),
      timeout: Math.round(a.timeout * 1000),
      signal,
      ...(template !== undefined && { template }),
    });
    try {
      const server = await listen(served, {
        host: a.host,
        port: a.port,
        grace: Math.round(a.grace * 1000),
        onError: (error) => io.note(`error: ${(error as Error).stack ?? String(error)}`),
        ...(apiKey !== undefined && { apiKey }),
        ...(a.cors && { cors: a.cors }),
      }).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE')
          throw new CliError(`port ${a.port} of ${a.host} is taken`, { hint: '--port 0 takes one that is free' });
        throw error;
      });
      if (a.json)
        await io.writeJson({ url: server.url, models: [language, embeddings, images].flatMap((m) => m?.id ?? []) });
      else await io.write(`${server.url}\n`);
      io.note(`OpenAI's interface is at ${server.url}/v1; Ctrl-C ends it`);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      io.note('ending; running requests are finished first …');
      await server.close();
    } finally {
      await served.dispose();
    }
  },
};

async function templateOf(given: string | undefined): Promise<'plain' | 'chatml' | { jinja: string } | undefined> {
  if (given === undefined || given === 'plain' || given === 'chatml') return given;
  const content = await readFile(given).catch((error: Error) => {
    throw usage(`--template ${given}: ${error.message}`, 'plain, chatml, or a file with a Jinja template');
  });
  return { jinja: utf8(content, given) };
}
