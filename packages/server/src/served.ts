// What the routes of a server share.
import type { SentenceEncoder } from '@brickwork/embedding';
import type { ImageModel } from '@brickwork/vision';
import type { Language } from './language.ts';
import type { Metrics } from './metrics.ts';
import type { Turnstile } from './turnstile.ts';

/** A model with the name that requests give it. */
export interface Named<M> {
  readonly id: string;
  readonly model: M;
  /** Seconds since 1970 at which it was opened. */
  readonly created: number;
}

/** What a server offers, and within what limits. */
export interface Served {
  readonly language: Language | null;
  readonly embeddings: Named<SentenceEncoder> | null;
  readonly images: Named<ImageModel> | null;
  /** For sequences that are written. */
  readonly writing: Turnstile;
  /** For everything else that computes: one at a time. */
  readonly reading: Turnstile;
  readonly metrics: Metrics;
  /** Most bytes of a request's body. */
  readonly maxBody: number;
  /** Milliseconds after which a request is given up. */
  readonly timeout: number;
}

/** One request. */
export interface Call {
  readonly body: Readonly<Record<string, unknown>>;
  /** Aborted where the client leaves, time is up, or the server closes. */
  readonly signal: AbortSignal;
  /** What a response that goes on after its beginning tells when it ends. */
  readonly stream: StreamEnds;
}

/** How a stream ends. */
export interface StreamEnds {
  /** The client went away. */
  onLeave(): void;
  /** Something failed. */
  onError(error: unknown): void;
  /** All was sent. */
  onEnd(): void;
}
