// npm run bench -- soak [--minutes N] [--json]: `lm serve` under load for an hour (unless said): streams, embeddings, scores, and
// clients that leave amid a stream; the memory of its process every minute, and by how much it grew after the first tenth.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { log } from './processes.mjs';
import { start, stream } from './serve.mjs';

const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1000;

export default async function soak(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const minutes = Number(option('--minutes', 60));
  const server = await start([]);
  const end = Date.now() + minutes * 60_000;
  let requests = 0;
  const post = async (path, body, signal) => {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
    if (response.status !== 200) throw new Error(`${path}: status ${response.status}: ${await response.text()}`);
    return response;
  };
  async function client(i) {
    for (let n = 0; Date.now() < end; n++) {
      const seed = 1000 * i + n;
      await stream(server.url, { prompt: 'ROMEO:', seed, max_tokens: 40 });
      if (i % 4 === 1) await (await post('/v1/embeddings', { input: [`text ${seed}`, 'another'] })).json();
      if (i % 4 === 2) await (await post('/score', { input: 'To be, or not to be' })).json();
      if (i % 4 === 3) {
        const leave = new AbortController();
        const response = await post('/v1/completions', { prompt: 'A', max_tokens: 100, stream: true }, leave.signal);
        await response.body.getReader().read();
        leave.abort();
      }
      requests += 2;
    }
  }
  const seen = [];
  try {
    const clients = Promise.all(Array.from({ length: 12 }, (_, i) => client(i)));
    const every = Math.min(60_000, (minutes * 60_000) / 20);
    while (Date.now() < end) {
      await Promise.race([wait(every), clients]);
      seen.push(memory(server.pid));
      log(`${requests} requests, ${seen.at(-1).toFixed(0)} MB`);
    }
    await clients;
  } finally {
    await server.stop();
  }
  const settled = seen.slice(Math.ceil(seen.length / 10));
  const third = Math.ceil(settled.length / 3);
  const most = (part) => Math.max(...part);
  const result = {
    minutes,
    requests,
    first_third_mb: most(settled.slice(0, third)),
    last_third_mb: most(settled.slice(-third)),
  };
  result.growth_mb = result.last_third_mb - result.first_third_mb;
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
  else console.table({ soak: result });
}
