import { expect, test } from 'vitest';
import { readPlacement } from './profile.ts';

// Lines as ONNX Runtime 1.30 writes them, shortened: a name with a quote, a provider that left a node to the CPU.
const node = (name: string, dur: number, index: number, provider: string, operator: string): string =>
  `{"cat" : "Node","pid" :1,"tid" :1,"dur" :${dur},"ts" :15659,"ph" : "X","name" :"${name}_kernel_time","args" : {"provider" : "${provider}","node_index" : "${index}","op_name" : "${operator}"}},`;
const profile = `[
{"cat" : "Session","pid" :1,"tid" :1,"dur" :1594,"ts" :3,"ph" : "X","name" :"model_loading_array","args" : {}},
${node('a', 1000, 0, 'WebGpuExecutionProvider', 'MatMul')}
${node('say "hi"', 500, 1, 'WebGpuExecutionProvider', 'MatMul')}
${node('c', 4000, 2, 'CPUExecutionProvider', 'NonZero')}
${node('a', 2000, 0, 'WebGpuExecutionProvider', 'MatMul')}
${node('c', 4000, 2, 'CPUExecutionProvider', 'NonZero')}
{"cat" : "Session","pid" :1,"tid" :1,"dur" :5698,"ts" :15638,"ph" : "X","name" :"model_run","args" : {}}
]`;

test('nodes are counted once, their runs and times together, by provider', () => {
  const { nodes, operators } = readPlacement(profile);
  expect(Object.entries(nodes)).toEqual([
    ['webgpu', 2],
    ['cpu', 1],
  ]);
  expect(operators).toEqual([
    { operator: 'NonZero', provider: 'cpu', nodes: 1, runs: 2, milliseconds: 8 },
    { operator: 'MatMul', provider: 'webgpu', nodes: 2, runs: 3, milliseconds: 3.5 },
  ]);
});

test('a profile of nothing is empty', () => {
  expect(readPlacement('[\n]')).toEqual({ nodes: {}, operators: [] });
});
