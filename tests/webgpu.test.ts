// WebGPU without a graphics card: on SwiftShader, the software Vulkan that a Chromium brings.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { jsonLines } from './cli/lm.ts';

const driver = [
  process.env['SWIFTSHADER'],
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
].find((path) => path && existsSync(path));

// Sizes, ranges and comparisons of whole numbers: what the engine keeps where sizes are, and what WebGPU has no int64 for.
const small = [
  ...['Cast', 'Concat', 'Equal', 'Expand', 'Gather', 'Greater', 'LogSoftmax', 'NonZero', 'Range', 'Reshape', 'Shape'],
  ...['Slice', 'Squeeze', 'Unsqueeze', 'Where', 'Less', 'Not', 'And', 'Or', 'Sub', 'Add', 'Mul'],
];

describe.skipIf(!driver)('the models that ship on WebGPU (needs a Chromium’s SwiftShader)', () => {
  test.each(['shakespeare', 'encoder', 'spam', 'digits', 'sentences'])('%s', (name) => {
    const script = fileURLToPath(new URL('../scripts/parity/webgpu.mjs', import.meta.url));
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, name], {
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: dirname(driver!), VK_DRIVER_FILES: driver, XDG_RUNTIME_DIR: '/tmp' },
    });
    expect({ status, stderr: status ? stderr : '' }).toEqual({ status: 0, stderr: '' });
    const rows = jsonLines(stdout) as {
      graph: string;
      error?: string;
      difference: number;
      nodes: Record<string, number>;
      left: string[];
    }[];
    expect(rows[0]!.graph).toBe('inference');
    for (const { graph, error, difference, nodes, left } of rows) {
      if (name === 'digits' && graph === 'training') {
        // The engine's WebGPU has no max pooling that tells where the largest values were. It says so.
        expect(error).toContain('The Indices output is not supported yet');
        continue;
      }
      expect(error).toBeUndefined();
      // float32 in other orders, and the GPU's own exp and tanh.
      expect(difference).toBeLessThan(5e-4);
      expect(left.filter((operator) => !small.includes(operator))).toEqual([]);
      // By far the most run there.
      expect(nodes['webgpu']).toBeGreaterThan(8 * (nodes['cpu'] ?? 0));
    }
  });
});
