// Word vectors, sentence embeddings, similarity and search.
export * from './sentences/dense.ts';
export * from './sentences/encoder-parts.ts';
export * from './sentences/load-encoder.ts';
export * from './sentences/module-folder.ts';
export * from './sentences/plan-batches.ts';
export * from './sentences/pooling.ts';
export * from './sentences/save-encoder.ts';
export * from './sentences/sentence-encoder.ts';
export * from './sentences/sentence-module.ts';
export * from './sentences/sentence-network.ts';
export * from './sentences/static-embedding.ts';
export * from './sentences/unit-length.ts';
