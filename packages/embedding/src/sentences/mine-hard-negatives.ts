// Hard negatives: texts that an encoder finds near an anchor though they don't belong to it (Gillick et al., 2019; Xiong et
// al., 2021). The options are those of sentence-transformers' mine_hard_negatives.
import { random } from '@brickwork/nn';
import { nearestVectors } from './nearest-vectors.ts';
import { dot } from './similarity.ts';
import type { EncodeOptions, SentenceEncoder } from './sentence-encoder.ts';
import type { SentencePair } from './sentence-tuning.ts';

/** What is taken as a negative. Scores are cosines. */
export interface MineOptions extends Pick<EncodeOptions, 'batchSize' | 'signal'> {
  /** Where negatives are looked for; the positives of all pairs unless given. */
  readonly corpus?: readonly string[];
  /** Negatives of each pair; 3 unless given. Pairs with fewer candidates have fewer. */
  readonly negatives?: number;
  /** Leaves out the so many nearest, which often belong to the anchor, too; 0 unless given. */
  readonly skip?: number;
  /** Looks at so many nearest, those left out included; 10 times `negatives` more than `skip` unless given. */
  readonly depth?: number;
  /** A negative's score is below the positive's by at least this. */
  readonly margin?: number;
  /** A negative's score is at most the positive's times one less this share: 0.05 is 95% of it. */
  readonly relativeMargin?: number;
  readonly maxScore?: number;
  readonly minScore?: number;
  /** The nearest of the candidates (`top`, unless given), or any of them. */
  readonly sampling?: 'top' | 'random';
  /** Decides what is drawn; 0 unless given. */
  readonly seed?: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** A pair with a negative that was found for it, ready to be trained on. */
export interface MinedTriplet extends Required<Omit<SentencePair, 'score'>> {
  readonly positiveScore: number;
  readonly negativeScore: number;
}

const known = ['corpus', 'negatives', 'skip', 'depth', 'margin', 'relativeMargin', 'maxScore', 'minScore', 'sampling'];
known.push('seed', 'batchSize', 'signal', 'onProgress');

/**
 * Finds negatives for pairs. A text that is the positive of a pair with the same anchor, or the anchor itself, is never one.
 *
 * @throws where an option isn't known or wrong; or the signal's reason.
 */
export async function mineHardNegatives(
  encoder: SentenceEncoder,
  pairs: readonly Pick<SentencePair, 'anchor' | 'positive'>[],
  o: MineOptions = {},
): Promise<MinedTriplet[]> {
  for (const name of Object.keys(o))
    if (!known.includes(name)) throw new Error(`mineHardNegatives: no option ${name}; there are ${known.join(', ')}`);
  const { negatives = 3, skip = 0, margin = 0, relativeMargin = 0, sampling = 'top', seed = 0 } = o;
  const { maxScore = Infinity, minScore = -Infinity, depth = skip + 10 * negatives, signal } = o;
  for (const [name, value, least] of [
    ['negatives', negatives, 1],
    ['skip', skip, 0],
    ['depth', depth, 1],
  ] as const)
    if (!(Number.isSafeInteger(value) && value >= least))
      throw new Error(`mineHardNegatives: ${name} is ${value}; needs a whole number from ${least}`);
  if (depth <= skip) throw new Error(`mineHardNegatives: depth is ${depth}; needs more than the ${skip} left out`);
  if (sampling !== 'top' && sampling !== 'random')
    throw new Error(`mineHardNegatives: sampling is ${JSON.stringify(sampling)}; needs 'top' or 'random'`);
  // What belongs to an anchor, wherever it stands among the pairs.
  const belongs = new Map<string, Set<string>>();
  for (const { anchor, positive } of pairs) {
    const own = belongs.get(anchor);
    if (own) own.add(positive);
    else belongs.set(anchor, new Set([anchor, positive]));
  }
  const anchors = [...belongs.keys()];
  const corpus = [...new Set(o.corpus ?? pairs.map(({ positive }) => positive))];
  const positives = [...new Set(pairs.map(({ positive }) => positive))];
  const texts = [...new Set([...anchors, ...corpus, ...positives])];
  const total = texts.length + anchors.length;
  const vectors = await encoder.encode(texts, {
    normalize: true,
    ...(o.batchSize !== undefined && { batchSize: o.batchSize }),
    ...(signal && { signal }),
    onProgress: ({ done }) => o.onProgress?.({ done, total }),
  });
  const at = new Map(texts.map((text, i) => [text, i]));
  const vectorOf = (text: string): Float32Array => vectors[at.get(text)!]!;
  const mostOwn = Math.max(0, ...[...belongs.values()].map((own) => own.size));
  const near = await nearestVectors(anchors.map(vectorOf), corpus.map(vectorOf), depth + mostOwn, {
    ...(signal && { signal }),
    onProgress: (done) => o.onProgress?.({ done: texts.length + done, total }),
  });
  const foundFor = new Map(anchors.map((anchor, i) => [anchor, near[i]!]));
  const draw = random(seed);
  return pairs.flatMap(({ anchor, positive }) => {
    const own = belongs.get(anchor)!;
    const positiveScore = dot(vectorOf(anchor), vectorOf(positive));
    const most = Math.min(
      maxScore,
      o.margin === undefined ? Infinity : positiveScore - margin,
      o.relativeMargin === undefined ? Infinity : positiveScore * (1 - relativeMargin),
    );
    const candidates = foundFor
      .get(anchor)!
      .filter(({ index }) => !own.has(corpus[index]!))
      .slice(skip, depth)
      .filter(({ score }) => score <= most && score >= minScore);
    if (sampling === 'random')
      for (let i = candidates.length - 1; i > 0; i--) {
        const j = draw.integer(i + 1);
        [candidates[i], candidates[j]] = [candidates[j]!, candidates[i]!];
      }
    return candidates.slice(0, negatives).map(({ index, score }) => ({
      anchor,
      positive,
      negative: corpus[index]!,
      positiveScore,
      negativeScore: score,
    }));
  });
}
