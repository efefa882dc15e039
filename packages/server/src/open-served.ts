// Opens the models that a server offers.
import { SentenceEncoder } from '@brickwork/embedding';
import type { CompileOptions } from '@brickwork/runtime';
import { AutoModel, type DecoderOptions } from '@brickwork/transformer';
import { ImageModel } from '@brickwork/vision';
import { Language, type LanguageOptions } from './language.ts';
import { makeMetrics } from './metrics.ts';
import type { Named, Served } from './served.ts';
import { Turnstile } from './turnstile.ts';

/** A model's folder, or its name on the hub, and the name that requests give it. */
export interface ModelPlace {
  readonly id: string;
  readonly path: string;
}

/** What is served, and within what limits. */
export interface ServeOptions {
  /** The language model: completions, chats, scores. */
  readonly language?: ModelPlace | null;
  /** The encoder of sentences. */
  readonly embeddings?: ModelPlace | null;
  /** The classifier of pictures. */
  readonly images?: ModelPlace | null;
  /** How the language model's decoder runs; `worker` is true whatever is said. */
  readonly decoder?: DecoderOptions;
  /** How the other programs run. */
  readonly compile?: CompileOptions;
  /** How chats are written where the language model has no template; `plain` unless given. */
  readonly template?: LanguageOptions['template'];
  /** Most sequences that are written at a time; 16 unless given. */
  readonly maxRows?: number;
  /** Most sequences, and most other jobs, that wait; further ones are sent away (429). 64 unless given. */
  readonly maxQueue?: number;
  /** Most bytes of a request; 10 MiB unless given. */
  readonly maxBody?: number;
  /** Milliseconds after which a request is given up; 300000 unless given. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** Models that are served, until they are disposed. */
export interface OpenServed extends Served {
  /** Frees the engine's memory and ends its threads. */
  dispose(): Promise<void>;
}

/** @throws where a model can't be opened, or is of another kind than its place asks for. */
export async function openServed(o: ServeOptions): Promise<OpenServed> {
  const { maxRows = 16, maxQueue = 64, maxBody = 10 * 2 ** 20, timeout = 300_000, signal } = o;
  const compile = { ...o.compile, worker: true };
  const opening = { compile, ...(signal && { signal }) };
  const [language, embeddings, images] = await Promise.all([
    o.language ? openLanguage(o.language, o, maxRows) : null,
    o.embeddings ? named(o.embeddings, SentenceEncoder.load(o.embeddings.path, opening)) : null,
    o.images ? named(o.images, ImageModel.fromPretrained(o.images.path, opening)) : null,
  ]);
  const writing = new Turnstile({ inside: maxRows, queue: maxQueue });
  const reading = new Turnstile({ inside: 1, queue: maxQueue });
  const metrics = makeMetrics({ rows: () => writing.inside, waiting: () => writing.waiting + reading.waiting });
  return {
    ...{ language, embeddings, images, writing, reading, metrics, maxBody, timeout },
    async dispose() {
      await language?.dispose();
      await embeddings?.model.model.dispose();
      await images?.model.dispose();
    },
  };
}

async function named<M>({ id }: ModelPlace, opened: Promise<M>): Promise<Named<M>> {
  return { id, model: await opened, created: Math.floor(Date.now() / 1000) };
}

async function openLanguage({ id, path }: ModelPlace, o: ServeOptions, maxRows: number): Promise<Language> {
  const model = await AutoModel.fromPretrained(path, {
    compile: { ...o.compile, worker: true },
    ...(o.signal && { signal: o.signal }),
  });
  const tokenizer = await model.tokenizer();
  const language = new Language({
    ...{ id, model, tokenizer, maxRows },
    decoder: { ...o.compile, ...o.decoder, worker: true },
    template: o.template ?? 'plain',
    eosTokenIds: endTokens(model.generationConfig, model.config),
  });
  await language.warmUp();
  return language;
}

// The tokens that end a text, as generation_config.json says, or else config.json.
function endTokens(...configs: readonly Readonly<Record<string, unknown>>[]): number[] {
  for (const { eos_token_id: id } of configs) {
    if (typeof id === 'number') return [id];
    if (Array.isArray(id)) return id.filter((one): one is number => typeof one === 'number');
  }
  return [];
}
