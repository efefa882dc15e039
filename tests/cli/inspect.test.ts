// lm inspect: configuration, parameters by brick, memory and graph of model folders, weight files and ONNX models.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { constant, input, matmul, softmax, toOnnx } from '../../packages/graph/src/index.ts';
import { hostTensor, saveCheckpoint } from '../../packages/runtime/src/index.ts';
import { parameters } from '../../packages/nn/src/index.ts';
import { GPT2LMHeadModel } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-inspect-'));
const at = (name: string): string => join(folder, name);
const config = { model_type: 'gpt2', vocab_size: 7, n_positions: 5, n_embd: 4, n_layer: 3, n_head: 2 };
// Embeddings of 7 tokens and 5 positions; a layer: two norms, 4 to 12, 4 to 4, 4 to 16, 16 to 4; a last norm.
const layer = 8 + 4 * 12 + 12 + 4 * 4 + 4 + 8 + 4 * 16 + 16 + 16 * 4 + 4;
const total = 7 * 4 + 5 * 4 + 3 * layer + 8;
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(async () => {
  const weights = [...parameters(new GPT2LMHeadModel(config))].map(([name, { shape }]) => {
    const size = (shape as number[]).reduce((a, b) => a * b, 1);
    return [name, hostTensor(new Float32Array(size), shape as number[])] as const;
  });
  await saveCheckpoint(at('model'), { config, tensors: new Map(weights) });
});

test('parameters by brick add up, layers are one row, and memory follows', async () => {
  const { code, stdout } = await lm(['inspect', at('model'), '--json']);
  expect(code).toBe(0);
  const [found] = jsonLines(stdout) as [
    { parameters: number; bricks: { brick: string; copies: number; parameters: number }[]; weights: unknown[] },
  ];
  expect(found).toMatchObject({
    kind: 'model',
    config,
    parameters: total,
    memory: {
      weights: 4 * total,
      training: 16 * total,
      cachePerToken: 2 * 3 * 4 * 4,
      cacheOfContext: 5 * 2 * 3 * 4 * 4,
    },
  });
  expect(found.weights).toHaveLength(2 + 3 * 12 + 2);
  expect(found.bricks.reduce((n, { parameters: own }) => n + own, 0)).toBe(total);
  expect(found.bricks.find(({ brick }) => brick === 'transformer.h.*.attn.c_attn')).toMatchObject({
    copies: 3,
    parameters: 3 * (4 * 12 + 12),
    weights: [
      { name: 'weight', shape: [4, 12] },
      { name: 'bias', shape: [12] },
    ],
  });
});

test('the same as a table', async () => {
  const { stdout } = await lm(['inspect', '-m', at('model')]);
  expect(stdout).toMatch(/^n_layer +3$/m);
  expect(stdout).toMatch(/^transformer\.h\.\*\.mlp\.c_fc +× 3 +weight \(4, 16\), bias \(16\) +240 +\d+\.\d%$/m);
  expect(stdout).toMatch(new RegExp(`^in all +${total}$`, 'm'));
});

test('the graph as text, for Mermaid and for Graphviz', async () => {
  const text = await lm(['inspect', at('model'), '--graph', '-']);
  expect(text.stdout).toMatch(/^input +%input_ids: int64\(B, T\)$/m);
  expect(text.stdout).toMatch(/^output +%logits: float32\(B, T, 7\) = /m);
  for (const [name, begin] of [
    ['graph.mmd', 'flowchart TD\n'],
    ['graph.dot', 'digraph {\n'],
    ['graph.txt', 'input '],
  ] as const) {
    const { code, stderr } = await lm(['inspect', at('model'), '--graph', at(name), '--depth', '2']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `graph: ${at(name)}\n` });
    expect(readFileSync(at(name), 'utf8').startsWith(begin)).toBe(true);
  }
  expect(readFileSync(at('graph.mmd'), 'utf8')).toContain('transformer.h');
});

