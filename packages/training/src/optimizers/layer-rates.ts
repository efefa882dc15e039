// Layer-wise rate decay (ULMFiT: Howard and Ruder, 2018; ELECTRA: Clark et al., 2020): the nearer to the input, the smaller
// the steps, as what is learned there is the most general.
import type { Part } from '../flat-store.ts';

/** Where in a name the number of a block stands: 'bert.encoder.layer.', 'transformer.h.'. */
const block = /^(.*?(?:^|\.)(?:layers?|h|blocks?)\.)(\d+)\./;

/**
 * Each part's share of the rate, in the network's order: 1 for what comes after the blocks, `decay` for the last block,
 * `decay`² for the one before, and so on; what comes before the blocks has the smallest. Of an encoder-decoder each stack is
 * counted by itself.
 *
 * @throws where there are no numbered blocks.
 */
export function layerRates(parts: readonly Part[], decay: number): number[] {
  if (!(decay > 0 && decay <= 1)) throw new Error(`layerRates: decay is ${decay}; needs a number above 0 and up to 1`);
  const found = parts.map(({ name }) => {
    const [, stack, number] = block.exec(name) ?? [];
    return stack === undefined ? null : { stack, number: Number(number) };
  });
  const counts = new Map<string, number>();
  for (const one of found) if (one) counts.set(one.stack, Math.max(counts.get(one.stack) ?? 0, one.number + 1));
  if (!counts.size) throw new Error('layerRates: the network has no numbered blocks');
  const first = found.findIndex(Boolean);
  const most = Math.max(...counts.values());
  return found.map((one, i) => {
    if (one) return decay ** (counts.get(one.stack)! - one.number);
    return i < first ? decay ** (most + 1) : 1;
  });
}
