// npm run bench -- generate [--json] [--rounds N] [--prompt N] [--tokens N] [--batch N] [--types fp32,int8,int4]
//   [--layers N] [--node-llama-cpp FOLDER] [--readme]: tokens per second of a GPT-2 of 124M parameters (random weights, unless layers are
// said), greedy, streamed through each library's own interface: Brickwork, transformers.js with the folder that Brickwork
// exported, and node-llama-cpp with the same weights as GGUF (F32, Q8_0, Q4_0), where FOLDER has it in node_modules. Each runs in
// a process of its own, in turn; the first round tries one and two threads, the others take the better one; medians are compared, and the
// weights that are read a second with what two cores can read.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { random } from '@brickwork/nn';
import { loadCheckpoint } from '@brickwork/runtime';
import { architectures, buildNetwork, exportModel, loadModel, Model } from '@brickwork/transformer';
import { initialize } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { bandwidth } from './bandwidth.mjs';
import { writeGguf } from './gguf.mjs';
import { log, median, run } from './processes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// What each weight takes in memory, its share of a scale included.
const bytesOf = { fp32: 4, int8: 1 + 4 / 64, int4: 0.5 + 4 / 64 };
const quantized = { fp32: 'F32', int8: 'Q8_0', int4: 'Q4_0' };

/** GPT-2's shape with random weights, as its own folder, as ONNX and as GGUF. */
async function makeModel(folder, types, layers, withGguf) {
  const config = {
    ...{ model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], vocab_size: 50257, n_positions: 1024 },
    ...{ n_embd: 768, n_layer: layers, n_head: 12, bos_token_id: 50256, eos_token_id: 50256 },
  };
  const built = buildNetwork(config, architectures);
  const weights = new Map([...initialize(built.network, 1)].map(([name, w]) => [name, hostTensor(w.data, w.shape)]));
  await new Model({ ...built, weights, config }).save(folder);
  const model = await loadModel(folder);
  for (const dtype of types) {
    log(`exporting ${dtype} …`);
    await exportModel(model, folder, { dtype, check: false });
    if (withGguf)
      writeGguf(
        join(folder, `${quantized[dtype]}.gguf`),
        config,
        (await loadCheckpoint(folder)).tensors,
        quantized[dtype],
      );
  }
  await model.dispose();
  // Every token reads all of them but the positions; the embedding is the head's.
  return [...weights].reduce((n, [name, { data }]) => n + (name.includes('wpe') ? 0 : data.length), 0);
}

const called = { brickwork: 'Brickwork', 'transformers-js': 'transformers.js', llama: 'node-llama-cpp' };

// The table in README, between its marks.
async function writeTable(result, types, sides) {
  const readme = here('../../README.md');
  const cells = (row) => `| ${row.join(' | ')} |`;
  const rate = (side, dtype) => result[`${side} ${dtype}`];
  const head = ['tokens/s (first token)', ...sides.map((side) => called[side]), 'ratios'];
  const rows = types.map((dtype) => [
    dtype,
    ...sides.map((side) => {
      const r = rate(side, dtype);
      return `${r.tokens_per_second.toFixed(0)} (${r.first_token_ms.toFixed(0)} ms)`;
    }),
    sides
      .slice(1)
      .map((side) => rate(side, dtype).ratio.toFixed(2))
      .join(', '),
  ]);
  const table = [head, head.map((_, i) => (i ? '---:' : '---')), ...rows].map(cells).join('\n');
  const text = await readFile(readme, 'utf8');
  const marked = /(<!-- npm run bench -- generate [^\n]*-->\n)[^]*?(<!-- end -->)/;
  await writeFile(
    readme,
    text.replace(marked, (_, begin, end) => `${begin}\n${table}\n\n${end}`),
  );
  spawnSync(process.execPath, [here('../run.mjs'), 'tool', 'oxfmt', readme], { stdio: 'ignore' });
}

export default async function generate(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', 3));
  const types = option('--types', 'fp32,int8,int4').split(',');
  const llama = option('--node-llama-cpp', null);
  if (llama && !existsSync(join(llama, 'node_modules', 'node-llama-cpp')))
    log(`node-llama-cpp is left out: it isn't in ${llama}`);
  const batch = Number(option('--batch', 1));
  const sides = ['brickwork', 'transformers-js', ...(llama && batch === 1 ? ['llama'] : [])];
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-bench-generate-'));
  try {
    const count = await makeModel(folder, types, Number(option('--layers', 12)), sides.includes('llama'));
    const draw = random(2);
    const length = Number(option('--prompt', 128));
    const work = {
      folder,
      llama,
      tokens: Number(option('--tokens', 128)),
      prompts: Array.from({ length: batch }, () => Array.from({ length }, () => draw.integer(50256))),
    };
    const found = {};
    const reads = { 1: [], 2: [] };
    const one = (side, dtype, threads) => {
      const key = `${side} ${dtype}`;
      const result = run(process.execPath, [
        here(`generate-${side}.mjs`),
        JSON.stringify({ ...work, dtype, type: quantized[dtype], threads }),
      ]);
      (found[key] ??= []).push({ threads, ...result });
    };
    const best = (key) => {
      const rate = (threads) => median(found[key].filter((r) => r.threads === threads).map((r) => r.rate));
      return [...new Set(found[key].map((r) => r.threads))].toSorted((a, b) => rate(b) - rate(a))[0];
    };
    for (let round = 0; round < rounds; round++) {
      for (const threads of [1, 2]) reads[threads].push(await bandwidth(threads));
      for (const dtype of types)
        for (const side of sides)
          for (const threads of round === 0 ? [1, 2] : [best(`${side} ${dtype}`)]) one(side, dtype, threads);
      log(`round ${round + 1} of ${rounds}`);
    }
    const result = {};
    for (const dtype of types)
      for (const side of sides) {
        const key = `${side} ${dtype}`;
        const threads = best(key);
        const own = found[key].filter((r) => r.threads === threads);
        result[key] = {
          threads,
          tokens_per_second: median(own.map((r) => r.rate)),
          share_of_bandwidth: 0,
          first_token_ms: median(own.map((r) => r.first)),
          ...(own[0].stall !== undefined && { longest_stall_ms: median(own.map((r) => r.stall)) }),
          ratio: 0,
        };
        const gigabytes = (count * bytesOf[dtype] * result[key].tokens_per_second) / batch / 1e9;
        result[key].share_of_bandwidth = gigabytes / median(reads[2]);
        result[key].ratio = result[`brickwork ${dtype}`].tokens_per_second / result[key].tokens_per_second;
      }
    if (argv.includes('--readme')) await writeTable(result, types, sides);
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      console.table(
        Object.fromEntries(
          Object.entries(result).map(([key, r]) => [
            key,
            {
              threads: r.threads,
              'tokens/s': r.tokens_per_second.toFixed(1),
              'of bandwidth': `${(100 * r.share_of_bandwidth).toFixed(0)}%`,
              'first token, ms': r.first_token_ms.toFixed(0),
              'longest stall, ms': r.longest_stall_ms?.toFixed(1) ?? '',
              'Brickwork to it': r.ratio.toFixed(2),
            },
          ]),
        ),
      );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
