// What a model says about inputs that it can't take.
import { expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { buildNetwork } from './architecture.ts';
import { architectures } from './architectures/index.ts';
import { Model } from './model.ts';

const sizes = {
  vocab_size: 11,
  hidden_size: 6,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 7,
};
const int = (...values: number[]): HostTensor => hostTensor(BigInt64Array.from(values, BigInt), [1, values.length]);

function model(className: string, type = 'bert'): Model {
  const config = { model_type: type, ...sizes };
  const built = buildNetwork(config, architectures, className);
  const weights = new Map([...initialize(built.network)].map(([n, t]) => [n, hostTensor(t.data, t.shape)]));
  return new Model({ ...built, weights, config });
}

test.each([
  [
    { input_ids: int(3, 11) },
    'BertForMaskedLM: input_ids holds 11 (value 1), but ids are from 0 to 10; does the tokenizer belong',
  ],
  [{ input_ids: int(-1) }, 'input_ids holds -1 (value 0)'],
  [{ input_ids: int(1, 2), token_type_ids: int(0, 2) }, 'token_type_ids holds 2 (value 1), but ids are from 0 to 1'],
  [{ input_ids: int(1, 2), position_ids: int(0, 7) }, 'position_ids holds 7 (value 1), but ids are from 0 to 6'],
  [{ input_ids: int(1, 2), labels: int(-100, -1) }, 'labels holds -1 (value 1), but ids are from 0 to 10, or -100'],
  [{ input_ids: int(1, 2, 3, 4, 5, 6, 7, 8) }, 'input_ids (1, 8) has 8 positions, but 7 fit; cut it'],
  [{ input_ids: int() }, 'input_ids (1, 0) is empty'],
])('refused by name: %#', async (inputs, message) => {
  await expect(model('BertForMaskedLM').run(inputs, ['logits'])).rejects.toThrow(message);
});

test('the longest text that fits, and labels that are left out, are taken', async () => {
  const m = model('BertForMaskedLM');
  const { loss } = await m.run({ input_ids: int(1, 2, 3, 4, 5, 6, 7), labels: int(-100, 10, 0, -100, 1, 1, 1) }, [
    'loss',
  ]);
  expect(loss!.data[0]).toBeGreaterThan(0);
  await m.dispose();
});

test('RoBERTa’s positions begin after the padding’s', async () => {
  const m = model('RobertaModel', 'roberta');
  const run = (ids: HostTensor): Promise<unknown> => m.run({ input_ids: ids }, ['last_hidden_state']);
  await run(int(2, 3, 4, 5, 6));
  await expect(run(int(2, 3, 4, 5, 6, 7))).rejects.toThrow('input_ids (1, 6) has 6 positions, but 5 fit');
  await m.dispose();
});

test('each choice of multiple choice is as long as a text may be', async () => {
  const m = model('BertForMultipleChoice');
  const run = (...shape: number[]): Promise<unknown> => {
    const n = shape.reduce((a, b) => a * b);
    return m.run({ input_ids: hostTensor(new BigInt64Array(n).fill(2n), shape) }, ['logits']);
  };
  await run(2, 9, 7);
  await expect(run(2, 2, 8)).rejects.toThrow('input_ids (2, 2, 8) has 8 positions, but 7 fit');
  await m.dispose();
});
