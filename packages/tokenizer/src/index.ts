export * from './tokenizer.ts';
export * from './train-characters.ts';
export * from './train-tokenizer.ts';
export type { TokenizerJson, AddedToken, TokenizerModel, TokenizerStep } from './tokenizer-json.ts';
export type { TrainingProgress, TrainingStage } from './pause.ts';
