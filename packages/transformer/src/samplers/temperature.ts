// Temperature (Ackley, Hinton and Sejnowski, 1985): divides the scores, so that below 1 the likely become likelier.
import { checkNumber } from './check.ts';
import type { LogitsProcessor } from './logits-processor.ts';

/**
 * Divides every logit by `temperature`.
 *
 * @throws unless it is above 0; to always take the most probable token, pick it by argMax (generation does for 0).
 */
export function temperature({ temperature = 1 }: { readonly temperature?: number } = {}): LogitsProcessor {
  checkNumber('temperature: temperature', temperature, (t) => t > 0, 'a number above 0');
  return (logits) => {
    let max = -Infinity;
    for (const value of logits) if (value > max) max = value;
    // So small that the largest would overflow: take it off first, which changes no probability.
    const shift = Math.abs(Math.fround(max / temperature)) < Infinity ? 0 : max;
    if (shift === -Infinity) return;
    for (let i = 0; i < logits.length; i++) logits[i] = (logits[i]! - shift) / temperature;
  };
}
