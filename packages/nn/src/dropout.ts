// Dropout (Srivastava et al., 2014): while training each value is zeroed with probability p, the others grow by 1/(1-p).
// The mask is a hash of the element's number and the step's seed, computed in the graph, so that a step repeats exactly.
import {
  GraphError,
  add,
  bitwiseXor,
  cast,
  constant,
  count,
  less,
  mul,
  override,
  range,
  shiftRight,
  show,
  type Tensor,
} from '@brickwork/graph';
import type { Context } from './context.ts';

const int32 = (value: number): Tensor => constant(Int32Array.of(value), []);

// 32 well-mixed bits for each of n elements: Murmur3's finaliser over number * golden ratio + seed.
const bits = new WeakMap<Context, Map<number, Tensor>>();
function randomBits(ctx: Context, n: number): Tensor {
  const known = bits.get(ctx) ?? new Map<number, Tensor>();
  bits.set(ctx, known);
  let x = known.get(n);
  if (x) return x;
  const mix = (t: Tensor, shift: number): Tensor => bitwiseXor(t, cast(shiftRight(cast(t, 'uint32'), shift), 'int32'));
  x = add(
    mul(cast(range(constant(BigInt64Array.of(BigInt(n)), []), n), 'int32'), int32(0x9e3779b9 | 0)),
    mul(ctx.seed, int32(0x7feb352d)),
  );
  x = mul(mix(x, 16), int32(0x85ebca6b | 0));
  x = mul(mix(x, 13), int32(0xc2b2ae35 | 0));
  x = mix(x, 16);
  known.set(n, x);
  return x;
}

// A well-mixed odd number for each stream: multiples like 1 and 3 would give masks that resemble each other.
function multiplier(stream: number): number {
  let z = Math.imul(stream + 1, 0x9e3779b9);
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) | 1;
}

/**
 * A mask for dropout in the given shape: 0 with probability p, else 1 / (1 - p); null where nothing is dropped. Each
 * call takes its bits from a stream of its own: the step's bits times an odd number.
 */
export function dropoutMask(shape: readonly (number | string)[], p: number, ctx: Context): Tensor | null {
  if (!(p >= 0 && p < 1)) throw new GraphError(`dropout: p is ${p}; needs 0 or more and less than 1`);
  if (!ctx.training || p === 0) return null;
  const n = count(shape);
  if (n === null)
    throw new GraphError(`dropout: ${show(shape)} has sizes that are not known; trace training with numbers`);
  const draw = mul(randomBits(ctx, n), int32(multiplier(ctx.stream())));
  const kept = less(int32(Math.min(2 ** 31 - 1, Math.round(p * 2 ** 32 - 2 ** 31))), draw);
  return mul(cast(kept, 'float32'), 1 / (1 - p)).reshape(shape);
}

/** Zeroes values of `x` with probability p while training; leaves them alone otherwise. */
export function dropout(x: Tensor, p: number, ctx: Context): Tensor {
  const mask = dropoutMask(x.shape, p, ctx);
  // The mask first: the engine then makes it when it comes to it, and not every layer's before the first.
  return mask ? override(mask.mul(x), [x], (g) => [mask.mul(g)]) : x;
}

/** {@link dropout} as a brick. */
export class Dropout {
  readonly p: number;
  constructor(p = 0.5) {
    if (!(p >= 0 && p < 1)) throw new GraphError(`Dropout: p is ${p}; needs 0 or more and less than 1`);
    this.p = p;
  }
  forward(x: Tensor, ctx: Context): Tensor {
    return dropout(x, this.p, ctx);
  }
}
