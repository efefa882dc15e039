// One process of the benchmark of embeddings: sentences sorted by length, or padded in batches of 32 as they arrive.
// node scripts/bench/embed-brickwork.mjs FOLDER _ sorted|arrival
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { SentenceEncoder } from '@brickwork/embedding';
import { hostTensor } from '@brickwork/runtime';

const [folder, , method] = process.argv.slice(2);
const texts = JSON.parse(await readFile(join(folder, 'texts.json'), 'utf8'));
const encoder = await SentenceEncoder.load(folder);

async function inArrivalOrder(some) {
  const found = [];
  for (let first = 0; first < some.length; first += 32) {
    const ids = some.slice(first, first + 32).map((text) => encoder.encodeIds(text).ids);
    const [B, T] = [ids.length, Math.max(...ids.map((row) => row.length))];
    const all = new BigInt64Array(B * T);
    const mask = new BigInt64Array(B * T);
    ids.forEach((row, b) => {
      row.forEach((id, t) => (all[b * T + t] = BigInt(id)));
      mask.fill(1n, b * T, b * T + row.length);
    });
    const inputs = { input_ids: hostTensor(all, [B, T]), attention_mask: hostTensor(mask, [B, T]) };
    const { sentence_embedding: y } = await encoder.model.run(inputs, ['sentence_embedding']);
    for (let b = 0; b < B; b++) found.push(y.data.slice(b * 384, (b + 1) * 384));
  }
  return found;
}
const encode = method === 'sorted' ? (some) => encoder.encode(some) : inArrivalOrder;
await encode(texts.slice(0, 40)); // warms up
const start = performance.now();
const vectors = await encode(texts);
const seconds = (performance.now() - start) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, vectors: vectors.slice(0, 16).map((v) => Array.from(v)) })}\n`);
process.exit(0);
