// Tensors with values, on JavaScript's side: plain data that can be read, written and passed to a program.
import { constant, type Data, type DType } from '@brickwork/graph';

/** Values, their shape and their type. float16 and bfloat16 are held as their 16 bits, bool as one byte each. */
export interface HostTensor {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * A tensor over the given values, which are not copied; one axis unless a shape is given.
 *
 * @throws where the values don't fill the shape.
 */
export function hostTensor(data: Data, shape: readonly number[] = [data.length], dtype?: DType): HostTensor {
  const { dtype: found } = constant(data, shape, dtype);
  return { data, shape, dtype: found };
}
