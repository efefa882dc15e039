// Finds stop strings in text that arrives in pieces, and holds back what might be the beginning of one.

/** Watches one text. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';
  #found: string | null = null;

  /** @param stops texts of one character or more. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** The stop string that was found; null until then. */
  get found(): string | null {
    return this.#found;
  }

  /** Takes more text; returns what is certain to come before any stop string. After one was found that is nothing. */
  push(text: string): string {
    if (this.#found !== null) return '';
    const held = this.#held + text;
    let at = Infinity;
    for (const stop of this.#stops) {
      const index = held.indexOf(stop);
      if (index >= 0 && index < at) [at, this.#found] = [index, stop];
    }
    const end = this.#found === null ? this.#safe(held) : at;
    this.#held = this.#found === null ? held.slice(end) : '';
    return held.slice(0, end);
  }

  /** Says that no more text comes; returns what was held back. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  // Where the longest suffix begins that a stop string begins with.
  #safe(text: string): number {
    const longest = Math.max(0, ...this.#stops.map((stop) => stop.length - 1));
    for (let at = Math.max(0, text.length - longest); at < text.length; at++) {
      const suffix = text.slice(at);
      if (this.#stops.some((stop) => stop.startsWith(suffix))) return at;
    }
    return text.length;
  }
}
