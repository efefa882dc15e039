// npm run bench -- serve [--json] [--clients N] [--tokens N] [--rounds N] [--dtype fp32|int8|int4]: tokens per second of `lm serve`
// for one client and for many at once, with a GPT-2 body of 85M parameters and random weights; how long a client waits for its
// first token; and how many get the text that they get alone with the same seed: all in fp32. In few bits activations are
// rounded to 8 bits, where a difference in the last bit of a sum may become a step, and random weights are sure of nothing.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { initialize } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { architectures, buildNetwork, Model } from '@brickwork/transformer';
import { log, median } from './processes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function makeModel(folder) {
  const config = {
    ...{ model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], vocab_size: 65, n_positions: 1024 },
    ...{ n_embd: 768, n_layer: 12, n_head: 12 },
  };
  const built = buildNetwork(config, architectures);
  const weights = new Map([...initialize(built.network, 1)].map(([name, w]) => [name, hostTensor(w.data, w.shape)]));
  await new Model({ ...built, weights, config }).save(folder);
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(here(`../../models/shakespeare/${name}`), join(folder, name));
}

/** Starts `lm serve`; resolves with its address. */
export async function start(args) {
  const child = spawn(process.execPath, [here('../../lm'), 'serve', '--port', '0', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { url } = JSON.parse(
    await new Promise((resolve, reject) => {
      child.stdout.once('data', (data) => resolve(String(data)));
      child.once('exit', (code) => reject(new Error(`lm serve ended with ${code}`)));
    }),
  );
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGINT');
    });
  return { url, stop, pid: child.pid };
}

/** One stream: its text, and when its first and last tokens came. */
export async function stream(url, body) {
  const started = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  });
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
  let text = '';
  let first = 0;
  let rest = '';
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    first ||= performance.now() - started;
    rest += part;
    const events = rest.split('\n\n');
    rest = events.pop();
    for (const event of events) if (event !== 'data: [DONE]') text += JSON.parse(event.slice(6)).choices[0]?.text ?? '';
  }
  return { text, first };
}

export default async function serve(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const clients = Number(option('--clients', 16));
  const tokens = Number(option('--tokens', 64));
  const rounds = Number(option('--rounds', 3));
  const dtype = option('--dtype', 'fp32');
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-bench-serve-'));
  try {
    await makeModel(folder);
    const server = await start([
      '-m',
      folder,
      '--dtype',
      dtype,
      '--parallel',
      String(clients),
      '--embeddings',
      'none',
      '--images',
      'none',
    ]);
    const ask = (seed) =>
      stream(server.url, { prompt: `${'Come, '.repeat(4 + (seed % 9))}`, seed, max_tokens: tokens, temperature: 0.9 });
    const alone = [];
    const rates = { one: [], many: [] };
    const firsts = [];
    let same = 0;
    try {
      await ask(0);
      for (let round = 0; round < rounds; round++) {
        const started = performance.now();
        for (let seed = 0; seed < 3; seed++) alone[seed] = (await ask(seed)).text;
        rates.one.push((3 * tokens) / ((performance.now() - started) / 1000));
        const together = performance.now();
        const found = await Promise.all(Array.from({ length: clients }, (_, seed) => ask(seed)));
        rates.many.push((clients * tokens) / ((performance.now() - together) / 1000));
        firsts.push(...found.map(({ first }) => first));
        same += alone.filter((text, seed) => text === found[seed].text).length;
        log(`round ${round + 1} of ${rounds}`);
      }
    } finally {
      await server.stop();
    }
    const result = {
      dtype,
      one_client: median(rates.one),
      clients,
      many_clients: median(rates.many),
      ratio: median(rates.many) / median(rates.one),
      first_token_ms: median(firsts),
      same_as_alone: `${same} of ${3 * rounds}`,
    };
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      console.table({
        '1 client': { 'tokens/s': result.one_client.toFixed(1), ratio: '1.00' },
        [`${clients} clients`]: {
          'tokens/s': result.many_clients.toFixed(1),
          ratio: result.ratio.toFixed(2),
          'same as alone': result.same_as_alone,
        },
      });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
