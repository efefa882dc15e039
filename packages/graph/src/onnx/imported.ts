// Nodes and values that were read from a file: what the file said of them, kept so that they can be written again.
import { Tensor, type DType, type Node, type Shape } from '../tensor.ts';
import { OnnxError } from './error.ts';
import type { AttributeProto, FunctionProto, TypeProto } from './onnx_pb.ts';

/** What all nodes of one file share: the operator sets it asked for and the functions it defines. */
export interface OnnxFile {
  /** Version by domain; the standard domain is `''`. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: readonly FunctionProto[];
  readonly irVersion: bigint;
}

/** The `attrs` of a node that was read from a file. */
export interface ImportedNode {
  readonly file: OnnxFile;
  readonly domain: string;
  readonly overload: string;
  readonly attributes: readonly AttributeProto[];
  /** Names, in the subgraphs of `attributes`, of values from outside: the last inputs of the node, in this order. */
  readonly captured: readonly string[];
}

const nodes = new WeakSet<object>();
/** Marks attributes as those of a node that was read. */
export function importedNode(attrs: ImportedNode): ImportedNode {
  nodes.add(attrs);
  return attrs;
}
/** What the file said of a node; null where the node was made by an operator of this package. */
export const imported = (node: Node): ImportedNode | null =>
  typeof node.attrs === 'object' && node.attrs !== null && nodes.has(node.attrs) ? (node.attrs as ImportedNode) : null;

/** What a file says of a value: its name (`''` for an output that the node leaves out) and its type, if recorded. */
export interface Origin {
  readonly name: string;
  readonly type: TypeProto | null;
}
const origins = new WeakMap<Tensor, Origin>();
/** What the file that a value was read from says of it. */
export const originOf = (x: Tensor): Origin | undefined => origins.get(x);

/** A tensor for a value of a file. What the file doesn't record of shape and type throws when it is asked for. */
export function importedTensor(
  origin: Origin,
  known: { readonly shape: Shape | null; readonly dtype: DType | null },
  from: { readonly node?: Node; readonly index?: number; readonly name?: string },
): Tensor {
  const tensor = new Tensor({ ...from, shape: known.shape ?? [], dtype: known.dtype ?? 'float32' });
  origins.set(tensor, origin);
  const what = origin.type
    ? `${origin.name} is no tensor of a known rank and of numbers`
    : `${origin.name} has no type`;
  for (const key of ['shape', 'dtype'] as const)
    if (known[key] === null)
      Object.defineProperty(tensor, key, {
        get: () => {
          throw new OnnxError(`${what} in the ONNX file, so its ${key} can't be known while tracing`);
        },
      });
  return tensor;
}

/** Remembers what a file called a constant. */
export function nameConstant(constant: Tensor, name: string): Tensor {
  origins.set(constant, { name, type: null });
  return constant;
}
