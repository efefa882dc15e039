// The random numbers that sampling draws: one stream for each sequence, so that its neighbours in a batch don't matter.
import { random, streamSeed } from '@brickwork/nn';

/**
 * A stream of uniform numbers in [0, 1) with all 53 bits of a double: xoshiro128** (Blackman and Vigna, 2018), two draws
 * each.
 *
 * The stream depends on the seed and on which of a prompt's samples this is, never on the prompt's place in a batch: a batch
 * with one seed gives each prompt what the prompt gives alone with that seed.
 *
 * @param seed a whole number of up to 53 bits.
 * @param sample 0 unless a prompt is continued several times.
 */
export function sampleStream(seed: number, sample = 0): () => number {
  const { uniform } = random(streamSeed(seed, `sample ${sample}`));
  return () => uniform() + Math.floor(uniform() * 2 ** 21) / 2 ** 53;
}
