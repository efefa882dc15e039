// Training of a causal language model on next-token prediction.
import { initialize, parameters } from '@brickwork/nn';
import type { CompileOptions } from '@brickwork/runtime';
import type { CausalLM } from '@brickwork/transformer';
import { arena } from './arena.ts';
import type { Sampling } from './batches.ts';
import { flatStore, layout } from './flat-store.ts';
import { train, type TrainEvent, type TrainOptions } from './loop.ts';
import { adamw } from './optimizers/adamw.ts';
import { sgd } from './optimizers/sgd.ts';
import { compileStep, type Batch } from './step.ts';
import { checkIds, nextTokenData, type TokenData } from './token-data.ts';

/** How a language model is trained. */
export interface PretrainOptions extends TrainOptions {
  /** Windows of a batch. */
  readonly batchSize: number;
  /** Tokens of a window; the model's whole context unless given. */
  readonly length?: number;
  /** How windows are drawn; `random` unless given. */
  readonly sampling?: Sampling;
  /** `adamw` unless given. */
  readonly optimizer?: 'adamw' | 'sgd';
  /** 0.1 unless given; biases and norms don't decay. */
  readonly weightDecay?: number;
  /** AdamW's; 0.9 and 0.95 unless given. */
  readonly betas?: readonly [number, number];
  /** SGD's; 0.9 unless given. */
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly compile?: CompileOptions;
}

/** What training reports. */
export type PretrainEvent = TrainEvent;

/** Trains a causal language model on next-token prediction; see {@link train}. */
export async function* pretrain(
  model: CausalLM,
  data: TokenData,
  o: PretrainOptions,
): AsyncGenerator<PretrainEvent, void, void> {
  const { batchSize: B, length: T = model.contextLength, sampling = 'random', seed = 0, accumulate = 1 } = o;
  for (const [name, value] of Object.entries({ batchSize: B, length: T }))
    if (!(Number.isInteger(value) && value > 0))
      throw new Error(`pretrain: ${name} is ${value}; needs a whole number above 0`);
  if (T > model.contextLength)
    throw new Error(
      `pretrain: windows of ${T} tokens, but the model sees ${model.contextLength}; use a shorter length`,
    );
  checkIds(data.train, model.config.vocab_size);
  checkIds(data.validation, model.config.vocab_size);
  const batches = nextTokenData(data, { seed, B, T, sampling });

  const { parts, length } = layout(new Map([...parameters(model)].map(([name, p]) => [name, p.shape as number[]])));
  const memory = arena(Array<number>(accumulate > 1 ? 5 : 4).fill(length));
  const weights = flatStore(parts, memory.take(length));
  const grads = flatStore(parts, memory.take(length));
  const { optimizer: kind = 'adamw', betas = [0.9, 0.95], weightDecay = 0.1, momentum = 0.9, nesterov = false } = o;
  const constants = kind === 'adamw' ? { betas, weightDecay } : { momentum, nesterov, weightDecay };
  const optimizer = (kind === 'adamw' ? adamw : sgd)(length, { ...constants, arena: memory });
  yield* train<Batch>(
    {
      parts,
      weights,
      grads,
      optimizer,
      data: batches,
      arena: memory,
      initialize() {
        for (const [name, { data: values }] of initialize(model, seed))
          (weights.tensors.get(name)!.data as Float32Array).set(values);
      },
      compile: () => compileStep(model, { weights: weights.tensors, grads: grads.tensors, B, T }, o.compile),
    },
    {
      ...o,
      identity: { ...o.identity, data: data.fingerprint, batchSize: B, length: T, sampling, ...constants },
    },
  );
}
