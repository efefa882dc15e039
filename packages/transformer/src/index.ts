export * from './architectures/gpt2.ts';
export * from './attention.ts';
export * from './block.ts';
export * from './causal-lm.ts';
export * from './config.ts';
export * from './mask.ts';
export * from './multi-head-attention.ts';
export * from './positions.ts';
