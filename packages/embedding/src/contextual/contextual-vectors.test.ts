import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hostTensor } from '@brickwork/runtime';
import { Tokenizer } from '@brickwork/tokenizer';
import { AutoModel, type Model } from '@brickwork/transformer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apart, wordTokenizer } from '../sentences/encoder-folder.fixture.ts';
import { cosine } from '../sentences/similarity.ts';
import { attentionMaps } from './attention-maps.ts';
import { attentionPicture } from './attention-picture.ts';
import { compareContexts, contextualVectors, wordsOf } from './contextual-vectors.ts';

const folder = (name: string): string => fileURLToPath(new URL(`../../../../models/${name}`, import.meta.url));
const shared = new URL('../../../../../shared/fixtures/checkpoints/', import.meta.url);
const text = 'I can buy a can of fish';
let model: Model;
let tokenizer: Tokenizer;
beforeAll(async () => {
  model = await AutoModel.fromPretrained(folder('encoder'));
  tokenizer = await model.tokenizer();
});
afterAll(() => model.dispose());

describe('words in a sentence', () => {
  test('a word has a vector wherever it stands, and both are addressable', async () => {
    const found = await contextualVectors(model, tokenizer, text);
    expect(found.words.map((word) => word.text)).toEqual(['I', 'can', 'buy', 'a', 'can', 'of', 'fish']);
    const [verb, noun] = [found.vectorOf('can'), found.vectorOf('can', 1)];
    expect(found.words[1]).toMatchObject({ start: 2, end: 5 });
    expect(found.vectorOf({ start: 12, end: 15 })).toEqual(noun);
    expect(cosine(verb, noun)).toBeLessThan(0.99);
    expect(found.occurrences('can')).toHaveLength(2);
    // Before the layers there is no context.
    const plain = await contextualVectors(model, tokenizer, text, { layer: 0 });
    expect(apart(plain.vectorOf('can'), plain.vectorOf('can', 1))).toBeLessThan(1e-6);
  });

  test('a word is the mean of its pieces', async () => {
    const found = await contextualVectors(model, tokenizer, 'An unfathomablest word', { layer: 2 });
    const word = found.words[1]!;
    const pieces = found.tokens.filter(({ start, end }) => start < end && start < word.end && end > word.start);
    expect(pieces.length).toBeGreaterThan(1);
    const mean = word.vector.map((_, c) => pieces.reduce((sum, { vector }) => sum + vector[c]! / pieces.length, 0));
    expect(apart(word.vector, mean)).toBeLessThan(1e-6);
    const ids = BigInt64Array.from(tokenizer.encode('An unfathomablest word').ids, BigInt);
    const { 'hidden_states.2': states } = await model.run(
      {
        input_ids: hostTensor(ids, [1, ids.length]),
        attention_mask: hostTensor(
          ids.map(() => 1n),
          [1, ids.length],
        ),
      },
      ['hidden_states.2'],
    );
    expect(apart(found.tokens[3]!.vector, (states!.data as Float32Array).slice(3 * 192, 4 * 192))).toBeLessThan(1e-6);
  });

  test('layers are averaged or put one after the other', async () => {
    const [two, five] = [
      await contextualVectors(model, tokenizer, text, { layer: 2 }),
      await contextualVectors(model, tokenizer, text, { layer: -1 }),
    ];
    const mean = await contextualVectors(model, tokenizer, text, { layer: [2, -1] });
    const both = await contextualVectors(model, tokenizer, text, { layer: [2, -1], combine: 'concat' });
    const [a, b] = [two.vectorOf('fish'), five.vectorOf('fish')];
    expect(
      apart(
        mean.vectorOf('fish'),
        a.map((x, i) => (x + b[i]!) / 2),
      ),
    ).toBeLessThan(1e-6);
    expect(apart(both.vectorOf('fish'), [...a, ...b])).toBeLessThan(1e-6);
  });

  test('a word is compared across contexts', async () => {
    const { places, similarities } = await compareContexts(model, tokenizer, 'can', [
      text,
      'She can swim',
      'no such word',
    ]);
    expect(places.map(({ context, start }) => [context, start])).toEqual([
      [0, 2],
      [0, 12],
      [1, 4],
    ]);
    expect(similarities[0]![0]).toBeCloseTo(1, 6);
    expect(similarities[0]![1]).toBeCloseTo(similarities[1]![0]!, 9);
    // The verb is nearer to the other verb than to the noun.
    expect(similarities[0]![2]).toBeGreaterThan(similarities[0]![1]!);
    await expect(compareContexts(model, tokenizer, 'cannot', [text])).rejects.toThrow(/"cannot" stands in none of 1/);
  });

  test('emoji and several scripts have their places', async () => {
    const found = await contextualVectors(model, tokenizer, '😀 naïve café 👍 done');
    expect(found.words.map((word) => word.text)).toEqual(['naïve', 'café', 'done']);
    expect(found.words[0]).toMatchObject({ start: 3, end: 8 });
    expect(wordsOf("don't stop")).toEqual([
      { text: "don't", start: 0, end: 5 },
      { text: 'stop', start: 6, end: 10 },
    ]);
  });

  test('refuses what isn’t there', async () => {
    const found = await contextualVectors(model, tokenizer, text);
    expect(() => found.vectorOf('can', 2)).toThrow(/stands only 2 times/);
    expect(() => found.vectorOf('dog')).toThrow(/"dog" stands nowhere/);
    expect(() => found.vectorOf({ start: 5, end: 99 })).toThrow(/characters 5 to 99 of 23/);
    expect(() => found.vectorOf({ start: 1, end: 2 })).toThrow(/no token stands for " "/);
    await expect(contextualVectors(model, tokenizer, text, { layer: 6 })).rejects.toThrow(
      /no layer 6; there are 0 to 5/,
    );
    await expect(contextualVectors(model, tokenizer, text, { layer: [] })).rejects.toThrow(/no layer;/);
    await expect(contextualVectors(model, tokenizer, 'word '.repeat(300))).rejects.toThrow(
      /302 tokens, but the model sees 128/,
    );
  });
});

