// Writes a graph as an ONNX model in one piece.
import type { Tensor } from '../tensor.ts';
import { encode, largestModel, nameAll, tooLarge } from './model.ts';

/** How a model is written. */
export interface OnnxOptions {
  /** Version of the standard operators; 17 at least. 20 unless given, or that of the file whose nodes the graph has. */
  readonly opset?: number;
  /** Name of the graph. */
  readonly name?: string;
  /** Entries of the model's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Inputs that come first, in this order, even where no node reads them. */
  readonly inputs?: readonly Tensor[];
}

/**
 * The ONNX model that computes the named outputs. Nodes that no output needs are left out; the same program gives the
 * same bytes.
 *
 * @throws where an input has no name, two inputs share one, an operator isn't in the operator set, or the model would
 * pass 2 GiB (`writeOnnx` puts large constants in a file beside it).
 */
export function toOnnx(outputs: Readonly<Record<string, Tensor>>, o: OnnxOptions = {}): Uint8Array {
  const names = nameAll(outputs, o);
  const bytes = names.constants.reduce((n, { tensor }) => n + tensor.data!.byteLength, 0);
  if (bytes > largestModel) throw tooLarge(bytes);
  return encode(outputs, names, o, new Map());
}
