import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bleu, bleuWords, sentenceBleu } from './bleu.ts';
import { chrf } from './chrf.ts';

// sacreBLEU's README: three sentences, two references each, and what it prints for them.
const translations = ['The dog bit the man.', "It wasn't surprising.", 'The man had just bitten him.'];
const references = [
  ['The dog bit the man.', 'The dog had bit the man.'],
  ['It was not unexpected.', 'No one was surprised.'],
  ['The man bit him first.', 'The man had bitten the dog.'],
];

describe('bleu', () => {
  test('is what sacreBLEU’s documentation says', () => {
    const { score, precisions, brevityPenalty, length, referenceLength } = bleu(translations, references);
    expect(score.toFixed(2)).toBe('48.53');
    expect(precisions.map((p) => p.toFixed(1)).join('/')).toBe('82.4/50.0/45.5/37.5');
    expect(brevityPenalty.toFixed(3)).toBe('0.943');
    expect([length, referenceLength]).toEqual([17, 18]);
  });

  test('words are those of mteval-v13a', () => {
    expect(bleuWords('He said: "3.14 is &lt; 22/7", no? 5-6, e-mail; don\'t.').join(' ')).toBe(
      'He said : " 3.14 is < 22 / 7 " , no ? 5 - 6 , e-mail ; don\'t .',
    );
    expect(bleuWords('1,000 a.b 10. x').join(' ')).toBe('1,000 a . b 10 . x');
    expect(bleuWords('A b', { lowercase: true })).toEqual(['a', 'b']);
    expect(bleuWords('a,b c', { tokenize: 'none' })).toEqual(['a,b', 'c']);
    expect(bleuWords('中 é', { tokenize: 'char' })).toEqual(['中', 'é']);
  });

  test('smoothing: of orders without a match', () => {
    const at = (smooth: 'exp' | 'floor' | 'add-k' | 'none') =>
      bleu(['a b c d'], [['a x c y']], { tokenize: 'none', smooth }).precisions;
    expect(at('exp')).toEqual([50, 100 / 6, 100 / 8, 100 / 8]);
    expect(at('floor')).toEqual([50, 10 / 3, 5, 10]);
    expect(at('add-k')).toEqual([50, 25, 100 / 3, 50]);
    expect(bleu(['a b c d'], [['a x c y']], { smooth: 'none' }).score).toBe(0);
    expect(bleu(['a'], [['b']]).score).toBe(0);
  });

  test('a sentence shorter than four words counts the orders that it has', () => {
    expect(sentenceBleu('a b', ['a b'], { tokenize: 'none' }).score).toBeCloseTo(100, 9);
    expect(bleu(['a b'], [['a b']], { tokenize: 'none' }).score).toBeCloseTo(0, 9);
  });

  test('equals the definition computed n-gram by n-gram', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 4, maxLength: 9 }).map((w) => w.join(' '));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, fc.array(text, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 4 }),
        (rows) => {
          let [own, other, logs] = [0, 0, 0];
          for (let n = 1; n <= 4; n++) {
            let [right, all] = [0, 0];
            for (const [t, rs] of rows) {
              const grams = (s: string): string[] =>
                s.split(' ').flatMap((_, i, w) => (i + n <= w.length ? [w.slice(i, i + n).join(' ')] : []));
              const mine = grams(t);
              all += mine.length;
              for (const g of new Set(mine))
                right += Math.min(
                  mine.filter((x) => x === g).length,
                  Math.max(...rs.map((r) => grams(r).filter((x) => x === g).length)),
                );
            }
            logs += Math.log(right / all) / 4;
          }
          for (const [t, rs] of rows) {
            const n = t.split(' ').length;
            own += n;
            other += rs
              .map((r) => r.split(' ').length)
              .reduce((a, b) =>
                Math.abs(b - n) < Math.abs(a - n) || (Math.abs(b - n) === Math.abs(a - n) && b < a) ? b : a,
              );
          }
          const expected = 100 * Math.exp(Math.min(0, 1 - other / own) + logs);
          const found = bleu(
            rows.map(([t]) => t),
            rows.map(([, r]) => r),
            { tokenize: 'none', smooth: 'none' },
          ).score;
          expect(found).toBeCloseTo(expected, 9);
        },
      ),
    );
  });
});

describe('chrf', () => {
  test('is what sacreBLEU’s documentation says', () => {
    expect(chrf(translations, references).toFixed(2)).toBe('59.73');
  });
  test('is 100 for the same text, 0 for nothing in common, and counts words for chrF++', () => {
    expect(chrf(['Hello, world'], [['Hello, world']])).toBeCloseTo(100, 9);
    expect(chrf(['abc'], [['xyz']])).toBe(0);
    expect(chrf([''], [['xyz']])).toBe(0);
    // Characters: 3 of 4 (a b c | d) by order; words: none of one.
    const one = { charOrder: 1, wordOrder: 1 };
    expect(chrf(['abcd'], [['abce']], one)).toBeCloseTo(100 * (0.75 / 2), 9);
    // A sign at the end is a word of its own: one of two words.
    expect(chrf(['abc.'], [['xyz.']], { charOrder: 0, wordOrder: 1 })).toBeCloseTo(50, 9);
    expect(chrf(['a b'], [['ab']], { charOrder: 2 })).toBeCloseTo(100, 9);
    expect(chrf(['a b'], [['ab']], { charOrder: 2, whitespace: true })).toBeLessThan(100);
  });
  test('recall counts beta times as much', () => {
    // Precision 1, recall 1/2.
    expect(chrf(['ab'], [['abcd']], { charOrder: 1 })).toBeCloseTo((100 * 5 * 0.5) / (4 + 0.5), 9);
    expect(chrf(['ab'], [['abcd']], { charOrder: 1, beta: 1 })).toBeCloseTo((100 * 2 * 0.5) / 1.5, 9);
  });
});

test('translations without references are refused', () => {
  expect(() => bleu(['a'], [])).toThrow('1 translations and references for 0');
  expect(() => chrf(['a'], [[]])).toThrow('translation 0 has no reference');
});
