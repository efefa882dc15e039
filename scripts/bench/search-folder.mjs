// npm run bench -- search-folder [--json] [--texts N] [--model FOLDER]: a folder of N short texts (10,000 unless given) is indexed
// and saved, opened again, and searched: milliseconds of a query, its encoding included; exactly, with a graph, by words, by
// both. Beside it a plain loop over the same vectors, and how many of the exact ten the graph finds.
import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { SentenceEncoder, VectorIndex } from '@brickwork/embedding';
import { random } from '@brickwork/nn';
import { median } from './processes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default async function searchFolder(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const N = Number(option('--texts', '10000'));
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-search-folder-'));
  try {
    const draw = random(1);
    const encoder = await SentenceEncoder.load(option('--model', here('../../models/sentences')));
    const { vocab } = encoder.tokenizer.json.model;
    const words = Object.keys(vocab).filter((word) => /^[a-z]{3,}$/.test(word));
    const text = (length) =>
      Array.from({ length }, () => words[Math.floor(words.length * draw.uniform() ** 2)]).join(' ');
    await mkdir(join(folder, 'texts'));
    for (let i = 0; i < N; i++) await writeFile(join(folder, 'texts', `${i}.txt`), text(8 + draw.integer(16)));
    const began = performance.now();
    const names = await readdir(join(folder, 'texts'));
    const texts = await Promise.all(names.map((name) => readFile(join(folder, 'texts', name), 'utf8')));
    const vectors = await encoder.encode(texts);
    const made = VectorIndex.create({ dimension: encoder.dimension, approximate: true });
    await made.add(names.map((id, i) => ({ id, text: texts[i], vector: vectors[i] })));
    await made.save(join(folder, 'index'));
    const indexed = (performance.now() - began) / 1000;
    const index = await VectorIndex.open(join(folder, 'index'));
    const queries = Array.from({ length: 60 }, () => text(6));
    // A loop as one writes it first.
    const plain = (query) =>
      vectors
        .map((vector, i) => ({ i, score: vector.reduce((sum, x, d) => sum + x * query[d], 0) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10);
    const ways = {
      exact: async (query, vector) => index.search(vector, { exact: true }),
      graph: async (query, vector) => index.search(vector),
      words: async (query) => index.search({ text: query }),
      both: async (query, vector) => index.search({ vector, text: query }, { exact: true }),
      plain: async (query, vector) => plain(vector),
    };
    const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
    let [shared, last] = [0, []];
    for (const query of queries)
      for (const [name, run] of Object.entries(ways)) {
        const start = performance.now();
        const [vector] = await encoder.encode([query]);
        const found = await run(query, vector);
        times[name].push(performance.now() - start);
        if (name === 'exact') last = found;
        else if (name === 'graph') shared += found.filter(({ id }) => last.some((one) => one.id === id)).length;
      }
    const result = {
      texts: N,
      dimension: encoder.dimension,
      indexedInSeconds: indexed,
      millisecondsOfAQuery: Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)])),
      slowestQuery: Object.fromEntries(Object.entries(times).map(([name, all]) => [name, Math.max(...all)])),
      graphRecallAt10: shared / (10 * queries.length),
    };
    process.stdout.write(`${JSON.stringify(result, null, argv.includes('--json') ? 0 : 2)}\n`);
    index.close();
    await encoder.dispose();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
