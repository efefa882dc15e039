// Adapters: PEFT’s defaults and ways of naming layers, what must be refused, and merging.
import { describe, expect, test } from 'vitest';
import { Conv1D, initialize, Linear, LoRA, normal, parameters } from '@brickwork/nn';
import { compile, hostTensor, type HostTensor } from '@brickwork/runtime';
import { input } from '@brickwork/graph';
import { attachAdapter, linearLayers, targetLayers } from './attach.ts';
import { mergeAdapter, unmergeAdapter } from './merge.ts';
import { loraOptions, readAdapterConfig, type LoRAConfig } from './peft-config.ts';
import { nameInPeft, nameOfPeft } from './peft-folder.ts';

const lora = (o: object = {}): LoRAConfig =>
  readAdapterConfig({ peft_type: 'LORA', target_modules: ['q_proj'], ...o }) as LoRAConfig;
const network = (): object => ({
  model: {
    layers: [0, 1, 2].map(() => ({
      self_attn: { q_proj: new Linear(4, 4), v_proj: new Linear(4, 2) },
      mlp: { c_fc: new Conv1D(4, 8, normal(0.1)) },
    })),
  },
  score: new Linear(4, 3),
});
const targets = (o: object): string[] => [...targetLayers(network(), lora(o)).keys()];

test('absent fields take PEFT’s defaults', () => {
  expect(lora()).toMatchObject({ r: 8, lora_alpha: 8, lora_dropout: 0, bias: 'none', use_rslora: false });
  expect(lora({ task_type: 'SEQ_CLS', modules_to_save: ['pooler'] }).modules_to_save).toEqual([
    'pooler',
    'classifier',
    'score',
  ]);
});

describe('layers', () => {
  test('are all found by their paths', () => {
    expect([...linearLayers(network()).keys()]).toHaveLength(10);
    expect([...linearLayers(network()).keys()].slice(-2)).toEqual(['model.layers.2.mlp.c_fc', 'score']);
  });
  test('are named by the ends of their names, by a pattern of the whole name, or are all but the head', () => {
    expect(targets({ target_modules: ['v_proj'] })).toEqual([0, 1, 2].map((i) => `model.layers.${i}.self_attn.v_proj`));
    expect(targets({ target_modules: ['proj', 'mlp.c_fc'] })).toEqual(
      [0, 1, 2].map((i) => `model.layers.${i}.mlp.c_fc`),
    );
    expect(targets({ target_modules: '.*\\.(1|2)\\..*q_proj' })).toEqual(
      [1, 2].map((i) => `model.layers.${i}.self_attn.q_proj`),
    );
    expect(targets({ target_modules: 'all-linear' })).toHaveLength(9);
  });
  test('of some blocks only, and without those excluded or saved whole', () => {
    expect(targets({ layers_to_transform: [2, 0] })).toEqual([0, 2].map((i) => `model.layers.${i}.self_attn.q_proj`));
    expect(targets({ layers_to_transform: 1, layers_pattern: 'layers' })).toEqual(['model.layers.1.self_attn.q_proj']);
    expect(targets({ target_modules: ['q_proj', 'score'], modules_to_save: ['score'] })).toHaveLength(3);
    expect(targets({ exclude_modules: ['0.self_attn.q_proj'] })).toHaveLength(2);
  });
  test('that don’t exist are an error that lists those there are', () => {
    expect(() => targets({ target_modules: ['query'] })).toThrow(
      'no layer is called ["query"]; there are q_proj, v_proj, c_fc, score',
    );
  });
});

test('ranks and alphas by pattern', () => {
  const config = lora({ rank_pattern: { 'layers.1.self_attn.q_proj': 2 }, alpha_pattern: { 'self_attn.*': 5 } });
  expect(loraOptions(config, 'model.layers.1.self_attn.q_proj')).toMatchObject({ rank: 2, alpha: 5 });
  expect(loraOptions(config, 'model.layers.11.mlp.q_proj')).toMatchObject({ rank: 8, alpha: 8 });
});

