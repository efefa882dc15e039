// Bottleneck adapters: where they stand, what their folder says, and their gradients.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gradients, input } from '@brickwork/graph';
import { evaluating, initialize, parameters } from '@brickwork/nn';
import { compile, hostTensor, readSafetensors, type HostTensor } from '@brickwork/runtime';
import { afterAll, expect, test } from 'vitest';
import { buildNetwork } from '../architecture.ts';
import { architectures } from '../architectures/index.ts';
import { adaptNetwork, peftOptions } from './adapt.ts';
import { linearLayers, targetLayers } from './attach.ts';
import { bottleneckPresets } from './bottleneck-config.ts';
import { mergeAdapter } from './merge.ts';
import { readAdapterConfig, type AdapterConfig } from './peft-config.ts';
import { readAdapter, writeAdapter } from './peft-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-bottleneck-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const sizes = {
  vocab_size: 19,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 16,
  pad_token_id: 0,
  cls_token_id: 1,
  sep_token_id: 2,
  bos_token_id: 1,
  eos_token_id: 2,
};
const configOf = (o: object = {}): AdapterConfig =>
  readAdapterConfig({ peft_type: 'BOTTLENECK', ...bottleneckPresets.houlsby, reduction_factor: 4, ...o });
const layersOf = (config: Record<string, unknown>, adapter: AdapterConfig): string[] => {
  if (adapter.peft_type !== 'BOTTLENECK') throw new Error('of another kind');
  return [...targetLayers(buildNetwork({ ...sizes, ...config }, architectures).network, adapter).keys()];
};

test.each([
  [{ model_type: 'gpt2' }, ['attn.c_proj', 'mlp.c_proj'], 4],
  [{ model_type: 'llama' }, ['self_attn.o_proj', 'mlp.down_proj'], 4],
  [{ model_type: 'opt', word_embed_proj_dim: 16, ffn_dim: 24 }, ['self_attn.out_proj', 'fc2'], 4],
  [{ model_type: 'gpt_neox' }, ['attention.dense', 'mlp.dense_4h_to_h'], 4],
  [{ model_type: 'bert' }, ['attention.output.dense', 'output.dense'], 4],
  [{ model_type: 'distilbert', dim: 16, n_heads: 2, n_layers: 2 }, ['attention.out_lin', 'ffn.lin2'], 4],
  [{ model_type: 'modernbert' }, ['attn.Wo', 'mlp.Wo'], 4],
  [
    { model_type: 't5', num_layers: 2, num_heads: 2 },
    ['SelfAttention.o', 'EncDecAttention.o', 'DenseReluDense.wo'],
    10,
  ],
  [
    { model_type: 'bart', encoder_layers: 1, decoder_layers: 1, d_model: 16, decoder_start_token_id: 2 },
    ['self_attn.out_proj', 'encoder_attn.out_proj', 'fc2'],
    5,
  ],
])('%o: behind attention and feed-forward networks', (config, ends, count) => {
  const both = layersOf(config, configOf());
  expect(both).toHaveLength(count);
  for (const path of both)
    expect(
      ends.some((end) => path.endsWith(`.${end}`)),
      path,
    ).toBe(true);
  // Pfeiffer's: behind feed-forward networks alone.
  const one = layersOf(config, configOf(bottleneckPresets.pfeiffer));
  expect(one.every((path) => both.includes(path))).toBe(true);
  expect(one.some((path) => /attn|attention/i.test(path))).toBe(false);
  const all = [...linearLayers(buildNetwork({ ...sizes, ...config }, architectures).network).keys()];
  expect(one.length).toBeGreaterThan(0);
  expect(both.length).toBeLessThan(all.length);
});

test('some blocks are left out, layers are named, wrong fields are refused', () => {
  const gpt2 = { model_type: 'gpt2' };
  expect(layersOf(gpt2, configOf({ leave_out: [0] }))).toEqual([
    'transformer.h.1.attn.c_proj',
    'transformer.h.1.mlp.c_proj',
  ]);
  expect(layersOf(gpt2, configOf({ target_modules: ['c_fc'] }))).toEqual([
    'transformer.h.0.mlp.c_fc',
    'transformer.h.1.mlp.c_fc',
  ]);
  expect(() => configOf({ reduction_factor: 0 })).toThrow('reduction_factor is 0; needs a number above 0');
  expect(() => configOf({ non_linearity: 'sine' })).toThrow('non_linearity is "sine"; needs one of gelu');
  expect(() => configOf({ mh_adapter: 'yes' })).toThrow('mh_adapter is "yes"; needs true or false');
  expect(() => configOf({ leave_out: 'all' })).toThrow('leave_out is "all"');
  expect(() => configOf({ mh_adapter: false, output_adapter: false })).toThrow('both false');
});

const gpt2 = { ...sizes, model_type: 'gpt2', architectures: ['GPT2LMHeadModel'] };
const ids = hostTensor(BigInt64Array.of(3n, 4n, 5n, 6n, 7n, 8n), [2, 3]);

