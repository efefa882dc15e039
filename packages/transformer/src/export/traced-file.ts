import type { Tensor } from '@brickwork/graph';

/** One ONNX file of an export, before its weights are inside. */
export interface TracedFile {
  /** Without what says the type. */
  readonly name: string;
  /** In the order in which the file lists them. */
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}