test.each([
  [{ peft_type: 'VERA' }, 'peft_type is "VERA"; needs LORA, IA3'],
  [{ r: 0 }, 'r is 0'],
  [{ bias: 'some' }, 'bias is "some"; needs none, all or lora_only'],
  [{ target_modules: null }, 'target_modules is null'],
  [{ target_modules: [1] }, 'target_modules is [1]'],
  [{ init_lora_weights: 'pissa' }, 'init_lora_weights is "pissa"; needs another value: this one is not implemented'],
  [{ lora_bias: true }, 'lora_bias'],
  [{ layer_replication: [[0, 1]] }, 'layer_replication'],
  [{ layers_to_transform: 'all' }, 'layers_to_transform'],
])('%o is refused', (o, message) => {
  expect(() => lora(o)).toThrow(message);
});

test('names go to PEFT’s and back', () => {
  for (const [file, memory, own] of [
    [
      'base_model.model.h.0.c_attn.lora_A.weight',
      'base_model.model.h.0.c_attn.lora_A.default.weight',
      'h.0.c_attn.adapter.lora_A.weight',
    ],
    ['base_model.model.k_proj.ia3_l', 'base_model.model.k_proj.ia3_l.default', 'k_proj.adapter.ia3_l'],
    [
      'base_model.model.classifier.weight',
      'base_model.model.classifier.modules_to_save.default.weight',
      'classifier.weight',
    ],
    ['prompt_embeddings', 'prompt_encoder.default.embedding.weight', 'prompt_embeddings'],
    [
      'base_model.model.q.lora_magnitude_vector',
      'base_model.model.q.lora_magnitude_vector.default.weight',
      'q.adapter.lora_magnitude_vector',
    ],
  ] as const) {
    expect(nameOfPeft(file)).toBe(own);
    expect(nameOfPeft(memory)).toBe(own);
    expect(nameInPeft(own)).toBe(file);
  }
});

test('merged weights compute what the adapted layers do: LoRA, DoRA and (IA)³ on both layouts', async () => {
  const cases: [string, object][] = [
    ['LoRA', { peft_type: 'LORA', r: 2, lora_alpha: 3, target_modules: ['a', 'b'] }],
    ['DoRA', { peft_type: 'LORA', r: 2, use_dora: true, target_modules: ['a', 'b'] }],
    ['(IA)³', { peft_type: 'IA3', target_modules: ['a', 'b'], feedforward_modules: ['b'] }],
  ];
  const make = (): { a: Linear; b: Conv1D } => ({ a: new Linear(4, 3), b: new Conv1D(3, 5, normal(1)) });
  const x = hostTensor(
    Float32Array.from({ length: 8 }, (_, i) => Math.sin(i * 1.7)),
    [2, 4],
  );
  const outputOf = async ({ a, b }: { a: Linear; b: Conv1D }, weights: ReadonlyMap<string, HostTensor>) => {
    const program = await compile({ y: b.forward(a.forward(input('x', [2, 4]))) });
    const { y } = await program.run(new Map([...weights, ['x', x]]));
    await program.dispose();
    return [...(y!.data as Float32Array)];
  };
  for (const [name, json] of cases) {
    const network = make();
    const config = readAdapterConfig(json as Record<string, unknown>);
    attachAdapter(network, config as LoRAConfig);
    // Everything random, also what begins at zero or one.
    const weights = new Map(
      [...initialize(network, 1)].map(([n, t], k) => {
        const data = t.data.map((v, i) => v + Math.cos(i * 2.3 + k));
        return [n, hostTensor(data, t.shape)] as const;
      }),
    );
    const merged = mergeAdapter(network, weights);
    const plain = make();
    expect([...merged.keys()]).toEqual([...parameters(plain).keys()]);
    const expected = await outputOf(network, weights);
    (await outputOf(plain, merged)).forEach((v, i) => expect(v, name).toBeCloseTo(expected[i]!, 4));
    if (name === 'DoRA')
      expect(() => unmergeAdapter(network, new Map([...weights, ...merged]))).toThrow(
        'can’t be taken out'.replace('’', "'"),
      );
    else
      for (const [n, w] of unmergeAdapter(network, new Map([...weights, ...merged])))
        (w.data as Float32Array).forEach((v, i) =>
          expect(v, n).toBeCloseTo((weights.get(n)!.data as Float32Array)[i]!, 5),
        );
  }
  expect(new LoRA(new Linear(2, 2), { rank: 1 }).scale).toBe(1);
});

test('a layer takes one adapter', () => {
  const n = network();
  attachAdapter(n, lora());
  expect(() => attachAdapter(n, lora())).toThrow('has an adapter already');
});
