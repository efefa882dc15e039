import { expect, test } from 'vitest';
import { escapeMarkup } from './escape-markup.ts';

test('what markup would read stays text, in contents and in attributes', () => {
  expect(escapeMarkup(`<a href="x" title='y'> & Ünï`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt; &amp; Ünï');
});
