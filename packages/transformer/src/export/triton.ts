// What NVIDIA's Triton Inference Server has to know of a model (its model_config.proto, as text).
import type { DType } from '@brickwork/graph';
import type { InputSpec } from '@brickwork/runtime';

const types: Partial<Record<DType, string>> = {
  float32: 'TYPE_FP32',
  float16: 'TYPE_FP16',
  int64: 'TYPE_INT64',
  int32: 'TYPE_INT32',
  bool: 'TYPE_BOOL',
};

/** How Triton runs a model. */
export interface TritonOptions {
  /** Most rows that it puts together; 32 unless given. */
  readonly maxBatchSize?: number;
  /** How long it waits for more of them, in microseconds; 2000 unless given. */
  readonly maxQueueDelay?: number;
}

/**
 * `config.pbtxt` for an ONNX file in a model repository, where it lies in `NAME/1/model.onnx`. Where the first axis of all inputs and
 * outputs is the batch, requests are put together (dynamic batching).
 *
 * @throws where an input or output has a type that Triton has no name for here.
 */
export function tritonConfig(
  name: string,
  { inputs, outputs }: { readonly inputs: readonly InputSpec[]; readonly outputs: readonly InputSpec[] },
  { maxBatchSize = 32, maxQueueDelay = 2000 }: TritonOptions = {},
): string {
  const [batch] = inputs[0]!.shape;
  const isBatched = typeof batch === 'string' && [...inputs, ...outputs].every(({ shape }) => shape[0] === batch);
  const part = ({ name: own, shape, dtype }: InputSpec): string => {
    const type = types[dtype];
    if (!type) throw new Error(`tritonConfig: ${own} is ${dtype}, which has no name there`);
    const dims = shape.slice(isBatched ? 1 : 0).map((d) => (typeof d === 'number' ? d : -1));
    // A tensor of one value a row.
    const dimensions = dims.length ? `dims: [ ${dims.join(', ')} ]` : 'dims: [ 1 ]\n    reshape { shape: [ ] }';
    return `  {\n    name: ${JSON.stringify(own)}\n    data_type: ${type}\n    ${dimensions}\n  }`;
  };
  const lines = [
    `name: ${JSON.stringify(name)}`,
    'platform: "onnxruntime_onnx"',
    `max_batch_size: ${isBatched ? maxBatchSize : 0}`,
    `input [\n${inputs.map(part).join(',\n')}\n]`,
    `output [\n${outputs.map(part).join(',\n')}\n]`,
    ...(isBatched ? [`dynamic_batching {\n  max_queue_delay_microseconds: ${maxQueueDelay}\n}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}
