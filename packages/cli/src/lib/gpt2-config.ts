// The config.json of a GPT-2 that is trained from nothing.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { PretrainArgs } from './pretrain-flags.ts';

/** What Hugging Face needs to load the model. */
export function gpt2Config(
  a: Pick<PretrainArgs, 'context' | 'width' | 'layers' | 'heads' | 'dropout'>,
  { vocabularySize, specialTokens }: Tokenizer,
): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    vocab_size: vocabularySize,
    n_positions: a.context,
    n_embd: a.width,
    n_layer: a.layers,
    n_head: a.heads,
    n_inner: null,
    embd_pdrop: a.dropout,
    resid_pdrop: a.dropout,
    attn_pdrop: 0,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    bos_token_id: specialTokens.bos?.id ?? null,
    eos_token_id: specialTokens.eos?.id ?? null,
    torch_dtype: 'float32',
  };
}
