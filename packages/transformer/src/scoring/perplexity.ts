// How well a model predicts long documents: perplexity with a stride (as Hugging Face's guide to it), and the numbers that
// models of different vocabularies can be compared by (as lm-evaluation-harness reports them).
import type { ScoreItem } from './scored.ts';
import type { ScoreOptions, Scorer } from './scorer.ts';

/** A corpus' perplexity. */
export interface CorpusPerplexity {
  /** Documents, and scored tokens, in all. */
  readonly documents: number;
  readonly tokens: number;
  /** Bytes of UTF-8, characters (code points), and words (as white space separates them). */
  readonly bytes: number;
  readonly characters: number;
  readonly words: number;
  /** -ln p of everything. */
  readonly nats: number;
  /** e to the nats of a token: depends on the vocabulary. */
  readonly perplexity: number;
  /** e to the nats of a word, and of a byte. */
  readonly wordPerplexity: number;
  readonly bytePerplexity: number;
  readonly bitsPerByte: number;
  readonly bitsPerCharacter: number;
}

/**
 * The perplexity of documents, each read from its beginning. One that is longer than the model sees is read in windows
 * that overlap by `window - stride` tokens, and each token is scored once; a small stride gives more context and takes
 * longer. Of a masked model it is the pseudo-perplexity. What stands before a document, or is its source, isn't counted.
 *
 * @throws as {@link Scorer.score}, and where nothing was scored.
 */
export async function corpusPerplexity(
  scorer: Pick<Scorer, 'stream'>,
  documents: Iterable<ScoreItem> | AsyncIterable<ScoreItem>,
  options: ScoreOptions = {},
): Promise<CorpusPerplexity> {
  let [count, tokens, bytes, characters, words, nats] = [0, 0, 0, 0, 0, 0];
  for await (const scored of scorer.stream(documents, options)) {
    count++;
    tokens += scored.count;
    bytes += scored.bytes;
    characters += scored.characters;
    words += scored.text.match(/\S+/g)?.length ?? 0;
    nats -= scored.logProb;
  }
  if (!tokens)
    throw new Error(`perplexity: no token of ${count} documents could be scored; needs texts of two tokens or more`);
  return {
    documents: count,
    tokens,
    bytes,
    characters,
    words,
    nats,
    perplexity: Math.exp(nats / tokens),
    wordPerplexity: Math.exp(nats / words),
    bytePerplexity: Math.exp(nats / bytes),
    bitsPerByte: nats / Math.LN2 / bytes,
    bitsPerCharacter: nats / Math.LN2 / characters,
  };
}
