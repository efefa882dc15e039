// Scores as log-probabilities again, after processors removed some (Hugging Face's LogitNormalization).
import type { LogitsProcessor } from '../samplers/logits-processor.ts';
import { logSumExp } from './log-sum-exp.ts';

/** Shifts the scores so that their exponentials add up to 1; rows without any token stay as they are. */
export const renormalize: LogitsProcessor = (logits) => {
  if (logits.every((score) => score === -Infinity)) return;
  const normaliser = logSumExp(logits);
  for (let id = 0; id < logits.length; id++) logits[id]! -= normaliser;
};
