// Symbolic tensors: a value that will exist when the graph runs, known today by its shape, type and origin.
// A graph is whatever is reachable from its outputs; nothing is registered anywhere.

/** One axis: a fixed size, or the name of a size that is known when the graph runs (`'B'`, `'T'`). */
export type Dim = number | string;
/** The axes of a tensor, outermost first; `[]` is a scalar. */
export type Shape = readonly Dim[];
/** Element types, in ONNX's names. */
export type DType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';
/** Values of a constant. float16 and bfloat16 are held as their 16 bits; bool as one byte each. */
export type Data =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** An ONNX attribute. Plain numbers are written as integers; wrap reals in {@link float}. */
export type Attribute = number | string | readonly number[] | FloatAttribute;
/** A real-valued ONNX attribute. */
export interface FloatAttribute {
  readonly float: number;
}
/** Marks an attribute as a real number even where its value happens to be whole. */
export const float = (value: number): FloatAttribute => ({ float: value });

/** What one output of an operator looks like. */
export interface OutputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * An operator: one ONNX node's shape rule and gradient. A node holds its operator object, so differentiation
 * calls `node.op.grad` and there is no registry. `A` is the type of the operator's attributes.
 */
export interface Op<A = unknown> {
  /** The ONNX operator's name. */
  readonly name: string;
  /** The operator set; the standard one unless given. */
  readonly domain?: 'com.microsoft';
  /** Shape (and, where it differs from the first input's type, dtype) of every output. Throws where inputs don't fit. */
  infer(inputs: readonly Tensor[], attrs: A): readonly (Shape | OutputSpec)[];
  /** ONNX attributes of the node; none unless given. */
  onnx?(attrs: A): Readonly<Record<string, Attribute>>;
  /**
   * Given dLoss/dOutput for every output (null where the loss doesn't depend on it), returns dLoss/dInput for
   * every input, null where an input has no gradient. An operator without `grad` throws when differentiated.
   */
  grad?(
    g: readonly (Tensor | null)[],
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    attrs: A,
  ): (Tensor | null)[];
}

/** One operator applied to inputs. Inputs may be {@link absent}. */
export interface Node {
  readonly op: Op<never>;
  readonly inputs: readonly Tensor[];
  readonly attrs: unknown;
  readonly outputs: readonly Tensor[];
}

/** A symbolic tensor: an output of a node, a named graph input, or a constant. Immutable. */
export class Tensor {
  /** The node that computes this tensor; null for graph inputs and constants. */
  readonly node: Node | null;
  /** Which of the node's outputs this is. */
  readonly index: number;
  readonly shape: Shape;
  readonly dtype: DType;
  /** The constant's values; null for anything else. */
  readonly data: Data | null;
  /** The name of a graph input; null for anything else. Parameters are named by their path in the model. */
  name: string | null;

  constructor(o: { node?: Node; index?: number; shape: Shape; dtype: DType; data?: Data; name?: string }) {
    this.node = o.node ?? null;
    this.index = o.index ?? 0;
    this.shape = o.shape;
    this.dtype = o.dtype;
    this.data = o.data ?? null;
    this.name = o.name ?? null;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.name ?? this.node?.op.name ?? 'constant'}${show(this.shape)}`;
  }
}

/** Stands for an optional input that is left out of a node. */
export const absent: Tensor = new Tensor({ shape: [], dtype: 'float32', name: '' });

/** `(2, 3)`: a shape as error messages print it. */
export const show = (shape: Shape): string => `(${shape.join(', ')})`;

/** How many values a shape holds, or null where an axis is symbolic. */
export function count(shape: Shape): number | null {
  let n = 1;
  for (const d of shape) {
    if (typeof d !== 'number') return null;
    n *= d;
  }
  return n;
}

/** A named input of the graph. */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Tensor {
  for (const d of shape)
    if (typeof d === 'number' && !(Number.isInteger(d) && d >= 0))
      throw new GraphError(`input ${name}: ${show(shape)} has the axis ${d}; axes are whole numbers or names`);
  return new Tensor({ name, shape, dtype });
}

const dtypes: [new (n: number) => Data, DType][] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Int16Array, 'int16'],
  [Uint16Array, 'uint16'],
  [Int32Array, 'int32'],
  [Uint32Array, 'uint32'],
  [BigInt64Array, 'int64'],
  [BigUint64Array, 'uint64'],
];

/** A constant tensor; the dtype follows the array unless given (bool, float16 and bfloat16 must be). */
export function constant(data: Data, shape: readonly number[] = [data.length], dtype?: DType): Tensor {
  if (count(shape) !== data.length) throw new GraphError(`constant: ${data.length} values don't fill ${show(shape)}`);
  const found = dtype ?? dtypes.find(([type]) => data instanceof type)![1];
  return new Tensor({ shape, dtype: found, data });
}

/** A float32 scalar constant. */
export const scalar = (value: number): Tensor => constant(Float32Array.of(value), []);
/** A 1-D int64 constant, as shapes, axes and indices are written. */
export const ints = (values: readonly number[]): Tensor =>
  constant(BigInt64Array.from(values, BigInt), [values.length]);

/** Applies an operator and returns all its outputs. Errors of the shape rule point at the caller's line. */
export function applyAll<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  let specs: readonly (Shape | OutputSpec)[];
  try {
    specs = op.infer(inputs, attrs);
  } catch (e) {
    throw atCaller(e);
  }
  const outputs: Tensor[] = [];
  const node: Node = { op: op as Op<never>, inputs, attrs, outputs };
  specs.forEach((s, index) => {
    const { shape, dtype } = 'shape' in s ? s : { shape: s, dtype: inputs[0]!.dtype };
    outputs.push(new Tensor({ node, index, shape, dtype }));
  });
  return outputs;
}

/** Applies an operator with one output. */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  return applyAll(op, inputs, attrs)[0]!;
}

// Frames of this package and of the bricks (and of built-in functions that they call), which the user didn't write.
const own = /[\\/](?:@brickwork|packages)[\\/](?:graph|nn)[\\/](?:src|dist)[\\/](?!.*\.test\.ts)/;
function atCaller(error: unknown): unknown {
  if (error instanceof Error && error.stack) {
    const [head, ...frames] = error.stack.split('\n    at ');
    while (frames.length > 1 && (own.test(frames[0]!) || frames[0]!.endsWith('(<anonymous>)'))) frames.shift();
    error.stack = [head, ...frames].join('\n    at ');
  }
  return error;
}

/** What is wrong with a graph while it is traced; the first line of its stack is the user's. */
export class GraphError extends Error {
  constructor(message: string) {
    super(message);
    atCaller(this);
  }
}
