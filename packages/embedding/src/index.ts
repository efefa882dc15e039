// Word vectors, sentence embeddings, similarity and search.
export * from './contextual/attention-maps.ts';
export * from './contextual/attention-picture.ts';
export * from './contextual/contextual-vectors.ts';
export * from './sentences/dense.ts';
export * from './sentences/encoder-parts.ts';
export { loadEncoder, type LoadEncoderOptions } from './sentences/load-encoder.ts';
export type { EncoderSettings, ModuleSpec } from './sentences/module-folder.ts';
export { Pooling, poolingModes, poolTokens, type PoolingMode } from './sentences/pooling.ts';
export * from './sentences/mine-hard-negatives.ts';
export * from './sentences/quantize.ts';
export * from './sentences/sentence-encoder.ts';
export * from './sentences/sentence-losses.ts';
export type { Features, SentenceModule } from './sentences/sentence-module.ts';
export { SentenceNetwork } from './sentences/sentence-network.ts';
export * from './sentences/sentence-tuning.ts';
export * from './sentences/similarity.ts';
export { StaticEmbedding } from './sentences/static-embedding.ts';
export { normalizeVector } from './sentences/unit-length.ts';
