// Scores against sums over PyTorch's logits: to 1e-4 over a row, as each of its float32 logits differs by about 1e-6; and
// the same score, to 1e-5, alone and in a padded batch.
import { describe, expect, test } from 'vitest';
import {
  labelledLogProbs,
  loadModel,
  Scorer,
  type LabelledRow,
  type Scored,
} from '../../packages/transformer/src/index.ts';
import { hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import { fixture, hasShared } from '../fixtures.ts';
import { fileURLToPath } from 'node:url';

const rowsOf = ({ data, shape }: HostTensor): number[][] =>
  Array.from({ length: shape[0]! }, (_, row) =>
    Array.from(data.subarray(row * shape[1]!, (row + 1) * shape[1]!) as Iterable<number | bigint>, Number),
  );

/** ln softmax(logits)[label] in float64. */
function logProb(logits: Float32Array, label: number): number {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return logits[label]! - top - Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
}
const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

const names = [
  'gpt2',
  'llama',
  'mistral',
  'qwen2',
  'gpt_neox',
  'bert_mlm',
  'roberta_mlm',
  'distilbert_mlm',
  't5',
  'bart',
];
describe.skipIf(!hasShared).each(names)('%s (needs ../shared)', (name) => {
  test('scores of tokens are the log-softmax of PyTorch’s logits, in a batch and alone', async () => {
    const { folder, inputs, expected, json } = await fixture(name);
    const model = await loadModel(folder);
    const logits = expected.get('logits')!;
    const [, T, V] = logits.shape as [number, number, number];
    const isShifted = 'causalLM' in model && /gpt|llama|mistral|qwen/.test(name);
    const ids = rowsOf(inputs.get('input_ids')!);
    const mask = inputs.has('attention_mask')
      ? rowsOf(inputs.get('attention_mask')!)
      : ids.map((row) => row.map(() => 1));
    const labels = inputs.has('labels') ? rowsOf(inputs.get('labels')!) : ids;
    const lengths = mask.map((row) => sum(row));
    const isTarget = name === 't5' || name === 'bart';
    const start = Number(model.config['decoder_start_token_id'] ?? 0);
    const pad = Number(model.config['pad_token_id'] ?? 0);
    const rows = ids.map((row, i): LabelledRow => {
      const own = labels[i]!.slice(0, isTarget ? T : lengths[i]);
      const before = own.slice(0, -1).map((id) => (id === -100 ? pad : id));
      return {
        ids: row.slice(0, lengths[i]),
        labels: own.map((label, t) => (isShifted && t === 0 ? -100 : label)),
        ...(inputs.has('token_type_ids') && {
          typeIds: rowsOf(inputs.get('token_type_ids')!)[i]!.slice(0, lengths[i]),
        }),
        ...(isTarget && { targets: [start, ...before] }),
      };
    });
    const reference = rows.map((row, i) =>
      row.labels.map((label, t) => {
        const at = (i * T + t - (isShifted ? 1 : 0)) * V;
        return label === -100 ? 0 : logProb((logits.data as Float32Array).subarray(at, at + V), label);
      }),
    );
    const together = await labelledLogProbs(model, rows);
    together.forEach((found, i) => {
      expect(found).toHaveLength(rows[i]!.labels.length);
      expect(Math.abs(sum(found) - sum(reference[i]!))).toBeLessThan(1e-4);
      found.forEach((value, t) => expect(Math.abs(value - reference[i]![t]!)).toBeLessThan(1e-4));
    });
    const count = rows.flatMap((row) => row.labels).filter((label) => label !== -100).length;
    expect(-sum(together.map((found) => sum(found))) / count).toBeCloseTo(json.loss, 4);
    for (const [i, row] of rows.entries()) {
      const [alone] = await labelledLogProbs(model, [row], { batchSize: 1 });
      expect(Math.abs(sum(alone!) - sum(together[i]!))).toBeLessThan(1e-5);
    }
    await model.dispose();
  });
});

const shipped = (name: string): string => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

/** ln p of each token of a row, from all logits of the plain pass. */
async function fromLogits(scorer: Scorer, ids: readonly number[]): Promise<(label: number, t: number) => number> {
  const input = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
  const { logits } = await scorer.model.run({ input_ids: input }, ['logits']);
  const V = logits!.shape[2]!;
  return (label, t) => logProb((logits!.data as Float32Array).subarray(t * V, (t + 1) * V), label);
}

const texts = ['To be, or not to be', 'A', 'KING RICHARD: What say you to this, my lord of Norfolk?', 'the'];

function same(a: readonly Scored[], b: readonly Scored[]): void {
  expect(a.map(({ text }) => text)).toEqual(b.map(({ text }) => text));
  a.forEach((one, i) => expect(Math.abs(one.logProb - b[i]!.logProb)).toBeLessThan(1e-5));
}

test('a causal model’s score is the sum over its logits, whatever stands beside the text', async () => {
  const scorer = await Scorer.load(shipped('shakespeare'));
  expect(scorer.kind).toBe('causal');
  const all = await scorer.score(texts);
  for (const [i, text] of texts.entries()) {
    const { ids } = scorer.tokenizer.encode(text);
    const at = await fromLogits(scorer, ids);
    // This vocabulary has no token that begins texts, so nothing predicts the first.
    const expected = ids.slice(1).map((id, t) => at(id, t));
    expect(all[i]!.tokens.map((token) => token.logProb)).toEqual([
      null,
      ...expected.map((value) => expect.closeTo(value, 4)),
    ]);
    expect(all[i]!.logProb).toBeCloseTo(sum(expected), 4);
    expect(all[i]!.count).toBe(ids.length - 1);
    expect(all[i]!.tokens.map((token) => token.text).join('')).toBe(text);
  }
  same(all, (await Promise.all(texts.map((text) => scorer.score([text], { batchSize: 1 })))).flat());
  same(await scorer.score(texts.toReversed(), { batchSize: 2 }), all.toReversed());
  await scorer.dispose();
});

test('of a text after a context, the text alone is scored', async () => {
  const scorer = await Scorer.load(shipped('shakespeare'));
  const [whole, context, part, trailing] = await scorer.score([
    'To be, or not to be',
    'To be, or',
    { context: 'To be, or', text: ' not to be' },
    { context: 'To be, or ', text: 'not to be' },
  ]);
  expect(part!.logProb).toBeCloseTo(whole!.logProb - context!.logProb, 5);
  expect(part!.tokens.map(({ text }) => text).join('')).toBe(' not to be');
  expect(part!.tokens.map(({ start }) => start)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // The space at the context's end counts to the text.
  expect(trailing!.logProb).toBeCloseTo(part!.logProb, 5);
  await scorer.dispose();
});

test('a text longer than the context is read in windows, each token scored once with what its window has before it', async () => {
  const scorer = await Scorer.load(shipped('shakespeare'));
  const text = 'All that glisters is not gold; often have you heard that told. '.repeat(2);
  const { ids } = scorer.tokenizer.encode(text);
  const [one] = await scorer.score([text], { window: 50, stride: 20 });
  expect(one!.count).toBe(ids.length - 1);
  const expected: number[] = [];
  for (let begin = 0; expected.length < ids.length - 1; begin += 20) {
    const own = ids.slice(begin, begin + 50);
    const at = await fromLogits(scorer, own);
    const values = own.slice(1).map((id, t) => at(id, t));
    expected.push(...values.slice(expected.length - begin));
  }
  one!.tokens.slice(1).forEach(({ logProb: found }, t) => expect(found).toBeCloseTo(expected[t]!, 4));
  const [whole] = await scorer.score([text]);
  expect(whole!.logProb).not.toBeCloseTo(one!.logProb, 1);
  await scorer.dispose();
});

test('a masked model’s score hides each token in turn, and the rest of its word where asked', async () => {
  const scorer = await Scorer.load(shipped('encoder'));
  expect(scorer.kind).toBe('masked');
  const text = 'The ungrateful carpenter sang.';
  const { ids, wordIds } = scorer.tokenizer.encode(text);
  expect(new Set(wordIds).size).toBeLessThan(ids.length - 1); // some word has several pieces
  const mask = scorer.tokenizer.specialTokens.mask!.id;
  for (const pll of ['original', 'word_l2r'] as const) {
    const expected: number[] = [];
    for (let t = 1; t < ids.length - 1; t++) {
      const hidden = ids.map((id, i) => {
        const isRest = pll === 'word_l2r' && i > t && wordIds[i] === wordIds[t];
        return i === t || isRest ? mask : id;
      });
      expected.push((await fromLogits(scorer, hidden))(ids[t]!, t));
    }
    const [alone] = await scorer.score([text], { pll });
    expect(alone!.tokens.map((token) => token.logProb)).toEqual(expected.map((value) => expect.closeTo(value, 4)));
    const beside = await scorer.score(['Yes.', text, 'It was a dark and stormy night; the rain fell in torrents.'], {
      pll,
    });
    expect(Math.abs(beside[1]!.logProb - alone!.logProb)).toBeLessThan(1e-5);
  }
  await scorer.dispose();
});
