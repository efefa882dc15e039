// Where a program can run: which execution providers this build of ONNX Runtime has, and what to do about one that can't
// be used.
//
// What onnxruntime-node 1.30 does, as measured: a provider whose libraries or device are missing makes the session fail,
// also with another after it in the list. One that isn't in the build is dropped in silence where another is, so it is
// refused here. One that is used leaves nodes that it has no kernel for to the CPU, in silence: see profile.ts.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-node';

/** Where a program runs. The engine has `cpu` and `webgpu` everywhere, `cuda` and `tensorrt` on Linux, `dml` on Windows, `coreml` on macOS. */
export type Provider = 'cpu' | 'webgpu' | 'cuda' | 'tensorrt' | 'dml' | 'coreml';

const platform = `${process.platform} ${process.arch}`;
const supported = (): string[] => ort.listSupportedBackends().map((b) => b.name);

/** @throws where a provider isn't in this build of the engine, or its libraries aren't installed. */
export function checkProviders(providers: readonly string[]): void {
  if (!Array.isArray(providers) || !providers.length)
    throw new Error(
      `compile: providers is ${JSON.stringify(providers)}; needs one or more of ${supported().join(', ')}`,
    );
  for (const provider of providers) {
    if (!supported().includes(provider))
      throw new Error(
        `compile: the provider ${provider} is not in this build of ONNX Runtime (${platform}), which has ${supported().join(', ')}. Use one of these`,
      );
    const library = libraryOf(provider);
    if (library && !existsSync(library))
      throw new Error(
        `compile: the provider ${provider} needs ${library}, which is not installed. npm run setup:cuda in Brickwork's folder ` +
          `fetches it (elsewhere: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node); without an NVIDIA GPU use providers: ['cpu']`,
      );
  }
}

// Where a provider's library lies that the npm package doesn't bring.
function libraryOf(provider: string): string | null {
  if (provider !== 'cuda' && provider !== 'tensorrt') return null;
  const engine = createRequire(import.meta.url).resolve('onnxruntime-node');
  const name = `onnxruntime_providers_${provider}`;
  const file = process.platform === 'win32' ? `${name}.dll` : `lib${name}.so`;
  return join(dirname(engine), '..', 'bin', 'napi-v6', process.platform, process.arch, file);
}

const steps: Readonly<Record<string, string>> = {
  webgpu:
    "It needs a GPU with its driver (Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS); without one use providers: ['cpu']",
  cuda: "It needs an NVIDIA GPU, its driver, CUDA 12 and cuDNN 9 (the engine's own line above says what it didn't find); without them use providers: ['cpu']",
};

/** What to do where the engine refused a session because of a provider; undefined where the reason was another. */
export function providerProblem(providers: readonly string[], message: string): string | undefined {
  const signs: Readonly<Record<string, RegExp>> = {
    webgpu: /webgpu/i,
    cuda: /cuda/i,
    tensorrt: /tensorrt/i,
    dml: /\bdml|DirectML/i,
    coreml: /coreml/i,
  };
  const provider = providers.find((p) => signs[p]?.test(message));
  if (!provider) return undefined;
  // The engine's message begins with its own source file and the condition that failed.
  const short = message.replace(/^.* was false\. /s, '').trim();
  return `compile: the provider ${provider} can't be used on this machine (${platform}): ${short}. ${steps[provider] ?? "Without it use providers: ['cpu']"}`;
}
