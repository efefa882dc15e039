import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { input, matmul, softmax } from '@brickwork/graph';
import { compile } from './compile.ts';
import { hostTensor } from './host-tensor.ts';
import { providerProblem, type Provider } from './providers.ts';

const graph = { y: softmax(matmul(input('a', [2, 3]), input('b', [3, 4]))) };
const feeds = {
  a: hostTensor(new Float32Array(6).fill(1), [2, 3]),
  b: hostTensor(new Float32Array(12).fill(1), [3, 4]),
};

describe.each([false, true])('with worker: %s', (worker) => {
  test.each(
    ['coreml', 'dml', 'qnn', ''].filter(
      (p) => !(p === 'coreml' && process.platform === 'darwin') && !(p === 'dml' && process.platform === 'win32'),
    ),
  )('a provider that this build doesn’t have is refused, alone and with others: %j', async (provider) => {
    for (const providers of [[provider], [provider, 'cpu'], ['cpu', provider]])
      await expect(compile(graph, { worker, providers: providers as Provider[] })).rejects.toThrow(
        `compile: the provider ${provider} is not in this build of ONNX Runtime (${process.platform} ${process.arch}), which has cpu, `,
      );
  });

  test('no provider is refused', async () => {
    await expect(compile(graph, { worker, providers: [] })).rejects.toThrow(
      'compile: providers is []; needs one or more of cpu, ',
    );
  });

  // On machines that can use a provider this says so instead; nowhere is another one used in silence.
  test.each(['cuda', 'webgpu'] as const)('%s runs, or says why not and what to do', async (provider) => {
    const temporary = mkdtempSync(join(tmpdir(), 'brickwork-providers-'));
    vi.stubEnv('TMPDIR', temporary).stubEnv('TEMP', temporary);
    const program = await compile(graph, { worker, providers: [provider, 'cpu'] }).catch((error: Error) => error);
    if (program instanceof Error) {
      expect(program.message).toMatch(new RegExp(`^compile: the provider ${provider} `));
      expect(program.message).toMatch(/providers: \['cpu'\]|Use one of these/);
      if (/which is not installed/.test(program.message)) expect(program.message).toContain('npm run setup:cuda');
    } else {
      const { y } = await program.run(feeds);
      expect(y!.data[0]).toBeCloseTo(0.25, 3);
      expect(program.providers).toEqual([provider]);
      expect((await program.placement()).nodes).toEqual({ [provider]: 2 });
      await program.dispose();
    }
    expect(readdirSync(temporary)).toEqual([]); // the engine's profile is read and gone
    rmdirSync(temporary);
    vi.unstubAllEnvs();
  });
});

test('the engine’s reasons become the next step', () => {
  const adapter =
    '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n';
  expect(providerProblem(['webgpu', 'cpu'], adapter)).toBe(
    `compile: the provider webgpu can't be used on this machine (${process.platform} ${process.arch}): Failed to get a WebGPU adapter: No supported adapters. ` +
      "It needs a GPU with its driver (Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS); without one use providers: ['cpu']",
  );
  expect(
    providerProblem(['cuda'], 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library'),
  ).toMatch(/CUDA 12 and cuDNN 9/);
  expect(providerProblem(['cpu'], adapter)).toBe(undefined);
  expect(providerProblem(['webgpu'], 'Invalid model.')).toBe(undefined);
});
