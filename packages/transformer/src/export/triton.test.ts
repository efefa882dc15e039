import { expect, test } from 'vitest';
import { tritonConfig } from './triton.ts';

test('a batched model, as Triton’s documentation writes it', () => {
  const config = tritonConfig(
    'spam',
    {
      inputs: [
        { name: 'input_ids', shape: ['batch_size', 'sequence_length'], dtype: 'int64' },
        { name: 'attention_mask', shape: ['batch_size', 'sequence_length'], dtype: 'int64' },
      ],
      outputs: [{ name: 'logits', shape: ['batch_size', 2], dtype: 'float32' }],
    },
    { maxBatchSize: 8 },
  );
  expect(config).toBe(`name: "spam"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  {
    name: "input_ids"
    data_type: TYPE_INT64
    dims: [ -1 ]
  },
  {
    name: "attention_mask"
    data_type: TYPE_INT64
    dims: [ -1 ]
  }
]
output [
  {
    name: "logits"
    data_type: TYPE_FP32
    dims: [ 2 ]
  }
]
dynamic_batching {
  max_queue_delay_microseconds: 2000
}
`);
});

test('where an output is not by row, all axes are said and nothing is put together', () => {
  const config = tritonConfig('clip', {
    inputs: [{ name: 'x', shape: ['batch_size', 3], dtype: 'float16' }],
    outputs: [{ name: 'y', shape: ['T', 'batch_size'], dtype: 'float32' }],
  });
  expect(config).toContain('max_batch_size: 0');
  expect(config).toContain('dims: [ -1, 3 ]');
  expect(config).not.toContain('dynamic_batching');
});

test('types without a name there', () => {
  const x = { name: 'x', shape: ['B'], dtype: 'uint16' } as never;
  expect(() => tritonConfig('m', { inputs: [x], outputs: [x] })).toThrow('x is uint16');
});