test('a file of weights alone, by its header', async () => {
  const { stdout } = await lm(['inspect', at('model/model.safetensors'), '--json']);
  expect(jsonLines(stdout)[0]).toMatchObject({
    kind: 'safetensors',
    config: { format: 'pt' },
    parameters: total,
    memory: { weights: 4 * total },
  });
});

test('an ONNX model: inputs, outputs, operators, constants', async () => {
  const x = input('x', ['B', 2]);
  const y = softmax(matmul(x, constant(new Float32Array(6), [2, 3])));
  writeFileSync(at('model.onnx'), toOnnx({ y }));
  const { stdout } = await lm(['inspect', at('model.onnx'), '--json']);
  expect(jsonLines(stdout)[0]).toMatchObject({
    kind: 'onnx',
    parameters: 6,
    memory: { weights: 24 },
    graph: { inputs: ['x float32(B, 2)'], outputs: ['y float32(B, 3)'], operators: { MatMul: 1, Softmax: 1 } },
  });
  expect((await lm(['inspect', at('model.onnx'), '-g', '-'])).stdout).toContain('Softmax(');
  expect((await lm(['inspect', at('model.onnx')])).stdout).toMatch(/^input +x float32\(B, 2\)$/m);
});

test.each([
  ['no model', ['nothing'], 2, 'there is no such folder'],
  ['an ending that says nothing', ['model', '--graph', 'graph.pdf'], 2, 'needs .txt, .mmd (Mermaid) or .dot'],
  ['the graph of weights', ['model/model.safetensors', '--graph', '-'], 2, 'a file of weights has no graph'],
  ['a file of weights cut short', ['cut.safetensors'], 1, 'cut.safetensors'],
  ['an ONNX model that is none', ['bad.onnx'], 1, 'bad.onnx'],
  [
    'a config that contradicts the weights',
    ['other'],
    1,
    'transformer.wte.weight is (7, 4), but config.json says (8, 4)',
  ],
  ['an unknown architecture', ['unknown'], 1, 'model_type is "xyz"'],
  ['a config that is no JSON', ['broken'], 1, 'config.json'],
])('%s is an error', async (_, args, code, message) => {
  writeFileSync(at('cut.safetensors'), readFileSync(at('model/model.safetensors')).subarray(0, 100));
  writeFileSync(at('bad.onnx'), 'not a model');
  await saveCheckpoint(at('other'), { config: {}, tensors: new Map() });
  writeFileSync(at('other/model.safetensors'), readFileSync(at('model/model.safetensors')));
  writeFileSync(at('other/config.json'), JSON.stringify({ ...config, vocab_size: 8 }));
  await saveCheckpoint(at('unknown'), { config: { model_type: 'xyz' }, tensors: new Map() });
  await saveCheckpoint(at('broken'), { config: {}, tensors: new Map() });
  writeFileSync(at('broken/config.json'), '{"model_type": "gpt2",');
  const before = readdirSync(folder);
  const result = await lm(['inspect', at(args[0]!), ...args.slice(1)]);
  expect(result.stderr).toContain(message);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  expect(readdirSync(folder)).toEqual(before);
});

test('--placement says where each operator ran', async () => {
  const { code, stdout, stderr } = await lm(['inspect', at('model'), '--placement']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^operator +runs on +nodes +ms$/m);
  expect(stdout).toMatch(/^Softmax +cpu +3 +\d/m);
  expect(stderr).toMatch(/^cpu: \d+ nodes$/m);
  const { stdout: json } = await lm(['inspect', at('model'), '--placement', '--json']);
  const [{ nodes, operators }] = jsonLines(json) as [{ nodes: { cpu: number }; operators: { nodes: number }[] }];
  expect(operators.reduce((n, one) => n + one.nodes, 0)).toBe(nodes.cpu);
});

test('networks of pictures, too', async () => {
  const { code, stdout } = await lm(['inspect', 'models/digits']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^in all +\d/m);
});
