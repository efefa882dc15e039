export * from './tokenizer.ts';
export * from './train-characters.ts';
