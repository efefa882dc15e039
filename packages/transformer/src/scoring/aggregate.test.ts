import { expect, test } from 'vitest';
import { scoredSentences, scoredWords, scoreOf, toBits } from './aggregate.ts';
import { corpusPerplexity } from './perplexity.ts';
import { mutualInformation } from './mutual-information.ts';
import { scoredText, type Scored, type ScoredToken, type ScoreItem } from './scored.ts';

/** A text scored by hand: its pieces, each with ln p. */
function scored(...pieces: readonly (readonly [string, number | null])[]): Scored {
  let end = 0;
  const tokens = pieces.map(([text, logProb], id): ScoredToken => {
    const start = end;
    end += text.length;
    return { id, text, start, end, word: null, logProb };
  });
  return scoredText(pieces.map(([text]) => text).join(''), '', tokens);
}

test('a score is divided by tokens, characters or bytes', () => {
  const one = scored(['naï', -2], ['ve', -4], [' 😀', -6]);
  expect(scoreOf(one)).toBe(-12);
  expect(scoreOf(one, 'token')).toBe(-4);
  expect(scoreOf(one, 'character')).toBe(-12 / 7);
  expect(scoreOf(one, 'byte')).toBe(-12 / 11);
  expect(toBits(Math.LN2)).toBe(1);
  expect(scoreOf(scored(['a', null]))).toBeNaN();
  expect(() => scoreOf(one, 'line' as 'sum')).toThrow('needs one of sum, token, character, byte');
});

test('words are what white space separates, with the pieces that begin in them', () => {
  const words = scoredWords(
    scored(['I', -1], [' can', -2], ['not', -3], [' ', -4], ['  say', -5], ['!', -6], [' ', -7]),
  );
  expect(words.map(({ text, logProb }) => [text, logProb])).toEqual([
    ['I', -1],
    ['cannot', -5],
    ['say!', -22],
  ]);
  const [first, second] = scoredWords(scored(['Un', null], ['til', -2], [' now', -3]));
  expect([first!.logProb, second!.logProb]).toEqual([null, -3]);
});

test('sentences are Unicode’s', () => {
  const all = scored(['It', null], [' rained', -1], ['.', -2], [' We', -3], [' left', -4], ['!', -5]);
  expect(scoredSentences(all).map(({ text, logProb }) => [text, logProb])).toEqual([
    ['It rained.', null],
    ['We left!', -12],
  ]);
});

test('perplexities of documents are over all their tokens', async () => {
  const documents = [scored(['ab', -1], [' c', -3]), scored(['é', -2])];
  const scorer = {
    async *stream() {
      yield* documents;
    },
  };
  expect(await corpusPerplexity(scorer, [])).toEqual({
    documents: 2,
    tokens: 3,
    bytes: 6,
    characters: 5,
    words: 3,
    nats: 6,
    perplexity: Math.exp(2),
    wordPerplexity: Math.exp(2),
    bytePerplexity: Math.exp(1),
    bitsPerByte: 6 / Math.LN2 / 6,
    bitsPerCharacter: 6 / 5 / Math.LN2,
  });
  documents.length = 0;
  await expect(corpusPerplexity(scorer, [])).rejects.toThrow('no token of 0 documents');
});

test('mutual information is the difference that a context makes', async () => {
  const scorer = {
    score: (items: readonly ScoreItem[]) =>
      Promise.resolve(
        items.map((item) =>
          typeof item === 'string' ? scored([item, null]) : scored([item.text, item.context === 'Q:' ? -1 : -4]),
        ),
      ),
  };
  const items = [{ context: 'Q:', text: 'A' }];
  const [found] = await mutualInformation(scorer, items, { domainContext: 'Answer:' });
  expect(found!.pmi).toBe(3);
  await expect(mutualInformation(scorer, items)).rejects.toThrow('give a domainContext');
});
