// How lm score shows what it found: a line for each text, a table of its parts, a corpus' numbers; or all that as JSON.
import type { CorpusPerplexity, Normalization, Scored } from '@brickwork/transformer';
import { table } from './table.ts';

/** What is shown of a text. */
export type Part = 'token' | 'word' | 'sentence';

/** How scores are shown. */
export interface ScoreView {
  readonly by?: Part;
  readonly bits: boolean;
  readonly normalize: Normalization;
}

/** What makes parts and numbers of a scored text; from @brickwork/transformer, which is loaded late. */
export type Scoring = Pick<
  typeof import('@brickwork/transformer'),
  'scoreOf' | 'scoredWords' | 'scoredSentences' | 'toBits'
>;

interface ShownPart {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly logProb: number | null;
}

const partsOf = (scored: Scored, by: Part, { scoredWords, scoredSentences }: Scoring): readonly ShownPart[] =>
  by === 'token' ? scored.tokens : by === 'word' ? scoredWords(scored) : scoredSentences(scored);

/** A text as people read it: its score, and its parts with their surprisals where they were asked for. */
export function scoreText(scored: Scored, value: number, view: ScoreView, use: Scoring): string {
  const line = `${shown(value)}\t${oneLine(scored.text)}\n`;
  if (!view.by) return line;
  const unit = view.bits ? 'bits' : 'nats';
  const rows = partsOf(scored, view.by, use).map(({ text, logProb }) => [
    logProb === null ? '-' : (0 - (view.bits ? use.toBits(logProb) : logProb)).toFixed(3),
    logProb === null ? '-' : probability(logProb),
    oneLine(text),
  ]);
  return `${line}${table([[unit, 'p', view.by], ...rows], [0, 1])}`;
}

/** A text with its numbers, for machines. Log-probabilities are in nats, or in bits where these were asked for. */
export function scoreJson(scored: Scored, value: number, { by, bits, normalize }: ScoreView, use: Scoring): object {
  const inUnit = (nats: number): number => (bits ? use.toBits(nats) : nats);
  const { text, context, logProb, count, characters, bytes } = scored;
  return {
    text,
    ...(context && { context }),
    score: Number.isNaN(value) ? null : value,
    normalize,
    unit: bits ? 'bits' : 'nats',
    log_prob: inUnit(logProb),
    token_count: count,
    characters,
    bytes,
    perplexity: count ? Math.exp(-logProb / count) : null,
    bits_per_byte: use.toBits(-logProb) / bytes,
    ...(by && {
      [`${by}s`]: partsOf(scored, by, use).map((part) => ({
        text: part.text,
        start: part.start,
        end: part.end,
        ...('id' in part && { id: part.id }),
        log_prob: part.logProb === null ? null : inUnit(part.logProb),
      })),
    }),
  };
}

/** A corpus' numbers, as people read them. */
export function corpusText(c: CorpusPerplexity): string {
  const rows: (readonly [string, string])[] = [
    ['perplexity (token)', c.perplexity.toFixed(4)],
    ['perplexity (word)', c.wordPerplexity.toPrecision(6)],
    ['perplexity (byte)', c.bytePerplexity.toFixed(4)],
    ['bits per byte', c.bitsPerByte.toFixed(4)],
    ['bits per character', c.bitsPerCharacter.toFixed(4)],
    ['nats', c.nats.toFixed(2)],
    ['tokens', String(c.tokens)],
    ['documents', String(c.documents)],
  ];
  return table(rows, [1]);
}

const shown = (x: number): string => (Number.isNaN(x) ? '-' : x.toFixed(4));
const probability = (logProb: number): string => {
  const p = Math.exp(logProb);
  return p >= 0.001 ? p.toFixed(4) : p.toExponential(1);
};
// A line break inside a text would look like the end of its line.
const oneLine = (text: string): string =>
  text.replace(/[\n\r\t]/g, (c) => ({ '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c]!);
