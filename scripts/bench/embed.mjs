// npm run bench -- embed [--json] [--rounds N] [--texts N] [--transformers-js FOLDER]: sentences per second of mixed lengths,
// with a BERT of MiniLM's size (6 layers, C=384, 12 heads) and random weights: sorted by length as SentenceEncoder does it,
// padded in batches of 32 as they arrive, and transformers.js with the same weights as ONNX. Each runs in a process of its own,
// in turn; the medians over all rounds are compared.
//
// transformers.js is no dependency here: FOLDER is one with it in node_modules; without it, it is installed into a temporary
// folder, and left out where that fails.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { initialize, random, evaluating, parameters } from '@brickwork/nn';
import { input, toOnnx } from '@brickwork/graph';
import { hostTensor, saveCheckpoint } from '@brickwork/runtime';
import { architectures, buildNetwork } from '@brickwork/transformer';
import { log, median, run } from './processes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// A folder in the layout that both read: weights as safetensors and as ONNX.
async function makeModel(folder) {
  const shared = here('../../../shared/data/tok_bert_uncased');
  const from = existsSync(shared) ? shared : here('../../models/encoder');
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) await cp(join(from, name), join(folder, name));
  const tokenizer = JSON.parse(await readFile(join(from, 'tokenizer.json'), 'utf8'));
  const config = {
    model_type: 'bert',
    architectures: ['BertModel'],
    vocab_size: Object.keys(tokenizer.model.vocab).length,
    hidden_size: 384,
    intermediate_size: 1536,
    num_hidden_layers: 6,
    num_attention_heads: 12,
    max_position_embeddings: 512,
    pad_token_id: 0,
  };
  const { network } = buildNetwork(config, architectures);
  const weights = new Map([...initialize(network, 1)].map(([name, w]) => [name, hostTensor(w.data, w.shape)]));
  await saveCheckpoint(join(folder, 'model'), { config, tensors: weights });
  for (const name of ['config.json', 'model.safetensors']) await cp(join(folder, 'model', name), join(folder, name));
  // Weights are inputs of our graphs; in a file for others they are constants.
  for (const [name, parameter] of parameters(network)) Object.assign(parameter, { data: weights.get(name).data });
  const names = ['input_ids', 'attention_mask', 'token_type_ids'];
  const inputs = Object.fromEntries(names.map((name) => [name, input(name, ['B', 'T'], 'int64')]));
  const { last_hidden_state: trace } = network.trace(inputs, evaluating());
  await mkdir(join(folder, 'onnx'));
  await writeFile(join(folder, 'onnx', 'model.onnx'), toOnnx({ last_hidden_state: trace() }, { opset: 17 }));
  // Sentences of 4 to 120 words, short ones more often, of whole words of the vocabulary.
  const words = Object.keys(tokenizer.model.vocab).filter((word) => /^[a-z]{3,}$/.test(word));
  return (count) => {
    const draw = random(2);
    return Array.from({ length: count }, () => {
      const length = 4 + Math.floor(116 * draw.uniform() ** 2.5);
      return Array.from({ length }, () => words[draw.integer(words.length)]).join(' ');
    });
  };
}

function transformersJs(folder) {
  const isThere = (path) => existsSync(join(path, 'node_modules', '@huggingface', 'transformers'));
  if (folder) return isThere(folder) ? folder : null;
  const own = join(tmpdir(), 'brickwork-bench-transformers-js');
  if (isThere(own)) return own;
  log('installing @huggingface/transformers into a temporary folder …');
  // Its install scripts fetch CUDA libraries; the CPU's are inside the package.
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--prefix', own];
  spawnSync('npm', [...args, '@huggingface/transformers'], { encoding: 'utf8', timeout: 300_000 });
  return isThere(own) ? own : null;
}

export default async function embed(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', 3));
  const count = Number(option('--texts', 192));
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-bench-embed-'));
  try {
    const texts = (await makeModel(folder))(count);
    await writeFile(join(folder, 'texts.json'), JSON.stringify(texts));
    const theirs = transformersJs(option('--transformers-js', null));
    if (!theirs) log('transformers.js is left out: it could not be installed');
    const methods = ['sorted', 'arrival', ...(theirs ? ['transformers_js'] : [])];
    const rates = Object.fromEntries(methods.map((method) => [method, []]));
    const first = {};
    for (let round = 0; round < rounds; round++) {
      for (const method of methods) {
        const child = here(method === 'transformers_js' ? 'embed-transformers-js.mjs' : 'embed-brickwork.mjs');
        const { seconds, vectors } = run(process.execPath, [child, folder, theirs ?? '', method]);
        rates[method].push(count / seconds);
        first[method] = vectors;
      }
      log(`round ${round + 1} of ${rounds}`);
    }
    // That all compute the same.
    const apart = (method) =>
      Math.max(...first.sorted.flatMap((row, i) => row.map((x, j) => Math.abs(x - first[method][i][j]))));
    const result = Object.fromEntries(
      methods.map((method) => [method, { sentences_per_second: median(rates[method]), apart: apart(method) }]),
    );
    const rate = (method) => result[method].sentences_per_second;
    result.sorted_to_arrival = rate('sorted') / rate('arrival');
    if (theirs) result.to_transformers_js = rate('sorted') / rate('transformers_js');
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      console.table(
        Object.fromEntries(
          methods.map((method) => [
            method,
            {
              'sentences/s': rate(method).toFixed(1),
              ratio: (rate('sorted') / rate(method)).toFixed(2),
              'largest difference': result[method].apart.toExponential(1),
            },
          ]),
        ),
      );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
