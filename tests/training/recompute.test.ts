// Activation checkpointing: the same gradients from a graph that keeps less, and that the engine doesn't undo.
import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../packages/graph/src/index.ts';
import { initialize, parameters, trainable } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor, type Placement } from '../../packages/runtime/src/index.ts';
import { activationBytes, traceStep } from '../../packages/training/src/index.ts';
import {
  adaptNetwork,
  architectures,
  buildNetwork,
  readAdapterConfig,
  type BuiltNetwork,
} from '../../packages/transformer/src/index.ts';

const [B, T, V] = [2, 12, 19];
const ids = (n: number, B_: number = B): HostTensor =>
  hostTensor(
    BigInt64Array.from({ length: B_ * T }, (_, i) => BigInt((i * i * n + 3 * i + n) % V)),
    [B_, T],
  );
const text = { input_ids: ids(1), labels: ids(1) };
const classes = { input_ids: ids(2), labels: hostTensor(BigInt64Array.of(1n, 0n), [B]) };
const pair = { input_ids: ids(3), labels: ids(4) };
const seen = hostTensor(
  BigInt64Array.from({ length: B * T }, (_, i) => (i < T + 7 ? 1n : 0n)),
  [B, T],
);

type Case = readonly [
  name: string,
  config: Readonly<Record<string, unknown>>,
  batch: Readonly<Record<string, HostTensor>>,
];
const gpt2 = { model_type: 'gpt2', vocab_size: V, n_positions: 16, n_embd: 16, n_layer: 3, n_head: 2 };
const sizes = { hidden_size: 16, num_hidden_layers: 3, num_attention_heads: 2, intermediate_size: 32, vocab_size: V };
const cases: readonly Case[] = [
  ['gpt2 with dropout', gpt2, text],
  ['gpt2 with padding', gpt2, { ...text, attention_mask: seen }],
  ['llama', { ...sizes, model_type: 'llama', num_key_value_heads: 1, max_position_embeddings: 32 }, text],
  [
    'bert',
    { ...sizes, model_type: 'bert', architectures: ['BertForSequenceClassification'], max_position_embeddings: 32 },
    { ...classes, attention_mask: seen },
  ],
  [
    'modernbert',
    {
      ...sizes,
      model_type: 'modernbert',
      architectures: ['ModernBertForMaskedLM'],
      pad_token_id: 0,
      max_position_embeddings: 32,
    },
    text,
  ],
  [
    't5',
    {
      model_type: 't5',
      vocab_size: V,
      d_model: 16,
      d_kv: 8,
      d_ff: 32,
      num_layers: 3,
      num_heads: 2,
      decoder_start_token_id: 0,
      pad_token_id: 0,
    },
    { ...pair, attention_mask: seen },
  ],
  [
    'transformer',
    {
      model_type: 'transformer',
      vocab_size: V,
      d_model: 16,
      d_ff: 32,
      num_layers: 3,
      num_heads: 2,
      decoder_start_token_id: 0,
      pad_token_id: 0,
    },
    pair,
  ],
];

async function run(
  graph: Record<string, Tensor>,
  weights: ReadonlyMap<string, HostTensor>,
  batch: Readonly<Record<string, HostTensor>>,
): Promise<{ out: Record<string, HostTensor>; placement: Placement }> {
  const program = await compile(graph, { profile: true });
  const all: Record<string, HostTensor> = { ...Object.fromEntries(weights), ...batch };
  all['seed'] = hostTensor(Int32Array.of(7), []);
  const out = await program.run(Object.fromEntries(program.inputs.map(({ name }) => [name, all[name]!])));
  const placement = await program.placement();
  await program.dispose();
  return { out, placement };
}
const weightsOf = ({ network }: Pick<BuiltNetwork, 'network'>): Map<string, HostTensor> =>
  new Map([...initialize(network, 5)].map(([name, { data, shape }]) => [name, hostTensor(data, shape)]));
const nodesOf = ({ operators }: Placement, name: string): number =>
  operators.filter(({ operator }) => operator === name).reduce((sum, { nodes }) => sum + nodes, 0);

describe.each(cases)('%s', (_, config, batch) => {
  test('gives the same loss and gradients, and takes less memory', async () => {
    const built = buildNetwork(config, architectures);
    const weights = weightsOf(built);
    const names = [...trainable(built.network).keys()];
    const [plain, again] = [false, true].map((recompute) => traceStep(built.network, batch, { names, recompute }));
    const before = await run(plain!, weights, batch);
    const after = await run(again!, weights, batch);
    // The engine fuses other nodes, so sums may be taken in another order.
    expect(after.out['loss']!.data[0]).toBeCloseTo(Number(before.out['loss']!.data[0]), 6);
    for (const name of names) {
      const [x, y] = [before, after].map(({ out }) => out[`grad.${name}`]!.data as Float32Array);
      const largest = x!.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expect(Math.max(...x!.map((v, i) => Math.abs(v - y![i]!))), name).toBeLessThanOrEqual(1e-5 * largest + 1e-9);
    }
    // What the engine really ran: each block's attention once more, so it merged nothing with the first time.
    const layers = 3;
    const attentions = /t5|transformer/.test(String(config['model_type'])) ? 3 * layers : layers;
    expect(nodesOf(after.placement, 'Softmax') - nodesOf(before.placement, 'Softmax')).toBe(attentions);
    expect(activationBytes(Object.values(again!))).toBeLessThan(0.8 * activationBytes(Object.values(plain!)));
  });
});

test('what is kept hardly grows with the number of blocks', () => {
  const most = (layers: number, recompute: boolean): number => {
    const { network } = buildNetwork({ ...gpt2, n_layer: layers }, architectures);
    const adapted = adaptNetwork(network, readAdapterConfig({ peft_type: 'LORA', r: 1, target_modules: ['c_attn'] }));
    const names = [...parameters(adapted).keys()].filter((name) => name.includes('.adapter.'));
    return activationBytes(Object.values(traceStep(adapted, text, { names, recompute })));
  };
  const state = 4 * B * T * 16;
  const byLayer = (most(20, true) - most(10, true)) / 10;
  // A block's input, and the gradients of its adapter.
  expect(byLayer).toBeLessThan(2 * state);
  expect((most(20, false) - most(10, false)) / 10).toBeGreaterThan(10 * state);
});

test('blocks below the lowest trained one are not computed again', async () => {
  const built = buildNetwork(gpt2, architectures);
  const weights = weightsOf(built);
  const names = [...trainable(built.network).keys()].filter((name) => name.includes('.h.2.'));
  const [plain, again] = await Promise.all(
    [false, true].map((recompute) => run(traceStep(built.network, text, { names, recompute }), weights, text)),
  );
  expect(nodesOf(again!.placement, 'Softmax') - nodesOf(plain!.placement, 'Softmax')).toBe(1);
});
