import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  apart,
  modulesJson,
  poolingJson,
  shippedEncoder,
  sineDense,
  wordTokenizer,
  writeFolder,
} from './encoder-folder.fixture.ts';
import { mineHardNegatives } from './mine-hard-negatives.ts';
import { SentenceEncoder } from './sentence-encoder.ts';
import { cosineScores, matryoshka, ranking } from './sentence-losses.ts';
import { SentenceTuning, trainSentenceEncoder, twice, type SentencePair } from './sentence-tuning.ts';
import { cosine, dot } from './similarity.ts';

const brief = { batchSize: 8, steps: 30, rate: 0.02, picture: false, evaluateEvery: 1000 } as const;

async function staticEncoder(): Promise<SentenceEncoder> {
  const draw = random(3);
  const table = Float32Array.from({ length: 60 * 16 }, () => draw.normal());
  return SentenceEncoder.load(
    await writeFolder({
      'modules.json': [
        { path: '', type: 'sentence_transformers.models.StaticEmbedding' },
        { path: '1_Normalize', type: 'sentence_transformers.models.Normalize' },
      ],
      'tokenizer.json': wordTokenizer(60),
      'model.safetensors': new Map([['embedding.weight', hostTensor(table, [60, 16])]]),
    }),
  );
}

// Words from 4 to 27 mean the same as those from 28 to 51.
const pairs: SentencePair[] = Array.from({ length: 48 }, (_, i) => {
  const words = [i % 24, (i * 5 + 7) % 24];
  return { anchor: words.map((w) => `w${w + 4}`).join(' '), positive: words.map((w) => `w${w + 28}`).join(' ') };
});

