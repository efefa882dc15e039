// Word vectors, sentence embeddings, similarity and search.
export {};