describe.skipIf(!existsSync(shared))('other kinds of models', () => {
  test.each(['gpt2', 'llama', 't5', 'bart', 'bert_mlm'])('%s: words and attention of its layers', async (name) => {
    const other = await AutoModel.fromPretrained(fileURLToPath(new URL(name, shared)));
    const size = Number(other.config['vocab_size']);
    const words = new Tokenizer(wordTokenizer(size) as Record<string, unknown>);
    const found = await contextualVectors(other, words, 'w5 w6 w5');
    expect(found.words.map((word) => word.text)).toEqual(['w5', 'w6', 'w5']);
    expect(apart(found.vectorOf('w5'), found.vectorOf('w5', 1))).toBeGreaterThan(1e-4);
    const { heads, tokens } = await attentionMaps(other, words, 'w5 w6 w5', { layer: 0 });
    expect(tokens).toEqual(['[CLS]', 'w5', 'w6', 'w5', '[SEP]']);
    for (const head of heads)
      for (let row = 0; row < 5; row++)
        expect(head.slice(5 * row, 5 * row + 5).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
    await other.dispose();
  });
});

describe('attention maps', () => {
  test('a head, the mean, and all heads of a layer', async () => {
    const maps = await attentionMaps(model, tokenizer, text, { layer: 2 });
    expect([maps.layer, maps.layers, maps.heads.length]).toEqual([2, 5, 4]);
    expect(maps.tokens).toEqual(['[CLS]', 'I', 'can', 'buy', 'a', 'can', 'of', 'fish', '[SEP]']);
    const one = attentionPicture(maps, { head: 3 });
    expect(one).toContain('Attention, layer 2, head 3');
    expect(one.match(/>fish</g)).toHaveLength(2);
    // As many numbers as weights that are shown.
    expect(one.match(/font-size="11"/g)).toHaveLength(maps.heads[3]!.filter((w) => w >= 0.005).length);
    expect(attentionPicture(maps)).toContain('mean of 4 heads');
    expect(attentionPicture(maps, { head: 'all' }).match(/>head \d</g)).toEqual([
      '>head 0<',
      '>head 1<',
      '>head 2<',
      '>head 3<',
    ]);
    expect(() => attentionPicture(maps, { head: 4 })).toThrow(/head is 4; needs a number from 0 to 3/);
    await expect(attentionMaps(model, tokenizer, text, { layer: 5 })).rejects.toThrow(/no layer 5; there are 0 to 4/);
  });

  test('a decoder looks back alone, and spaces have a sign', async () => {
    const decoder = await AutoModel.fromPretrained(folder('shakespeare'));
    const maps = await attentionMaps(decoder, await decoder.tokenizer(), 'To be\n');
    expect(maps.tokens).toEqual(['T', 'o', '␣', 'b', 'e', '⏎']);
    for (const head of maps.heads)
      for (let row = 0; row < 6; row++)
        expect(head.slice(6 * row + row + 1, 6 * row + 6).every((weight) => weight < 1e-6)).toBe(true);
    await decoder.dispose();
  });

  test('tokens that XML can’t hold are drawn all the same', async () => {
    const maps = await attentionMaps(model, tokenizer, 'a < b & "c" \u0007', { layer: -1 });
    const svg = attentionPicture(maps, { title: '<&>' });
    expect(svg).toContain('&lt;&amp;&gt;');
    expect(svg).not.toMatch(/>[<&"]</);
    expect(svg).not.toContain('\u0007');
  });
});