describe('training', () => {
  test('pairs come together, and others stay apart', async () => {
    const encoder = await staticEncoder();
    const before = await encoder.encode(['w4 w5', 'w28 w29', 'w40 w41']);
    const losses: number[] = [];
    const trained = await trainSentenceEncoder(encoder, pairs, {
      ...brief,
      onEvent: (event) => event.type === 'step' && losses.push(event.loss),
    });
    expect(losses.at(-1)!).toBeLessThan(0.5 * losses[0]!);
    const [a, p, other] = await trained.encode(['w4 w5', 'w28 w29', 'w40 w41']);
    expect(dot(a!, p!)).toBeGreaterThan(dot(before[0]!, before[1]!) + 0.2);
    expect(dot(a!, p!)).toBeGreaterThan(dot(a!, other!) + 0.3);
    // The first one is as it was, and the new one can be saved.
    expect(await encoder.encode(['w4 w5'])).toEqual([before[0]]);
    const to = join(mkdtempSync(join(tmpdir(), 'brickwork-tuned-')), 'out');
    await trained.save(to);
    expect(apart((await (await SentenceEncoder.load(to)).encode(['w4 w5']))[0]!, a!)).toBeLessThan(1e-6);
  });

  test('with Matryoshka’s loss the first axes alone tell texts apart', async () => {
    const encoder = await staticEncoder();
    // How much nearer partners are than others, by their first four axes.
    const gap = async (one: SentenceEncoder): Promise<number> => {
      const anchors = await one.encode(
        pairs.map(({ anchor }) => anchor),
        { dimension: 4 },
      );
      const positives = await one.encode(
        pairs.map(({ positive }) => positive),
        { dimension: 4 },
      );
      const mean = (shift: number): number =>
        anchors.reduce((sum, v, i) => sum + cosine(v, positives[(i + shift) % 48]!), 0) / 48;
      return mean(0) - mean(5);
    };
    const long = { ...brief, steps: 150 };
    const nested = await trainSentenceEncoder(encoder, pairs, { ...long, loss: matryoshka(ranking(), [16, 4]) });
    const whole = await trainSentenceEncoder(encoder, pairs, long);
    expect(await gap(nested)).toBeGreaterThan(0.5);
    expect(await gap(nested)).toBeGreaterThan(await gap(whole));
  });

  test('scores, triplets, and a part of the network', async () => {
    const encoder = await staticEncoder();
    const scored = pairs.map((pair, i) => ({ ...pair, score: i % 2 ? 1 : 0 }));
    const byScore = await trainSentenceEncoder(encoder, scored, { ...brief, steps: 150, loss: cosineScores() });
    const vectors = await byScore.encode(scored.flatMap(({ anchor, positive }) => [anchor, positive]));
    const mean = (of: 0 | 1): number =>
      scored.reduce((sum, { score }, i) => sum + (score === of ? dot(vectors[2 * i]!, vectors[2 * i + 1]!) : 0), 0) /
      24;
    expect(mean(1)).toBeGreaterThan(mean(0) + 0.3);
    const three = pairs.map((pair, i) => ({ ...pair, negative: pairs[(i + 9) % 48]!.positive }));
    await trainSentenceEncoder(encoder, three, { ...brief, steps: 2 });
  });

  test('SimCSE needs dropout, which a body can be given', async () => {
    const encoder = await staticEncoder();
    const texts = twice(pairs.map(({ anchor }) => anchor));
    await expect(trainSentenceEncoder(encoder, texts, brief)).rejects.toThrow(/nothing is dropped.*dropout: 0\.1/);
    const losses: number[] = [];
    const onEvent = (event: { type: string; loss?: number }): unknown =>
      event.type === 'step' && losses.push(event.loss!);
    await trainSentenceEncoder(encoder, texts, { ...brief, dropout: 0.1, onEvent });
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
  });

  test('a Transformer learns through its pooling and its Dense, and keeps its own dropout', async () => {
    const folder = await writeFolder(
      {
        'modules.json': modulesJson('Pooling', 'Dense', 'Normalize'),
        '1_Pooling/config.json': poolingJson(192, 'mean_tokens'),
        '2_Dense/config.json': {
          in_features: 192,
          out_features: 8,
          activation_function: 'torch.nn.modules.activation.Tanh',
        },
        '2_Dense/model.safetensors': sineDense(192, 8),
      },
      shippedEncoder,
    );
    const encoder = await SentenceEncoder.load(folder);
    const tuning = new SentenceTuning(encoder, { dropout: 0.1 });
    expect(tuning.trained).toContain('modules.1.linear.weight');
    const examples = twice(['A dog runs.', 'It rains today.', 'She reads a book.', 'Numbers are odd.']);
    for await (const _ of tuning.train(examples, { batchSize: 4, steps: 2, rate: 1e-3, picture: false })) continue;
    const trained = tuning.encoder();
    expect(
      apart((await trained.encode(['A dog runs.']))[0]!, (await encoder.encode(['A dog runs.']))[0]!),
    ).toBeGreaterThan(1e-3);
    expect(trained.parts.body.kind === 'transformer' && trained.parts.body.model.config['mlp_dropout']).toBe(0);
    const head = new SentenceTuning(encoder, { method: 'head' });
    expect(head.trained).toEqual(['modules.1.linear.weight', 'modules.1.linear.bias']);
  });

  test('examples that don’t go together are refused', async () => {
    const encoder = await staticEncoder();
    const wrong = [pairs[0]!, { ...pairs[1]!, negative: 'w9' }];
    await expect(trainSentenceEncoder(encoder, wrong, brief)).rejects.toThrow(
      /example 1 has anchor, positive, negative; the first has anchor, positive/,
    );
    await expect(trainSentenceEncoder(encoder, [], brief)).rejects.toThrow(/no examples/);
  });
});

