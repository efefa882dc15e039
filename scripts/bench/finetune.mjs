// npm run bench -- finetune [--json] [--rounds N]: step time and peak memory of LoRA (rank 8 on attention's projections)
// beside full fine-tuning, at GPT-2's size with batches of 4 x 128 tokens. Each runs in processes of its own, in turn;
// medians over all rounds are compared.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { median, run } from './processes.mjs';

const child = fileURLToPath(new URL('finetune-brickwork.mjs', import.meta.url));

export default function finetune(argv) {
  const rounds = argv.includes('--rounds') ? Number(argv[argv.indexOf('--rounds') + 1]) : 3;
  const found = { full: { times: [], peak: 0 }, lora: { times: [], peak: 0 } };
  for (let round = 0; round < rounds; round++) {
    for (const method of Object.keys(found)) {
      const { times, peak } = run(process.execPath, [child, method, '5', '3']);
      found[method].times.push(...times);
      found[method].peak = Math.max(found[method].peak, peak);
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  const [full, lora] = [found.full, found.lora].map(({ times, peak }) => ({ ms: median(times), peak_mb: peak }));
  const result = { full, lora, time_ratio: lora.ms / full.ms, memory_ratio: lora.peak_mb / full.peak_mb };
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
  else
    console.table({
      full: { 'step ms': full.ms.toFixed(0), 'peak MB': full.peak_mb.toFixed(0) },
      'LoRA, rank 8': { 'step ms': lora.ms.toFixed(0), 'peak MB': lora.peak_mb.toFixed(0) },
      ratio: { 'step ms': result.time_ratio.toFixed(2), 'peak MB': result.memory_ratio.toFixed(2) },
    });
}
