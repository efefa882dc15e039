import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StopStrings } from './stop-strings.ts';

test('text that may begin a stop string is held back until it is known not to', () => {
  const stops = new StopStrings(['User:']);
  expect(['Hi', ' U', 'se', 'd', ' it'].map((text) => stops.push(text))).toEqual(['Hi', ' ', '', 'Used', ' it']);
  expect(stops.found).toBeNull();
});

test('a stop string across pieces ends the text before it', () => {
  const stops = new StopStrings(['\n\n', 'END']);
  expect(['a\n', 'b', 'E', 'N', 'D!', 'more'].map((text) => stops.push(text))).toEqual(['a', '\nb', '', '', '', '']);
  expect(stops.found).toBe('END');
  expect(stops.end()).toBe('');
});

test('what is held back comes at the end', () => {
  const stops = new StopStrings(['abc']);
  expect(stops.push('xab')).toBe('x');
  expect(stops.end()).toBe('ab');
});

test('however a text is split, all of it up to the first stop string comes out', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 });
  const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (pieces, strings) => {
      const whole = pieces.join('');
      const at = strings.map((s) => whole.indexOf(s)).filter((i) => i >= 0);
      // A stop string counts as soon as it is complete, even if a longer one began before it.
      const complete = strings.flatMap((s) => (whole.includes(s) ? [whole.indexOf(s) + s.length] : []));
      const stops = new StopStrings(strings);
      let out = '';
      let seen = 0;
      for (const piece of pieces) {
        const before = stops.found;
        out += stops.push(piece);
        seen += piece.length;
        if (before === null) expect(stops.found !== null).toBe(complete.some((end) => end <= seen));
        for (const s of strings) expect(out).not.toContain(s);
      }
      out += stops.end();
      if (at.length) expect(whole.startsWith(out)).toBe(true);
      else expect(out).toBe(whole);
    }),
    { numRuns: 500 },
  );
});
