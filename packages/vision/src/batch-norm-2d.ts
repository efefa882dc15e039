// Batch normalisation (Ioffe and Szegedy, 2015) as a brick that keeps its running statistics with the weights.
import { add, batchNorm, batchNormTraining, constant, Tensor } from '@brickwork/graph';
import { buffer, ones, parameter, parameters, zeros, type Context, type Outputs, type Parameter } from '@brickwork/nn';

/** How to normalise. */
export interface BatchNorm2dOptions {
  /** Added to the variance; 1e-5 unless given. */
  readonly epsilon?: number;
  /** How far the running statistics move towards those of a batch; 0.1 unless given. */
  readonly momentum?: number;
  /** Keeps `num_batches_tracked`, as PyTorch does since 0.4.1; true unless given. */
  readonly counted?: boolean;
}

// What the running statistics become after the step that a context traces.
const updates = new WeakMap<Context, Map<Parameter, Tensor>>();

/**
 * Every channel of images (N, C, H, W) with mean 0 and variance 1, then a learned weight and bias: over the batch while
 * training, by running statistics otherwise. What a training step makes of these, {@link bufferOutputs} gives.
 */
export class BatchNorm2d {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;
  readonly num_batches_tracked: Parameter | null;
  readonly epsilon: number;
  readonly momentum: number;
  constructor(channels: number, { epsilon = 1e-5, momentum = 0.1, counted = true }: BatchNorm2dOptions = {}) {
    this.epsilon = epsilon;
    this.momentum = momentum;
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.running_mean = buffer([channels], zeros);
    this.running_var = buffer([channels], ones);
    this.num_batches_tracked = counted ? buffer([], zeros, { dtype: 'int64' }) : null;
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const { weight, bias, running_mean, running_var, num_batches_tracked, epsilon, momentum } = this;
    if (!ctx.training || ctx.keeps(running_mean))
      return batchNorm(x, weight, bias, running_mean, running_var, { epsilon });
    const known = updates.get(ctx) ?? new Map<Parameter, Tensor>();
    updates.set(ctx, known);
    // Where a brick is used twice in one step, the second use goes on from the first.
    const now = (p: Parameter): Tensor => known.get(p) ?? p;
    const { y, mean, variance } = batchNormTraining(x, weight, bias, now(running_mean), now(running_var), {
      epsilon,
      momentum,
    });
    known.set(running_mean, mean);
    known.set(running_var, variance);
    if (num_batches_tracked)
      known.set(num_batches_tracked, add(now(num_batches_tracked), constant(BigInt64Array.of(1n), [])));
    return y;
  }
}

/**
 * What a training step makes of the buffers of `network`, as outputs called `buffers.` and the buffer's name: the values
 * to store in its place. Empty in a context for inference, and for buffers that the context keeps. They are known once what
 * the norms are part of was traced: ask for the loss first.
 */
export function bufferOutputs(network: object, ctx: Context): Outputs {
  if (!ctx.training) return {};
  const moving = normsOf(network)
    .filter((norm) => !ctx.keeps(norm.running_mean))
    .flatMap((norm) => [norm.running_mean, norm.running_var, norm.num_batches_tracked].filter((p) => p !== null));
  if (moving.some((p) => p.name === null)) parameters(network); // names them
  return Object.fromEntries(
    moving.map((p) => [
      `buffers.${p.name}`,
      () => {
        const value = updates.get(ctx)?.get(p);
        if (!value)
          throw new Error(`buffers.${p.name}: nothing that it depends on was traced yet; trace the loss first`);
        return value;
      },
    ]),
  );
}

function normsOf(network: object): BatchNorm2d[] {
  const found: BatchNorm2d[] = [];
  const seen = new Set<object>();
  const walk = (brick: object): void => {
    if (seen.has(brick)) return;
    seen.add(brick);
    if (brick instanceof BatchNorm2d) {
      found.push(brick);
      return;
    }
    for (const value of Object.values(brick) as unknown[])
      if (typeof value === 'object' && value !== null && !(value instanceof Tensor) && !ArrayBuffer.isView(value))
        walk(value);
  };
  walk(network);
  return found;
}
