// npm run bench -- memory [--json]: the peak memory of fine-tuning, measured, beside what was estimated before the run, with
// and without activation checkpointing. Each case runs in a process of its own.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { median, run } from './processes.mjs';

const child = fileURLToPath(new URL('memory-brickwork.mjs', import.meta.url));
const cases = [
  { layers: 24, C: 64, B: 1, T: 8, V: 2000 },
  { layers: 8, C: 256, B: 4, T: 256, V: 2000 },
  { layers: 4, C: 512, B: 8, T: 128, V: 2000 },
  { layers: 4, C: 256, B: 16, T: 256, V: 2000 },
  { layers: 12, C: 768, B: 4, T: 128, V: 50257 },
];

export default function memory(argv) {
  const rows = {};
  for (const size of cases)
    for (const method of ['full', 'lora'])
      for (const recompute of [false, true]) {
        const { times, estimate, peak } = run(process.execPath, [
          child,
          JSON.stringify({ ...size, method, recompute }),
        ]);
        const { layers, C, B, T } = size;
        const name = `${method}${recompute ? ', checkpointed' : ''}: ${layers} layers, C=${C}, B=${B}, T=${T}`;
        const mb = (bytes) => Math.round(bytes / 2 ** 20);
        rows[name] = {
          'step ms': Math.round(median(times)),
          'peak MiB': mb(peak),
          'estimate MiB': mb(estimate.total),
          ratio: Number((estimate.total / peak).toFixed(2)),
        };
        process.stderr.write(`${name}: ${JSON.stringify(rows[name])}\n`);
      }
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else console.table(rows);
}
