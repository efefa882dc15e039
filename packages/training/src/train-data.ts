// What the training loop needs to know about data, whatever a batch is made of.

/** A batch, and how many predictions its mean loss is over: what means are weighted with. */
export interface Counted<B> {
  readonly batch: B;
  readonly count: number;
}

/** Batches to train on and to evaluate on. */
export interface TrainData<B> {
  /**
   * The batch of a number, counted from 0. A pure function: a resumed run asks for the batches it would have seen. A promise
   * where it is made elsewhere, ahead of time.
   */
  batch(number: number): Counted<B> | Promise<Counted<B>>;
  /** The whole validation part, always in the same order; empty where nothing is held out. */
  validation(): Iterable<Counted<B>> | AsyncIterable<Counted<B>>;
  /** Divides a loss by prediction into one by character; 1 unless given. */
  readonly charactersPerToken?: number;
  /** Ends what makes batches ready ahead of time, once training is over. */
  close?(): Promise<void>;
}

/** Data that lie at hand. */
export interface ReadyData<B> extends TrainData<B> {
  batch(number: number): Counted<B>;
  validation(): Iterable<Counted<B>>;
}
