// A checkpoint of 2 GB is opened with little more memory than its weights take: measured in a process of its own.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parameters } from '../packages/nn/src/index.ts';
import { hostTensor, saveCheckpoint } from '../packages/runtime/src/index.ts';
import { architectures, buildNetwork } from '../packages/transformer/src/index.ts';

// The process runs what was built: `npm run test:slow` builds first.
const bundle = fileURLToPath(new URL('../packages/transformer/dist/bundle.js', import.meta.url));
// 40 blocks of 12.6 million weights and two tables: 2.0 GB as float32.
const config = {
  ...{ model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], vocab_size: 4096, n_positions: 256 },
  ...{ n_embd: 1024, n_layer: 40, n_head: 16 },
};
let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'brickwork-large-'));
  // All weights of one size share their memory here; on the disk each has its own.
  const bySize = new Map<number, Float32Array>();
  const tensors = new Map(
    [...parameters(buildNetwork(config, architectures).network)].map(([name, { shape }]) => {
      const sizes = shape as readonly number[];
      const size = sizes.reduce((a, b) => a * b, 1);
      if (!bySize.has(size))
        bySize.set(
          size,
          Float32Array.from({ length: size }, (_, i) => ((i % 251) - 125) / 5000),
        );
      return [name, hostTensor(bySize.get(size)!, sizes)];
    }),
  );
  await saveCheckpoint(join(scratch, 'single'), { config, tensors });
  await saveCheckpoint(join(scratch, 'shards'), { config, tensors, maxShardSize: 500e6 });
});
afterAll(() => rm(scratch, { recursive: true }));

interface Report {
  /** Bytes of weights. */
  weights: number;
  /** The most memory the process had, in bytes, once the model was open. */
  opened: number;
  /** And once it had computed a first token. */
  first: number;
}

async function measure(name: string): Promise<Report> {
  const script = join(scratch, 'open.mjs');
  await writeFile(
    script,
    `import { readFileSync } from 'node:fs';
    const { AutoModel } = await import(${JSON.stringify(bundle)});
    const most = () => 1024 * Number(/VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const model = await AutoModel.fromPretrained(process.argv[2]);
    const weights = [...model.weights.values()].reduce((n, { data }) => n + data.byteLength, 0);
    const opened = most();
    const decoder = model.decoder();
    await decoder.prefill([[1, 2, 3]]);
    console.log(JSON.stringify({ weights, opened, first: most() }));
    await decoder.dispose();`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [script, join(scratch, name)]);
  return JSON.parse(stdout) as Report;
}

describe.skipIf(!existsSync('/proc/self/status') || !existsSync(bundle))('a checkpoint of 2 GB', () => {
  test.each(['single', 'shards'])(
    'opens, and gives its first token, in at most 1.1 times its size: %s',
    async (name) => {
      const report = await measure(name);
      expect(report.weights).toBeGreaterThan(2e9);
      if (name === 'single')
        expect((await stat(join(scratch, name, 'model.safetensors'))).size).toBeGreaterThan(report.weights);
      expect(report.opened / report.weights).toBeLessThan(1.1);
      // The engine computes on the weights where they lie.
      expect(report.first / report.weights).toBeLessThan(1.1);
    },
  );
});
