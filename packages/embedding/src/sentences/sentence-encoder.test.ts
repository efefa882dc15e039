import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostTensor } from '@brickwork/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  apart,
  modulesJson,
  poolingJson,
  shippedEncoder,
  wordTokenizer,
  writeFolder,
} from './encoder-folder.fixture.ts';
import { SentenceEncoder } from './sentence-encoder.ts';

const texts = [
  'A man is playing a guitar.',
  '',
  'Smile 😀👩‍👩‍👧 twice',
  'A long text. '.repeat(4000),
  'x',
  'A man is playing a guitar.',
  '   ',
  ...Array.from({ length: 40 }, (_, i) => 'word and more of it '.repeat(1 + (i % 9)) + String(i)),
];

describe('a plain encoder', () => {
  let encoder: SentenceEncoder;
  let all: Float32Array[];
  beforeAll(async () => {
    encoder = await SentenceEncoder.load(shippedEncoder);
    all = await encoder.encode(texts);
  });
  afterAll(() => encoder.dispose());

  test('gives one vector for each text, in order, by the mean of its tokens', async () => {
    expect(all).toHaveLength(texts.length);
    expect(encoder.dimension).toBe(192);
    for (const vector of all) expect(vector).toHaveLength(192);
    const { ids } = encoder.tokenizer.encode(texts[0]!);
    const one = BigInt64Array.from(ids, BigInt);
    const input = {
      input_ids: hostTensor(one, [1, ids.length]),
      attention_mask: hostTensor(
        one.map(() => 1n),
        [1, ids.length],
      ),
    };
    const { last_hidden_state: states } = await encoder.model.run(input, ['last_hidden_state']);
    const mean = Array.from(
      { length: 192 },
      (_, c) => ids.reduce((sum, _, t) => sum + Number(states!.data[t * 192 + c]), 0) / ids.length,
    );
    expect(apart(mean, all[0]!)).toBeLessThan(1e-5);
  });

  test('a text has the same vector whatever stands beside it', async () => {
    for (const i of [0, 1, 2, 3, 4, 10, 20]) {
      const [alone] = await encoder.encode([texts[i]!]);
      expect(apart(alone!, all[i]!)).toBeLessThan(1e-5);
    }
    const backwards = await encoder.encode(texts.toReversed(), { batchSize: 3 });
    backwards.reverse().forEach((vector, i) => expect(apart(vector, all[i]!)).toBeLessThan(1e-5));
  });

  test('equal texts have equal vectors, each its own', async () => {
    const [a, , b] = await encoder.encode(['same', 'other', 'same']);
    expect(a).toEqual(b);
    a!.fill(0);
    expect(b!.some((x) => x !== 0)).toBe(true);
  });

  test('what is longer than the encoder sees is cut', async () => {
    const { ids } = encoder.tokenizer.encode(texts[3]!, { maxLength: 128 });
    expect([encoder.maxLength, ids.length]).toEqual([128, 128]);
    const [a, b] = await encoder.encode([texts[3]!, `${texts[3]}and an end`]);
    expect(apart(a!, b!)).toBeLessThan(1e-5);
  });

  test('normalises, and keeps the first axes', async () => {
    const [plain] = await encoder.encode(['A text.']);
    const [short] = await encoder.encode(['A text.'], { dimension: 16 });
    const [unit] = await encoder.encode(['A text.'], { dimension: 16, normalize: true });
    expect(apart(short!, plain!.slice(0, 16))).toBeLessThan(1e-6);
    const length = Math.hypot(...short!);
    expect(
      apart(
        unit!,
        short!.map((x) => x / length),
      ),
    ).toBeLessThan(1e-6);
    expect(Math.hypot(...unit!)).toBeCloseTo(1, 5);
  });

  test('streams texts in order, reading only some ahead', async () => {
    let read = 0;
    async function* source(): AsyncGenerator<string> {
      for (let i = 0; i < 300; i++) {
        read++;
        yield `text number ${i} ${'long '.repeat(i % 7)}`;
      }
    }
    const found: Float32Array[] = [];
    for await (const { index, text, vector } of encoder.stream(source(), { batchSize: 4 })) {
      expect(index).toBe(found.length);
      expect(text.startsWith(`text number ${index} `)).toBe(true);
      found.push(vector);
      expect(read).toBeLessThanOrEqual(index + 4 * 16);
    }
    expect(found).toHaveLength(300);
    const [direct] = await encoder.encode([`text number 123 ${'long '.repeat(123 % 7)}`]);
    expect(apart(direct!, found[123]!)).toBeLessThan(1e-5);
  });

  test('tells how far it is, and stops when it is told to', async () => {
    const seen: number[] = [];
    await encoder.encode(texts, { batchSize: 8, onProgress: ({ done, total }) => seen.push(done / total) });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(3);
    const stop = new AbortController();
    const run = encoder.encode(texts, {
      batchSize: 1,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(run).rejects.toThrow('enough');
    await expect(encoder.encode(['a'], { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    const timed = encoder.encode(
      Array.from({ length: 3000 }, (_, i) => `${i} ${'word '.repeat(100)}`),
      {
        signal: AbortSignal.timeout(50),
      },
    );
    await expect(timed).rejects.toThrow(/timeout/);
  });

  test('no texts have no vectors', async () => {
    expect(await encoder.encode([])).toEqual([]);
  });

  test.each([
    [{ batchSize: 0 }, /batchSize is 0/],
    [{ dimension: 193 }, /dimension is 193; needs a whole number from 1 to 192/],
    [{ promptName: 'query' }, /promptName is "query"; the encoder's prompts are none/],
    [{ prompt: 'a', promptName: 'b' }, /both given/],
    [{ batchsize: 3 } as object, /no option batchsize/],
  ])('refuses %j', async (o, message) => {
    await expect(encoder.encode(['a'], o)).rejects.toThrow(message);
  });

  test('refuses what is no text', async () => {
    await expect(encoder.encode(['a', null as unknown as string])).rejects.toThrow('text 1 is null');
    await expect(encoder.encode('text' as unknown as string[])).rejects.toThrow('needs a list of texts');
  });

  test('saves a folder with modules.json, and doesn’t touch one that holds something else', async () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'brickwork-save-')), 'out');
    await encoder.save(folder);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['modules.json', '1_Pooling', 'tokenizer.json']));
    const again = await SentenceEncoder.load(folder);
    expect(apart((await again.encode(['A text.']))[0]!, (await encoder.encode(['A text.']))[0]!)).toBeLessThan(1e-6);
    const foreign = await writeFolder({ 'letter.txt': 'Dear …' });
    await expect(encoder.save(foreign)).rejects.toThrow(/is not empty/);
    expect(readdirSync(foreign)).toEqual(['letter.txt']);
  });
});