describe('hard negatives', () => {
  let encoder: SentenceEncoder;
  beforeAll(async () => {
    encoder = await staticEncoder();
  });
  const corpus = Array.from({ length: 40 }, (_, i) => `w${4 + i} w${5 + i}`);
  const asked = [
    { anchor: 'w10 w11', positive: 'w12 w13' },
    { anchor: 'w10 w11', positive: 'w11 w12' },
    { anchor: 'w30 w31', positive: 'w31 w32' },
  ];
  // All texts of the corpus by their cosine, without those that belong to the anchor.
  const ranked = async (anchor: string): Promise<{ text: string; score: number }[]> => {
    const own = new Set([anchor, ...asked.filter((one) => one.anchor === anchor).map(({ positive }) => positive)]);
    const [query] = await encoder.encode([anchor]);
    const vectors = await encoder.encode(corpus);
    return corpus
      .map((text, i) => ({ text, score: cosine(query!, vectors[i]!) }))
      .filter(({ text }) => !own.has(text))
      .sort((x, y) => y.score - x.score);
  };

  test('are the nearest texts that don’t belong to the anchor', async () => {
    const found = await mineHardNegatives(encoder, asked, { corpus, negatives: 2 });
    expect(found).toHaveLength(6);
    for (const [i, pair] of asked.entries()) {
      const expected = (await ranked(pair.anchor)).slice(0, 2);
      expect(found.slice(2 * i, 2 * i + 2).map(({ negative }) => negative)).toEqual(expected.map(({ text }) => text));
      expect(found[2 * i]!.negativeScore).toBeCloseTo(expected[0]!.score, 5);
      expect(found[2 * i]).toMatchObject(pair);
    }
  });

  test('may leave out the nearest, and those too near the positive', async () => {
    const all = await ranked('w30 w31');
    const only = asked.slice(2);
    const skipped = await mineHardNegatives(encoder, only, { corpus, negatives: 1, skip: 3 });
    expect(skipped[0]!.negative).toBe(all[3]!.text);
    const below = await mineHardNegatives(encoder, only, { corpus, negatives: 40, depth: 40, margin: 0.2 });
    const most = below[0]!.positiveScore - 0.2;
    expect(below.map(({ negative }) => negative)).toEqual(
      all.filter(({ score }) => score <= most).map(({ text }) => text),
    );
    const relative = await mineHardNegatives(encoder, only, { corpus, negatives: 40, depth: 40, relativeMargin: 0.5 });
    expect(relative.every(({ negativeScore, positiveScore }) => negativeScore <= 0.5 * positiveScore)).toBe(true);
    const within = await mineHardNegatives(encoder, only, {
      corpus,
      negatives: 40,
      depth: 40,
      maxScore: 0.3,
      minScore: 0,
    });
    expect(within.every(({ negativeScore: s }) => s >= 0 && s <= 0.3)).toBe(true);
  });

  test('are drawn from the candidates by the seed', async () => {
    const draw = async (seed: number): Promise<string[]> =>
      (await mineHardNegatives(encoder, asked, { corpus, negatives: 2, depth: 20, sampling: 'random', seed })).map(
        (t) => t.negative,
      );
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
  });

  test('positives of the pairs are the corpus unless one is given, and options are checked', async () => {
    const found = await mineHardNegatives(encoder, asked, { negatives: 3 });
    const positives = new Set(asked.map(({ positive }) => positive));
    expect(found.every(({ negative }) => positives.has(negative))).toBe(true);
    expect(found.filter(({ anchor }) => anchor === 'w10 w11').every(({ negative }) => negative === 'w31 w32')).toBe(
      true,
    );
    expect(await mineHardNegatives(encoder, [])).toEqual([]);
    await expect(mineHardNegatives(encoder, asked, { negatives: 0 })).rejects.toThrow(/negatives is 0/);
    await expect(mineHardNegatives(encoder, asked, { skip: 5, depth: 5 })).rejects.toThrow(
      /depth is 5; needs more than the 5/,
    );
    await expect(mineHardNegatives(encoder, asked, { topk: 5 } as object)).rejects.toThrow(/no option topk/);
  });
});
