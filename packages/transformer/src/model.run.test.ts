// Outputs by name: any subset, from the same weights, agrees with what the other outputs imply.
import { expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { buildNetwork } from './architecture.ts';
import { architectures } from './architectures/index.ts';
import { Model } from './model.ts';

const config = { model_type: 'gpt2', vocab_size: 11, n_positions: 8, n_embd: 6, n_layer: 2, n_head: 2 };
const [B, T, V, C] = [2, 5, 11, 6];
function model(): Model {
  const built = buildNetwork(config, architectures);
  const initial = initialize(built.network, 1);
  // Larger than usual, so that attention and log-probabilities are far from even.
  const weights = [...initial].map(
    ([n, t]) =>
      [
        n,
        hostTensor(
          t.data.map((v) => v * 8),
          t.shape,
        ),
      ] as const,
  );
  return new Model({ ...built, weights: new Map(weights), config });
}
const ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];
const input_ids = hostTensor(BigInt64Array.from(ids, BigInt), [B, T]);
const attention_mask = hostTensor(BigInt64Array.from([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], BigInt), [B, T]);
const values = (t: HostTensor | undefined): number[] => [...(t!.data as Float32Array)];

test('hidden states, attention maps, logits, log-probabilities and the loss are given together or alone', async () => {
  const m = model();
  const labels = hostTensor(BigInt64Array.from([-100, 1, 4, 1, -100, 9, 2, 6, -100, -100], BigInt), [B, T]);
  const given = { input_ids, attention_mask, labels };
  const names = [
    'logits',
    'loss',
    'log_probs',
    'last_hidden_state',
    'hidden_states.0',
    'hidden_states.2',
    'attentions.1',
  ];
  const all = await m.run(given, names);
  expect(Object.keys(all).toSorted()).toEqual(names.toSorted());
  for (const name of names) expect((await m.run(given, [name]))[name], name).toEqual(all[name]);
  expect(all['logits']!.shape).toEqual([B, T, V]);
  expect(all['hidden_states.0']!.shape).toEqual([B, T, C]);
  expect(all['hidden_states.2']).toEqual(all['last_hidden_state']);

  // Each query's weights sum to one, and none is on what comes later or on padding.
  const attention = values(all['attentions.1']);
  expect(all['attentions.1']!.shape).toEqual([B, 2, T, T]);
  for (let row = 0; row < B * 2 * T; row++) {
    const t = row % T;
    const last = row >= 2 * T ? Math.min(t, 2) : t;
    const weights = attention.slice(row * T, (row + 1) * T);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(weights.slice(last + 1).every((w) => w === 0)).toBe(true);
  }

  // ln p of each label from the logits before it, in float64.
  const logits = values(all['logits']);
  const expected = Array.from(labels.data as BigInt64Array, Number).map((label, i) => {
    const t = i % T;
    const padded = i >= 8;
    if (t === 0 || label === -100 || padded) return 0;
    const before = logits.slice((i - 1) * V, i * V);
    return before[label]! - Math.log(before.reduce((sum, v) => sum + Math.exp(v), 0));
  });
  values(all['log_probs']).forEach((lp, i) => expect(lp).toBeCloseTo(expected[i]!, 5));
  const counted = expected.filter((lp) => lp !== 0);
  expect(values(all['loss'])[0]).toBeCloseTo(-counted.reduce((a, b) => a + b) / counted.length, 5);
  await m.dispose();
});

test('without labels the log-probabilities are those of the tokens', async () => {
  const m = model();
  const { log_probs, logits } = await m.run({ input_ids }, ['log_probs', 'logits']);
  const all = values(logits);
  values(log_probs).forEach((lp, i) => {
    const before = all.slice((i - 1) * V, i * V);
    const expected = i % T ? before[ids[i]!]! - Math.log(before.reduce((sum, v) => sum + Math.exp(v), 0)) : 0;
    expect(lp).toBeCloseTo(expected, 5);
  });
  await m.dispose();
});

test('what is asked for wrongly is named', async () => {
  const m = model();
  await expect(m.run({ input_ids }, ['logit'])).rejects.toThrow('no output is called logit; did you mean logits?');
  await expect(m.run({ input_ids }, ['loss'])).rejects.toThrow('loss; it needs the input labels');
  await expect(m.run({ input_ids }, [])).rejects.toThrow('no outputs asked for; there are logits');
  await expect(m.run({}, ['logits'])).rejects.toThrow('the input input_ids is missing');
  await expect(m.run({ input_ids, pixels: input_ids }, ['logits'])).rejects.toThrow('no input is called pixels');
  await expect(m.run({ input_ids }, ['logits'], { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow(
    'stop',
  );
});
