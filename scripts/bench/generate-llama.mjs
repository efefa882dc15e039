// One process of the benchmark of generation: node-llama-cpp with the same weights as GGUF. The last of two runs counts.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const { folder, llama: where, type, threads, tokens, prompts } = JSON.parse(process.argv[2]);
const require = createRequire(join(where, 'index.js'));
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const model = await llama.loadModel({ modelPath: join(folder, `${type}.gguf`) });
const context = await model.createContext({ contextSize: 1024, threads, batchSize: 512 });
const sequence = context.getSequence();
async function once() {
  await sequence.clearHistory();
  const start = performance.now();
  let first = 0;
  let count = 0;
  for await (const _ of sequence.evaluate(prompts[0], { temperature: 0, yieldEogToken: true })) {
    if (++count === 1) first = performance.now();
    if (count === tokens) break;
  }
  return { first: first - start, rate: (count - 1) / ((performance.now() - first) / 1000) };
}
await once();
const found = await once();
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0);
