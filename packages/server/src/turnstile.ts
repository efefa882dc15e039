// Lets so many in at a time, lets so many wait, and sends the others away.
import { HttpError } from './http-error.ts';

/** How many. */
export interface TurnstileOptions {
  /** Places inside. */
  readonly inside: number;
  /** Places in the queue. */
  readonly queue: number;
}

/** A queue with an end. */
export class Turnstile {
  readonly #o: TurnstileOptions;
  #inside = 0;
  readonly #waiting: { places: number; enter(): void }[] = [];

  constructor(o: TurnstileOptions) {
    this.#o = o;
  }

  get inside(): number {
    return this.#inside;
  }
  get waiting(): number {
    return this.#waiting.reduce((n, one) => n + one.places, 0);
  }

  /**
   * Waits for a number of places, does the work, and leaves.
   *
   * @throws with status 429 where the queue is full; the signal's reason where it is aborted while waiting.
   */
  async through<T>(places: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.enter(places, signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** As {@link through}; the returned function leaves. */
  async enter(places: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const { inside, queue } = this.#o;
    if (this.#waiting.length || this.#inside + places > inside) {
      if (this.waiting + places > queue)
        throw new HttpError(429, 'rate_limit_error', 'The server is busy, and its queue is full; try again soon.', {
          code: 'rate_limit_exceeded',
          headers: { 'retry-after': '1' },
        });
      await new Promise<void>((resolve, reject) => {
        const one = {
          places,
          enter(): void {
            signal.removeEventListener('abort', stop);
            resolve();
          },
        };
        const stop = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(one), 1);
          reject(signal.reason);
          this.#next();
        };
        signal.addEventListener('abort', stop, { once: true });
        this.#waiting.push(one);
      });
    } else this.#inside += places;
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#inside -= places;
      this.#next();
    };
  }

  #next(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (!first || this.#inside + first.places > this.#o.inside) return;
      this.#waiting.shift();
      this.#inside += first.places;
      first.enter();
    }
  }
}
