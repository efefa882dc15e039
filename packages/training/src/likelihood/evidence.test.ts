// Evidence: what it adds up to, tokenizers that differ, and the page that shows it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alignScores, evidence, totals, type ScoredText } from './evidence.ts';
import { evidencePage } from './evidence-page.ts';

// A text cut at places, with a log-probability for each part.
function scored(text: string, cuts: readonly number[], logProbs: readonly (number | null)[]): ScoredText {
  const ends = [...cuts, text.length];
  return {
    text,
    tokens: ends.map((end, i) => ({ start: ends[i - 1] ?? 0, end, logProb: logProbs[i]! })),
  };
}

describe('alignment', () => {
  test('tokens are joined until all tokenizers end at the same place', () => {
    const pieces = alignScores([
      scored('the cat sat', [3, 7], [-1, -2, -3]),
      scored('the cat sat', [1, 3, 9], [-0.5, -0.25, -4, -8]),
    ]);
    expect(pieces.map(({ text, logProbs }) => [text, ...logProbs])).toEqual([
      ['the', -1, -0.75],
      [' cat sat', -5, -12],
    ]);
    expect(totals(pieces, 2)).toEqual([-6, -12.75]);
  });

  test('a first token that one model doesn’t predict counts for none', () => {
    const pieces = alignScores([scored('a b', [1], [null, -2]), scored('a b', [1], [-1, -3])]);
    expect(totals(pieces, 2)).toEqual([-2, -3]);
  });

  test('spaces between tokens belong to the next; bytes of one character stay together', () => {
    const words = {
      text: 'a  b',
      tokens: [
        { start: 0, end: 1, logProb: -1 },
        { start: 3, end: 4, logProb: -2 },
      ],
    };
    expect(alignScores([words, words]).map(({ text }) => text)).toEqual(['a', '  b']);
    const bytes = {
      text: '🙂!',
      tokens: [...[-1, -2].map((logProb) => ({ start: 0, end: 2, logProb })), { start: 2, end: 3, logProb: -4 }],
    };
    expect(alignScores([bytes, bytes]).map((p) => [p.text, p.logProbs[0]])).toEqual([
      ['🙂', -3],
      ['!', -4],
    ]);
  });

  test('texts that differ are refused', () => {
    expect(() => alignScores([scored('a', [], [-1]), scored('b', [], [-1])])).toThrow('different texts');
  });
});

test('of two classes the evidence is the ratio of their probabilities', () => {
  const pieces = alignScores([scored('ab', [1], [-1, -2]), scored('ab', [1], [-3, -1])]);
  expect(evidence(pieces, 0).map(({ logRatio }) => logRatio)).toEqual([2, -1]);
  expect(evidence(pieces, 1).map(({ logRatio }) => logRatio)).toEqual([-2, 1]);
  expect(() => evidence(pieces, 2)).toThrow('from 0 to 1');
});

test('the evidence adds up to the ratio of the text under the best class and the mixture of the rest', () => {
  const logProb = fc.double({ min: -20, max: 0, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(logProb, logProb, logProb), { minLength: 1, maxLength: 30 }),
      fc.nat(2),
      (rows, best) => {
        const text = 'x'.repeat(rows.length);
        const cuts = rows.slice(1).map((_, i) => i + 1);
        const pieces = alignScores(
          [0, 1, 2].map((c) =>
            scored(
              text,
              cuts,
              rows.map((row) => row[c]!),
            ),
          ),
        );
        const priors = [0.5, 0.3, 0.2];
        const sums = totals(pieces, 3);
        const others = [0, 1, 2].filter((c) => c !== best);
        const shares = others.reduce((sum, c) => sum + priors[c]!, 0);
        const top = Math.max(...others.map((c) => sums[c]!));
        const rest =
          top + Math.log(others.reduce((sum, c) => sum + (priors[c]! / shares) * Math.exp(sums[c]! - top), 0));
        const total = evidence(pieces, best, priors).reduce((sum, { logRatio }) => sum + logRatio, 0);
        expect(total).toBeCloseTo(sums[best]! - rest, 8);
      },
    ),
  );
});

test('the page escapes what it shows, needs nothing from elsewhere, and says more than colours do', () => {
  const pieces = alignScores([scored('<script>"&\'', [8], [-1, -9]), scored('<script>"&\'', [8], [-9, -1])]);
  const classes = ['<b>', 'y'].map((label, c) => ({ label, logLikelihood: -10 - c, probability: c ? 0.25 : 0.75 }));
  const page = evidencePage([{ label: '<b>', classes, evidence: evidence(pieces, 0), actual: 'y' }], { title: 'a<b' });
  expect(page).not.toMatch(/<script|<b>|https?:|src=/);
  expect(page).toContain('&lt;script&gt;</span>');
  expect(page).toContain('<title>a&lt;b</title>');
  expect(page).toContain('class="for"');
  expect(page).toContain('class="against"');
  expect(page).toContain('+8.00 nats');
  expect(page).toContain('in truth: y');
  expect(page.match(/<span/g)!.length - page.match(/<\/span>/g)!.length).toBe(0);
});
