// Which configurations of the Llama family are built, and which are refused.
import { expect, test } from 'vitest';
import { input } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { LlamaForCausalLM } from './llama.ts';
import { MistralForCausalLM } from './mistral.ts';
import { Qwen2ForCausalLM } from './qwen2.ts';

const small = {
  vocab_size: 11,
  max_position_embeddings: 16,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const names = (model: object): string[] => [...parameters(model).keys()];

test('weights have Hugging Face’s names and shapes, with head_dim apart from hidden_size', () => {
  const found = parameters(new LlamaForCausalLM({ ...small, head_dim: 6, attention_bias: true, mlp_bias: true }));
  const shape = (name: string): unknown => found.get(`model.layers.0.${name}`)?.shape;
  expect(shape('self_attn.q_proj.weight')).toEqual([24, 8]);
  expect(shape('self_attn.k_proj.bias')).toEqual([12]);
  expect(shape('self_attn.o_proj.weight')).toEqual([8, 24]);
  expect(shape('self_attn.o_proj.bias')).toEqual([8]);
  expect(shape('mlp.down_proj.bias')).toEqual([8]);
  expect(found.has('lm_head.weight')).toBe(true);
});

test('biases are where the architecture has them', () => {
  const biases = (model: object): string[] => names(model).filter((name) => name.endsWith('bias'));
  expect(biases(new LlamaForCausalLM(small))).toEqual([]);
  expect(biases(new MistralForCausalLM(small))).toEqual([]);
  expect(biases(new Qwen2ForCausalLM(small)).map((name) => name.split('.').at(-2))).toEqual([
    'q_proj',
    'k_proj',
    'v_proj',
  ]);
});

test('Mistral’s window is 4096 unless given, and none where null', () => {
  expect(new MistralForCausalLM(small).windows).toEqual([4096]);
  expect(new MistralForCausalLM({ ...small, sliding_window: 3 }).windows).toEqual([3]);
  expect(new MistralForCausalLM({ ...small, sliding_window: null }).windows).toEqual([null]);
});

test.each([
  [{ num_key_value_heads: 3 }, /num_attention_heads 4 doesn't divide into num_key_value_heads 3/],
  [{ hidden_size: 12 }, /give a head_dim of 3; needs an even whole number/],
  [{ hidden_act: 'swoosh' }, /'swoosh' is not known/],
  [{ rope_scaling: { type: 'su' } }, /rope_scaling: type "su" is not implemented/],
])('a config with %j is refused when the model is built', (option, message) => {
  expect(() => new LlamaForCausalLM({ ...small, ...option })).toThrow(message);
});

test('Qwen2’s layers from max_window_layers on slide, or those that layer_types names', () => {
  const sizes = { ...small, num_hidden_layers: 3, sliding_window: 4 };
  const windows = (option: object): unknown => new Qwen2ForCausalLM({ ...sizes, ...option }).windows;
  expect(windows({ max_window_layers: 0 })).toEqual([null, null, null]);
  expect(windows({ use_sliding_window: true })).toEqual([null, null, null]);
  expect(windows({ use_sliding_window: true, max_window_layers: 1 })).toEqual([null, 4, 4]);
  const layer_types = ['sliding_attention', 'full_attention', 'sliding_attention'];
  expect(windows({ use_sliding_window: true, layer_types })).toEqual([4, null, 4]);
  expect(() => windows({ layer_types: ['full_attention'] })).toThrow(/needs a type for each of 3 layers/);
  expect(() => windows({ layer_types: Array(3).fill('chunked_attention') })).toThrow(/there are full_attention and/);
});

test('a sequence longer than the context is refused while tracing', () => {
  const forward = (): unknown => new LlamaForCausalLM(small).forward(input('ids', [1, 17], 'int64'), evaluating());
  expect(forward).toThrow(/a sequence of 17 tokens, but max_position_embeddings is 16/);
});
