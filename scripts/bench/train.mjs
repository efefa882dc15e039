// npm run bench -- train [--json] [--rounds N] [--size NAME]: time of a whole training step beside PyTorch's, at three
// sizes of GPT. Both run in processes of their own, in turn; the medians over all rounds are compared. PyTorch runs with
// each of OpenBLAS's core types once, then with its fastest.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { log, median, pythonWith, run } from './processes.mjs';

const python = pythonWith('torch');

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
export const sizes = {
  small: { layers: 4, C: 128, heads: 4, V: 65, block: 64, B: 12, T: 64, steps: 40, warmup: 5 },
  medium: { layers: 6, C: 384, heads: 6, V: 65, block: 256, B: 8, T: 256, steps: 6, warmup: 3 },
  gpt2: { layers: 12, C: 768, heads: 12, V: 50257, block: 1024, B: 4, T: 64, steps: 4, warmup: 3 },
};

function fastest(size) {
  const trials = ['', 'SkylakeX', 'Cooperlake', 'Haswell', 'Zen'].flatMap((core) =>
    [true, false].map((foreach) => ({ core, foreach, ms: 0 })),
  );
  for (const t of trials)
    t.ms = median(
      run(
        python,
        [here('train-torch.py'), JSON.stringify({ ...size, foreach: t.foreach }), '2', '1'],
        t.core ? { OPENBLAS_CORETYPE: t.core } : {},
      ).times,
    );
  return trials.toSorted((a, b) => a.ms - b.ms)[0];
}

export default function train(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', '3'));
  const only = option('--size', null);
  const results = [];
  for (const [name, size] of Object.entries(sizes)) {
    if (only && only !== name) continue;
    const best = python ? fastest(size) : null;
    if (best)
      log(`${name}: PyTorch's fastest core type is ${best.core || 'the detected one'}, foreach ${best.foreach}`);
    const ours = { times: [], peak: 0 };
    const theirs = { times: [], peak: 0 };
    const add = (to, { times, peak }) =>
      Object.assign(to, { times: [...to.times, ...times], peak: Math.max(to.peak, peak) });
    for (let round = 0; round < rounds; round++) {
      const args = [JSON.stringify({ ...size, foreach: best?.foreach }), String(size.steps), String(size.warmup)];
      add(ours, run(process.execPath, [here('train-brickwork.mjs'), ...args]));
      if (best)
        add(theirs, run(python, [here('train-torch.py'), ...args], best.core ? { OPENBLAS_CORETYPE: best.core } : {}));
      log(`${name}: round ${round + 1} of ${rounds}`);
    }
    const a = median(ours.times);
    const b = best ? median(theirs.times) : null;
    results.push({
      size: name,
      brickwork_ms: a,
      pytorch_ms: b,
      ratio: b === null ? null : a / b,
      tokens_per_second: (size.B * size.T * 1000) / a,
      peak_mb: ours.peak,
      pytorch_peak_mb: best ? theirs.peak : null,
    });
  }
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(results)}\n`);
  else {
    if (!python) log('PyTorch is not here (Debian: apt-get install python3-torch); only Brickwork was timed.');
    console.table(
      results.map((r) => ({
        size: r.size,
        'Brickwork ms': r.brickwork_ms.toFixed(1),
        'PyTorch ms': r.pytorch_ms?.toFixed(1) ?? '-',
        ratio: r.ratio?.toFixed(2) ?? '-',
        'tokens/s': Math.round(r.tokens_per_second),
        'peak MB': Math.round(r.peak_mb),
        'PyTorch MB': r.pytorch_peak_mb ? Math.round(r.pytorch_peak_mb) : '-',
      })),
    );
  }
}
