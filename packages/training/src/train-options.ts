// What the training loop is given, and what it reports.
import type { HostTensor } from '@brickwork/runtime';
import type { Arena } from './arena.ts';
import type { FlatStore, Part } from './flat-store.ts';
import type { Optimizer } from './optimizers/optimizer.ts';
import type { ScheduleName, ShapeOptions } from './schedules.ts';
import type { TrainData } from './train-data.ts';
import type { TrainStep } from './train-step.ts';

/** How a model is trained, whatever it is and whatever its data are. */
export interface TrainOptions extends ShapeOptions {
  readonly steps: number;
  /** Batches whose gradients are summed before an update; 1 unless given. */
  readonly accumulate?: number;
  /** Step size at its highest; 1e-3 unless given. */
  readonly rate?: number;
  /** How the step size falls; `cosine` unless given. `plateau` halves it when the validation loss stops improving. */
  readonly schedule?: ScheduleName;
  /** Steps over which the rate rises; 0 unless given. */
  readonly warmup?: number;
  /** Share of the rate that the schedule ends with; unless given 0.1 where it falls all the way, else 0. */
  readonly floor?: number;
  /** Evaluations without improvement before `plateau` halves the rate; 1 unless given. */
  readonly patience?: number;
  /** Gradients longer than this are scaled down to it; 1 unless given, 0 for never. */
  readonly clip?: number;
  /** Each block's share of the rate of the one above it (see `layerRates`); all have the same unless given. */
  readonly layerDecay?: number;
  /** Parameters whose names hold one of these don't decay; nor do biases and norms, whatever they are called. */
  readonly noDecay?: readonly string[];
  /** Decay of a moving average of the weights, which is evaluated, kept as the best and left at the end; none unless given. */
  readonly ema?: number;
  /** Ends training after this many evaluations that are no better than the best; never unless given. */
  readonly earlyStopping?: number;
  /** How much lower a loss has to be to count as better for {@link earlyStopping}, in nats; 0 unless given. */
  readonly earlyStoppingThreshold?: number;
  /** Steps between evaluations; 250 unless given. */
  readonly evaluateEvery?: number;
  /** Steps between checkpoints; that of evaluations unless given. */
  readonly saveEvery?: number;
  /** Decides every random choice; 0 unless given. */
  readonly seed?: number;
  /**
   * Ends training with a checkpoint of the last whole step: what is not whole, an evaluation or the batches of a step that
   * takes several, is dropped, and comes again when the run is resumed.
   */
  readonly signal?: AbortSignal;
  /** Where metrics and checkpoints go; nothing is written unless given. */
  readonly folder?: string;
  /** Goes on from the folder's last checkpoint, or begins where there is none. */
  readonly resume?: boolean;
  /** Also writes the weights with the lowest validation loss to the folder, as best.safetensors; false unless given. */
  readonly keepBest?: boolean;
  /** Draws the losses to the folder at the end, as loss.svg and loss.png; true unless given. */
  readonly picture?: boolean;
  /** Also writes the curves to the folder as TensorBoard reads them; false unless given. */
  readonly tensorBoard?: boolean;
  /** Anything else to write to the folder's settings.json, such as the command line. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Anything else that a resumed run must have in common with the first: the data's fingerprint, the model's config. */
  readonly identity?: Readonly<Record<string, unknown>>;
}

/** What the loop reports. */
export type TrainEvent =
  | { readonly type: 'start'; readonly step: number; readonly parameters: number; readonly compileSeconds: number }
  | {
      readonly type: 'step';
      readonly step: number;
      /** Mean loss in nats. */
      readonly loss: number;
      readonly rate: number;
      /** The gradient's norm before clipping. */
      readonly norm: number;
      readonly tokensPerSecond: number;
      readonly secondsLeft: number;
      /** Of the machine's peak, where the step knows its work. */
      readonly shareOfPeak?: number;
    }
  /** Mean losses of the validation part in nats, by token and by character. */
  | {
      readonly type: 'evaluation';
      readonly step: number;
      readonly loss: number;
      readonly lossPerCharacter: number;
      /** Whether it is the lowest so far. */
      readonly best: boolean;
      /** The weights evaluated; the next step changes them in place. */
      readonly weights: ReadonlyMap<string, HostTensor>;
    }
  | { readonly type: 'checkpoint'; readonly step: number; readonly path: string }
  /** The losses were drawn to this file. */
  | { readonly type: 'picture'; readonly path: string }
  /** Something that training does not depend on went wrong. */
  | { readonly type: 'warning'; readonly message: string }
  /** `aborted` where steps or the last evaluation are missing; `stoppedEarly` where the loss no longer fell. */
  | { readonly type: 'end'; readonly step: number; readonly aborted: boolean; readonly stoppedEarly?: true };

/** What is trained. Weights and gradients lie in stores of the same parts. */
export interface Trainee<B> {
  readonly parts: readonly Part[];
  readonly weights: FlatStore;
  readonly grads: FlatStore;
  readonly optimizer: Optimizer;
  readonly data: TrainData<B>;
  /** Sets the weights that training begins with. */
  initialize(): void;
  /** Called once, after the run's folder was found in order. */
  compile(): Promise<TrainStep<B>>;
  /** Where sums of gradients are kept. */
  readonly arena?: Arena;
}
