// Long work that stays polite: it lets other work run now and then, reports how far it is, and stops when told to.
import { setImmediate } from 'node:timers/promises';

/** What a training is doing: counting words, or joining pairs. */
export type TrainingStage = 'count' | 'merge';

/** How far a training is. */
export interface TrainingProgress {
  readonly stage: TrainingStage;
  /** UTF-16 units of text read. */
  readonly characters: number;
  /** Tokens in the vocabulary so far, of how many wanted. */
  readonly vocabulary: number;
  readonly vocabularySize: number;
}

/** Takes a rest every 50 ms. */
export class Pause {
  characters = 0;
  #last: number = performance.now();
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: ((progress: TrainingProgress) => void) | undefined;
  readonly #vocabularySize: number;

  constructor(
    vocabularySize: number,
    o: { readonly signal?: AbortSignal | undefined; readonly onProgress?: ((p: TrainingProgress) => void) | undefined },
  ) {
    this.#vocabularySize = vocabularySize;
    this.#signal = o.signal;
    this.#onProgress = o.onProgress;
    this.#signal?.throwIfAborted();
  }

  isDue(): boolean {
    return performance.now() - this.#last > 50;
  }

  /** Reports, lets other work run. @throws the signal's reason where it was aborted. */
  async rest(stage: TrainingStage, vocabulary: number): Promise<void> {
    this.report(stage, vocabulary);
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#last = performance.now();
  }

  report(stage: TrainingStage, vocabulary: number): void {
    this.#onProgress?.({ stage, characters: this.characters, vocabulary, vocabularySize: this.#vocabularySize });
  }
}
