// One process of the benchmark of embeddings: transformers.js, in batches of 32 as they arrive, means of token states.
// node scripts/bench/embed-transformers-js.mjs FOLDER FOLDER-WITH-TRANSFORMERS-JS
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';

const [folder, theirs] = process.argv.slice(2);
const { env, pipeline } = createRequire(join(theirs, 'index.js'))('@huggingface/transformers');
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const texts = JSON.parse(await readFile(join(folder, 'texts.json'), 'utf8'));
const extract = await pipeline('feature-extraction', basename(folder), { dtype: 'fp32', device: 'cpu' });

async function encode(some) {
  const found = [];
  for (let first = 0; first < some.length; first += 32) {
    const y = await extract(some.slice(first, first + 32), { pooling: 'mean', normalize: false });
    const D = y.dims[1];
    for (let b = 0; b < y.dims[0]; b++) found.push(y.data.slice(b * D, (b + 1) * D));
  }
  return found;
}
await encode(texts.slice(0, 40)); // warms up
const start = performance.now();
const vectors = await encode(texts);
const seconds = (performance.now() - start) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, vectors: vectors.slice(0, 16).map((v) => Array.from(v)) })}\n`);
process.exit(0);
