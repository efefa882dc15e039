// What is wrong with an ONNX model, or with a graph that can't be written as one.

/** A model that is damaged, hostile or beyond what this package reads or writes; the message says where. */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
}
