// A compiled model, as those see it who run it: in this thread or in one of its own, it is the same.
import type { DType, Shape } from '@brickwork/graph';
import type { HostTensor } from './host-tensor.ts';
import type { Placement } from './profile.ts';
import type { Provider } from './providers.ts';

/** An input or output: its name, shape (unknown sizes by name) and type. */
export interface InputSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Values by input name. */
export type Feeds = Readonly<Record<string, HostTensor>> | ReadonlyMap<string, HostTensor>;

/** Which outputs to compute: those named, or those of a map of tensors, into which they are written. */
export type Outputs = readonly string[] | Readonly<Record<string, HostTensor>>;

/** Extras of one run. */
export interface RunOptions {
  /** Rejects the run with the signal's reason. What is being computed runs to its end, and its result is dropped. */
  readonly signal?: AbortSignal;
}

/** A compiled model: compiled once, run many times. */
export interface Program {
  /** What a run needs, the inputs that are bound included. */
  readonly inputs: readonly InputSpec[];
  /** What a run can compute. */
  readonly outputs: readonly InputSpec[];
  /**
   * The providers that really ran, most nodes first. Until the first run, those that were asked for. A program compiled
   * with `profile: true` for more than the CPU knows it from `placement()` on.
   */
  readonly providers: readonly Provider[];
  /**
   * Computes outputs: all of them unless told which. Don't change the tensors' data until the promise settles.
   *
   * @throws where an input is missing, unknown, or of another shape or type, where a named size has two values, and
   *   where a buffer is input and output.
   */
  run(feeds: Feeds, outputs?: Outputs, options?: RunOptions): Promise<Record<string, HostTensor>>;
  /**
   * Keeps inputs (weights, mostly) for all further runs, which then need only the others; a run that gives one of them
   * again has its way. A program with a thread of its own copies them there once and not at every run, so bind again
   * where the data have changed. Bound again, a name gets its new tensor.
   *
   * @throws where a name is unknown, or the tensor has another shape or type.
   */
  bind(feeds: Feeds): Promise<void>;
  /**
   * Where each node ran, and how long each operator took: over all runs so far of a program compiled with
   * `profile: true`, which stops measuring with this; over the first run of one for another provider than the CPU.
   *
   * @throws where nothing was measured, or nothing ran yet.
   */
  placement(): Promise<Placement>;
  /** Frees the engine's memory, and ends the thread. Runs that haven't come to their turn are rejected. */
  dispose(): Promise<void>;
}
