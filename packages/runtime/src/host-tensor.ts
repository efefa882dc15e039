// Tensors with values, on JavaScript's side: plain data that can be read, written and passed to a program.
import { show, type Data, type DType } from '@brickwork/graph';
import { arrayOf, dtypeOf } from './dtypes.ts';

/** Values, their shape and their type. float16 and bfloat16 are held as their 16 bits, bool as one byte each. */
export interface HostTensor {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * A tensor over the given values, which are not copied.
 *
 * @param shape one axis as long as the data unless given; `[]` is a scalar.
 * @param dtype follows the array unless given; float16, bfloat16 and bool have to be.
 * @throws where the values don't fill the shape, an axis is no whole number, or the array can't hold the type.
 */
export function hostTensor(data: Data, shape: readonly number[] = [data.length], dtype?: DType): HostTensor {
  const found = dtype ?? dtypeOf(data);
  if (!found) throw new Error(`hostTensor: the data is ${nameOf(data)}; needs a typed array of numbers`);
  const why = problem({ data, shape, dtype: found });
  if (why) throw new Error(`hostTensor: ${why}`);
  return { data, shape, dtype: found };
}

/** What keeps this from being a tensor, or null: an unknown type, another type's array, or data that don't fill the shape. */
export function problem({ data, shape, dtype }: HostTensor): string | null {
  const type = Object.hasOwn(arrayOf, dtype) ? arrayOf[dtype] : null;
  if (!type) return `the type ${dtype} is unknown; there are ${Object.keys(arrayOf).join(', ')}`;
  if (!(data instanceof (type as unknown as new () => Data)))
    return `the data is ${nameOf(data)}; ${dtype} needs ${type.name}`;
  if (!Array.isArray(shape)) return `the shape is ${String(shape)}; needs an array of whole numbers`;
  let size = 1;
  for (const axis of shape) {
    if (!(Number.isSafeInteger(axis) && axis >= 0))
      return `${show(shape)} has the axis ${axis}; axes are whole numbers`;
    size *= axis;
  }
  if (size !== data.length) return `${data.length} values don't fill ${show(shape)}, which holds ${size}`;
  return null;
}

const nameOf = (data: unknown): string =>
  typeof data === 'object' && data !== null
    ? ((data.constructor as { name?: string } | undefined)?.name ?? 'an object')
    : typeof data;
