// Sentence encoders that multiply in whole numbers of 8 bits.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SentenceEncoder } from './sentence-encoder.ts';

const folder = fileURLToPath(new URL('../../../../models/encoder', import.meta.url));

test('int8 gives vectors that point where those of float32 do', async () => {
  const texts = ['A dog runs after a ball.', 'Two cats sleep.', 'The parliament voted on the budget.'];
  const [whole, rounded] = await Promise.all(
    (['fp32', 'int8'] as const).map(async (dtype) => {
      const encoder = await SentenceEncoder.load(folder, { compile: { dtype } });
      const vectors = await encoder.encode(texts, { normalize: true });
      await encoder.model.dispose();
      return vectors;
    }),
  );
  for (const [i, vector] of rounded!.entries()) {
    const cosine = vector.reduce((s, x, k) => s + x * whole![i]![k]!, 0);
    // Steps of 1/254 of the largest weight and activation, through six layers.
    expect(cosine).toBeGreaterThan(0.99);
    expect(cosine).toBeLessThan(0.999999);
  }
});

test('other types are refused', async () => {
  await expect(SentenceEncoder.load(folder, { compile: { dtype: 'int4' as never } })).rejects.toThrow(
    'dtype is "int4"; there are fp32, int8',
  );
});