test('changes nothing at first; gradients agree with finite differences; merging is refused', async () => {
  const plain = buildNetwork(gpt2, architectures).network;
  const network = adaptNetwork(buildNetwork(gpt2, architectures).network, configOf({ non_linearity: 'tanh' }));
  const weights = new Map<string, HostTensor>(
    [...initialize(network, 2)].map(([name, { data, shape }]) => [name, hostTensor(data, shape)]),
  );
  const known = parameters(network);
  parameters(plain);
  const given = { input_ids: input('input_ids', [2, 3], 'int64'), labels: input('labels', [2, 3], 'int64') };
  const feeds = { input_ids: ids, labels: ids };
  const base = await compile({ logits: plain.trace(given, evaluating())['logits']!() });
  const own = [...known.keys()].filter((name) => name.includes('.adapter.'));
  expect(own).toHaveLength(2 * 2 * 4);
  const outputs = network.trace(given, evaluating());
  const loss = outputs['loss']!();
  const slopes = gradients(
    loss,
    own.map((name) => known.get(name)!),
  );
  const program = await compile({
    logits: outputs['logits']!(),
    loss,
    ...Object.fromEntries(own.map((name, i) => [`gradient ${name}`, slopes[i]!])),
  });
  const { logits: expected } = await base.run(
    new Map([...[...weights].filter(([name]) => !name.includes('.adapter.')), ['input_ids', ids]]),
  );
  const all = new Map([...weights, ...Object.entries(feeds)]);
  const { logits } = await program.run(all, ['logits']);
  // But for what the engine's merging of operators rounds otherwise.
  expected!.data.forEach((v, i) => expect(Math.abs(Number(logits!.data[i]) - Number(v))).toBeLessThan(1e-6));

  // Away from the beginning, where all but the upward weights have a gradient of zero.
  for (const name of own) {
    const data = weights.get(name)!.data as Float32Array;
    for (let i = 0; i < data.length; i++) data[i]! += 0.3 * Math.sin(i * 2.1 + name.length);
  }
  const out = await program.run(all);
  const lossAt = async (name: string, i: number, value: number): Promise<number> => {
    const { data, shape } = weights.get(name)!;
    const moved = Float32Array.from(data as Float32Array);
    moved[i] = value;
    const { loss: found } = await program.run(new Map([...all, [name, hostTensor(moved, shape)]]), ['loss']);
    return Number(found!.data[0]);
  };
  for (const name of own) {
    const gradient = out[`gradient ${name}`]!.data as Float32Array;
    const largest = gradient.reduce((most, v, i) => (Math.abs(v) > Math.abs(gradient[most]!) ? i : most), 0);
    const value = Number(weights.get(name)!.data[largest]);
    const h = 0.02;
    const slope = ((await lossAt(name, largest, value + h)) - (await lossAt(name, largest, value - h))) / (2 * h);
    expect(Math.abs(slope - gradient[largest]!), name).toBeLessThan(2e-3 * Math.max(0.05, Math.abs(slope)) + 1e-4);
    expect(Math.abs(slope)).toBeGreaterThan(0);
  }
  expect(() => mergeAdapter(network, weights)).toThrow('an adapter that no weight can stand for');
  await program.dispose();
  await base.dispose();
});

test('its folder says what it is in AdapterHub’s words, and is read again', async () => {
  const config = configOf({ task_type: 'SEQ_CLS', base_model_name_or_path: 'gpt2', leave_out: [1] });
  const network = adaptNetwork(buildNetwork(gpt2, architectures).network, config);
  const tensors = new Map(
    [...initialize(network, 2)]
      .filter(([name]) => name.includes('.adapter.'))
      .map(([name, { data, shape }]) => [name, hostTensor(data, shape)] as const),
  );
  const folder = join(root, 'one');
  await writeAdapter(folder, { config, tensors }, peftOptions(network, config));
  expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
    peft_type: 'BOTTLENECK',
    task_type: 'SEQ_CLS',
    base_model_name_or_path: 'gpt2',
    mh_adapter: true,
    output_adapter: true,
    reduction_factor: 4,
    non_linearity: 'swish',
    leave_out: [1],
    modules_to_save: ['classifier', 'score'],
  });
  const stored = (await readSafetensors(join(folder, 'adapter_model.safetensors'))).tensors;
  expect([...stored.keys()].toSorted()).toEqual(
    ['attn', 'mlp']
      .flatMap((part) =>
        ['down.bias', 'down.weight', 'up.bias', 'up.weight'].map(
          (name) => `base_model.model.transformer.h.0.${part}.c_proj.adapter_${name}`,
        ),
      )
      .toSorted(),
  );
  expect(stored.get('base_model.model.transformer.h.0.attn.c_proj.adapter_down.weight')!.shape).toEqual([4, 16]);
  const again = await readAdapter(folder);
  expect(again.config).toEqual(config);
  expect([...again.tensors.keys()].toSorted()).toEqual([...tensors.keys()].toSorted());
});
