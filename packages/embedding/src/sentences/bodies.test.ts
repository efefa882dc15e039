// Bodies of many architectures: what stands beside a text never changes its vector, and saved they come back.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { apart, bertFolder, wordTokenizer, writeFolder } from './encoder-folder.fixture.ts';
import { SentenceEncoder } from './sentence-encoder.ts';

const names = ['bert_mlm', 'bert_encoder', 'roberta_mlm', 'roberta_classify', 'distilbert_mlm', 't5', 'gpt2', 'llama'];
names.push('mistral', 'qwen2', 'gpt_neox', 'bart', 'marian');

describe.skipIf(!existsSync(bertFolder))('bodies', () => {
  test.each(names)('%s', async (name) => {
    const from = join(bertFolder, '..', name);
    const { vocab_size: size } = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8')) as { vocab_size: number };
    const encoder = await SentenceEncoder.load(await writeFolder({ 'tokenizer.json': wordTokenizer(size) }, from));
    const texts = Array.from({ length: 12 }, (_, i) =>
      Array.from({ length: 1 + ((i * 5) % 13) }, (__, j) => `w${4 + ((i * 7 + j * 3) % (size - 4))}`).join(' '),
    );
    const all = await encoder.encode([...texts, '']);
    expect(apart(all[0]!, all[1]!)).toBeGreaterThan(1e-3);
    for (const [i, text] of [...texts, ''].entries())
      expect(apart((await encoder.encode([text]))[0]!, all[i]!)).toBeLessThan(1e-5);
    // All of them padded together, too, to the longest.
    const { model, padId } = encoder;
    const ids = texts.map((text) => encoder.encodeIds(text).ids);
    const T = Math.max(...ids.map((row) => row.length));
    const grid = (of: (row: number[], t: number) => number): BigInt64Array =>
      BigInt64Array.from(ids.flatMap((row) => Array.from({ length: T }, (_, t) => BigInt(of(row, t)))));
    const tensor = (data: BigInt64Array): { data: BigInt64Array; shape: number[]; dtype: 'int64' } => ({
      data,
      shape: [12, T],
      dtype: 'int64',
    });
    const { sentence_embedding: padded } = await model.run(
      {
        input_ids: tensor(grid((row, t) => row[t] ?? padId)),
        attention_mask: tensor(grid((row, t) => Number(t < row.length))),
      },
      ['sentence_embedding'],
    );
    const D = encoder.dimension;
    texts.forEach((_, i) =>
      expect(apart((padded!.data as Float32Array).slice(i * D, (i + 1) * D), all[i]!)).toBeLessThan(1e-5),
    );
    const to = join(await writeFolder({}), 'saved');
    await encoder.save(to);
    const again = await SentenceEncoder.load(to);
    expect(apart((await again.encode(texts))[3]!, all[3]!)).toBeLessThan(1e-6);
    await encoder.dispose();
    await again.dispose();
  });
});