describe('prompts', () => {
  test('come before the texts; one that doesn’t count is seen all the same', async () => {
    const files = (includes: boolean): Parameters<typeof writeFolder>[0] => ({
      'modules.json': modulesJson('Pooling'),
      '1_Pooling/config.json': { ...poolingJson(192, 'mean_tokens'), include_prompt: includes },
      'config_sentence_transformers.json': { prompts: { query: 'question: ' } },
    });
    const [counted, uncounted] = await Promise.all(
      [true, false].map(async (includes) => SentenceEncoder.load(await writeFolder(files(includes), shippedEncoder))),
    );
    const plain = await counted!.encode(['question: what is it?']);
    const named = await counted!.encode(['what is it?'], { promptName: 'query' });
    expect(apart(named[0]!, plain[0]!)).toBeLessThan(1e-6);
    const [without] = await uncounted!.encode(['what is it?'], { promptName: 'query' });
    const { ids } = counted!.tokenizer.encode('question: what is it?');
    const skip = counted!.tokenizer.encode('question: ').ids.length - 1;
    const one = BigInt64Array.from(ids, BigInt);
    const { last_hidden_state: states } = await counted!.model.run(
      {
        input_ids: hostTensor(one, [1, ids.length]),
        attention_mask: hostTensor(
          one.map(() => 1n),
          [1, ids.length],
        ),
      },
      ['last_hidden_state'],
    );
    const kept = ids.map((_, t) => t).slice(skip);
    const mean = Array.from(
      { length: 192 },
      (_, c) => kept.reduce((sum, t) => sum + Number(states!.data[t * 192 + c]), 0) / kept.length,
    );
    expect(apart(without!, mean)).toBeLessThan(1e-5);
  });
});

describe('one vector for each token', () => {
  const table = Float32Array.from({ length: 12 * 4 }, (_, i) => Math.fround(Math.sin(i)));
  const row = (id: number): Float32Array => table.slice(4 * id, 4 * id + 4);
  const files = (path: string, name = 'embedding.weight'): Parameters<typeof writeFolder>[0] => ({
    'modules.json': [{ idx: 0, name: '0', path, type: 'sentence_transformers.models.StaticEmbedding' }],
    [join(path, 'tokenizer.json')]: wordTokenizer(12),
    [join(path, 'model.safetensors')]: new Map([[name, hostTensor(table, [12, 4])]]),
  });
  test.each([
    ['0_StaticEmbedding', 'embedding.weight'],
    ['', 'embeddings'],
  ])('StaticEmbedding in %j gives the mean of a text’s tokens', async (path, name) => {
    const encoder = await SentenceEncoder.load(await writeFolder(files(path, name)));
    expect([encoder.dimension, encoder.maxLength]).toEqual([4, Infinity]);
    const [a, none, b] = await encoder.encode(['w4 w5', '', `${'w6 w7 '.repeat(1000)}`]);
    expect(
      apart(
        a!,
        row(4).map((x, i) => (x + row(5)[i]!) / 2),
      ),
    ).toBeLessThan(1e-6);
    expect(none).toEqual(new Float32Array(4));
    expect(
      apart(
        b!,
        row(6).map((x, i) => (x + row(7)[i]!) / 2),
      ),
    ).toBeLessThan(1e-5);
    // Words count as often as they stand there.
    const [often] = await encoder.encode(['w4 w4 w5 w4']);
    const expected = row(4).map((x, i) => (3 * x + row(5)[i]!) / 4);
    expect(apart(often!, expected)).toBeLessThan(1e-6);
    const to = join(mkdtempSync(join(tmpdir(), 'brickwork-static-')), 'out');
    await encoder.save(to);
    expect(await (await SentenceEncoder.load(to)).encode(['w4 w5'])).toEqual([a]);
    await (await SentenceEncoder.load(to)).save(to);
  });
});
