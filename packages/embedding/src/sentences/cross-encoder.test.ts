// Cross-encoders: pairs scored as the model scores them alone, cut to what it sees, ranked.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { hostTensor, readSafetensors } from '@brickwork/runtime';
import { AutoModel } from '@brickwork/transformer';
import { hasShared, sharedPath } from '../../../../tests/fixtures.ts';
import { CrossEncoder } from './cross-encoder.ts';
import { shippedEncoder, wordTokenizer } from './encoder-folder.fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-cross-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.skipIf(!hasShared)('a BERT that scores pairs (needs ../shared)', () => {
  // The reference checkpoint with a tokenizer whose words are its ids: w4, w5, ….
  function folder(name: string, config: object = {}): string {
    const to = join(root, name);
    cpSync(sharedPath('fixtures/checkpoints/bert_regress'), to, { recursive: true });
    const own = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8')) as object;
    writeFileSync(join(to, 'config.json'), JSON.stringify({ ...own, ...config }));
    writeFileSync(join(to, 'tokenizer.json'), JSON.stringify(wordTokenizer(97)));
    writeFileSync(
      join(to, 'tokenizer_config.json'),
      JSON.stringify({ pad_token: '[PAD]', unk_token: '[UNK]', cls_token: '[CLS]', sep_token: '[SEP]' }),
    );
    return to;
  }

  test('gives PyTorch’s logits of the ids that it was tested with', async () => {
    const path = folder('torch');
    const [{ tensors: inputs }, { tensors: expected }] = await Promise.all(
      ['inputs', 'expected'].map((name) => readSafetensors(join(path, `${name}.safetensors`))) as [
        ReturnType<typeof readSafetensors>,
        ReturnType<typeof readSafetensors>,
      ],
    );
    const model = await AutoModel.fromPretrained(path);
    const { logits } = await model.run(Object.fromEntries([...inputs!].filter(([name]) => name !== 'labels')), [
      'logits',
    ]);
    // float32 arithmetic in another order.
    logits!.data.forEach((x, i) =>
      expect(Math.abs(Number(x) - Number(expected!.get('logits')!.data[i]))).toBeLessThan(1e-4),
    );
  });

  const pairs = [
    ['w4 w5', 'w6 w7 w8'],
    ['w9', 'w10 '.repeat(60)],
    ['w11 w12 w13', 'w14'],
    ['w4 w5', ''],
    ['w20 '.repeat(50), 'w21 '.repeat(50)],
  ] as const;

  test('scores a pair as the model does alone, whatever stands beside it', async () => {
    const encoder = await CrossEncoder.load(
      folder('alone', { sentence_transformers: { activation_fn: 'torch.nn.modules.linear.Identity' } }),
    );
    const together = await encoder.predict(pairs);
    for (const [i, [a, b]] of pairs.entries()) {
      const [alone] = await encoder.predict([[a, b]], { batchSize: 1 });
      expect(Math.abs(alone! - together[i]!)).toBeLessThan(1e-5);
      const { ids, typeIds } = encoder.tokenizer.encode(a, { textPair: b, maxLength: 40 });
      expect(ids.length).toBeLessThanOrEqual(40);
      const tensor = (values: readonly number[]): ReturnType<typeof hostTensor> =>
        hostTensor(BigInt64Array.from(values, BigInt), [1, ids.length]);
      const { logits } = await encoder.model.run({ input_ids: tensor(ids), token_type_ids: tensor(typeIds) }, [
        'logits',
      ]);
      expect(Math.abs(Number(logits!.data[0]) - together[i]!)).toBeLessThan(1e-5);
    }
    const sigmoid = await encoder.predict(pairs, { activation: 'sigmoid' });
    sigmoid.forEach((p, i) => expect(p).toBeCloseTo(1 / (1 + Math.exp(-together[i]!)), 6));
    await encoder.dispose();
  });

  test('ranks texts, and says what it can’t do', async () => {
    const encoder = await CrossEncoder.load(folder('rank'));
    const texts = ['w5', 'w6 w7', 'w8', 'w6 w7'];
    const ranked = await encoder.rank('w4', texts);
    const scores = await encoder.predict(texts.map((text) => ['w4', text] as const));
    expect(ranked.map(({ index }) => index)).toEqual([0, 1, 2, 3].toSorted((a, b) => scores[b]! - scores[a]! || a - b));
    expect(await encoder.rank('w4', texts, { topK: 2 })).toEqual(ranked.slice(0, 2));
    expect(await encoder.rank('w4', [])).toEqual([]);
    await expect(encoder.predict(['a'] as never)).rejects.toThrow('pair 0 is "a"; needs two texts');
    await expect(encoder.predict([['w4', 'w5']], { signal: AbortSignal.abort() })).rejects.toThrow('abort');
    await encoder.dispose();
    await expect(
      CrossEncoder.load(folder('odd', { sentence_transformers: { activation_fn: 'my.Own' } })),
    ).rejects.toThrow('known are Sigmoid and Identity');
    await expect(CrossEncoder.load(shippedEncoder)).rejects.toThrow('scores no texts');
  });
});
