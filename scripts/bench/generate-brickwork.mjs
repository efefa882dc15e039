// One process of the benchmark of generation: Brickwork. The second run counts; a third measures for how long this thread is blocked.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { generateTokens, loadModel } from '@brickwork/transformer';

const { folder, dtype, threads, tokens, prompts } = JSON.parse(process.argv[2]);
const model = await loadModel(folder);
const decoder = model.decoder({ dtype, threads });
const delay = monitorEventLoopDelay({ resolution: 1 });
async function once() {
  const start = performance.now();
  let first = 0;
  let count = 0;
  for await (const _ of generateTokens(decoder, prompts, { maxNewTokens: tokens, temperature: 0, eosTokenIds: [] })) {
    if (++count === prompts.length) first = performance.now();
  }
  return { first: first - start, rate: (count - prompts.length) / ((performance.now() - first) / 1000) };
}
await once();
const found = await once();
// Measuring it takes a share of a core: in a run of its own.
delay.enable();
await once();
delay.disable();
process.stdout.write(`${JSON.stringify({ ...found, stall: delay.max / 1e6 })}\n`);
await decoder.dispose();
