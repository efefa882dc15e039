import { expect, test } from 'vitest';
import { FakeDecoder } from './fake-decoder.ts';
import { streamText } from './stream-text.ts';

// Token n is the digit n, and each is followed by the next.
const digits = {
  encode: (text: string) => ({ ids: Array.from(text, Number) }),
  decodeStream: () => ({ push: String, end: () => '' }),
};
const counting = (): FakeDecoder =>
  new FakeDecoder({
    vocabularySize: 10,
    logits: (history) => Array.from({ length: 10 }, (_, id) => (id === history.at(-1)! + 1 ? 9 : 0)),
  });

test('streamText gives one text and why it ended, with nothing held back for good', async () => {
  const stream = streamText(counting(), digits, '12', { eosTokenIds: 6, stop: '57' });
  const texts: string[] = [];
  for (;;) {
    const next = await stream.next();
    if (next.done) {
      expect(next.value).toBe('eos');
      break;
    }
    expect(Object.keys(next.value)).toEqual(['id', 'text', 'logprob']);
    texts.push(next.value.text);
  }
  expect(texts).toEqual(['3', '4', '', '5']);
});
