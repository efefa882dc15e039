// npm run bench -- train-images [--json] [--rounds N] [--size NAME] [--waiting]: time of a whole training step of image networks
// beside PyTorch's: forward, backward, SGD with momentum. Both run in processes of their own, in turn; the medians over all
// rounds are compared. PyTorch runs with both memory formats once, then with its faster.
//
// --waiting: how long training waits for images that other threads decode and augment (pictures of 64 by 64 pixels as PNG).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { log, median, pythonWith, run } from './processes.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const sizes = {
  cnn: { network: 'cnn', B: 64, side: 32, classes: 10, steps: 30, warmup: 5 },
  resnet20: { network: 'resnet20', B: 64, side: 32, classes: 10, steps: 15, warmup: 4 },
  alexnet: { network: 'alexnet', B: 16, side: 224, classes: 1000, steps: 5, warmup: 3 },
};

export default async function trainImages(argv) {
  if (argv.includes('--waiting')) return waiting(argv);
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', '5'));
  const only = option('--size', null);
  const python = pythonWith('torch');
  const results = [];
  for (const [name, { steps, warmup, ...size }] of Object.entries(sizes)) {
    if (only && only !== name) continue;
    const theirs = (more, n) =>
      run(python, [here('train-images-torch.py'), JSON.stringify({ ...size, ...more }), n, '2']);
    const trials = python
      ? [{ channelsLast: false }, { channelsLast: true }, { channelsLast: false, foreach: true }].map((more) => ({
          more,
          ms: median(theirs(more, '5').times),
        }))
      : [];
    const best = trials.toSorted((a, b) => a.ms - b.ms)[0]?.more;
    const [ours, other] = [
      { times: [], peak: 0 },
      { times: [], peak: 0 },
    ];
    const add = (to, { times, peak }) => {
      to.times.push(median(times));
      to.peak = Math.max(to.peak, peak);
    };
    for (let round = 0; round < rounds; round++) {
      const args = [String(steps), String(warmup)];
      add(ours, run(process.execPath, [here('train-images-brickwork.mjs'), JSON.stringify(size), ...args]));
      if (best) add(other, run(python, [here('train-images-torch.py'), JSON.stringify({ ...size, ...best }), ...args]));
      log(
        `${name}: round ${round + 1} of ${rounds}: ${ours.times.at(-1).toFixed(1)} ms, PyTorch ${other.times.at(-1)?.toFixed(1)} ms`,
      );
    }
    const [a, b] = [median(ours.times), best ? median(other.times) : null];
    results.push({
      size: name,
      brickwork_ms: a,
      pytorch_ms: b,
      ratio: b === null ? null : a / b,
      images_per_second: (1000 * size.B) / a,
      peak_mb: ours.peak,
      pytorch_peak_mb: best ? other.peak : null,
      pytorch: best ?? null,
    });
  }
  if (argv.includes('--json')) return void process.stdout.write(`${JSON.stringify(results)}\n`);
  if (!python) log('PyTorch is not here (Debian: apt-get install python3-torch); only Brickwork was timed.');
  console.table(
    results.map((r) => ({
      size: r.size,
      'Brickwork ms': r.brickwork_ms.toFixed(1),
      'PyTorch ms': r.pytorch_ms?.toFixed(1) ?? '-',
      ratio: r.ratio?.toFixed(2) ?? '-',
      'images/s': Math.round(r.images_per_second),
      'peak MB': Math.round(r.peak_mb),
      'PyTorch MB': r.pytorch_peak_mb ? Math.round(r.pytorch_peak_mb) : '-',
    })),
  );
}

async function waiting(argv) {
  const { random } = await import('@brickwork/nn');
  const { ConvNet, filesSet, pixels, trainClassifier, writeImage } = await import('@brickwork/vision');
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-pictures-'));
  try {
    const draw = random(1);
    const paths = [];
    for (let i = 0; i < 640; i++) {
      const image = pixels(64, 64, 3);
      image.data.forEach((_, k) => (image.data[k] = draw.integer(256)));
      paths.push(join(folder, `${i}.png`));
      await writeImage(paths.at(-1), image);
    }
    const set = {
      ...filesSet('pictures', paths),
      labels: Int32Array.from(paths, (_, i) => i % 10),
      classes: Array.from({ length: 10 }, (_, i) => `${i}`),
    };
    const results = [];
    for (const workers of [0, 1, 2]) {
      const { batches, events } = trainClassifier(
        new ConvNet({ size: 32 }),
        { train: set },
        {
          ...{ epochs: 6, batchSize: 64, optimizer: 'sgd', rate: 0.01, workers },
          transforms: [
            { type: 'randomResizedCrop', size: 32 },
            { type: 'flip' },
            { type: 'colorJitter', brightness: 0.4, contrast: 0.4, saturation: 0.4 },
          ],
        },
      );
      let begin = 0;
      let [steps, before] = [0, 0];
      for await (const event of events) {
        if (event.type !== 'step') continue;
        if (event.step === 5) [begin, before] = [performance.now(), batches.waited.ms];
        if (event.step > 5) steps++;
      }
      const all = performance.now() - begin;
      results.push({ workers, stepMs: all / steps, waitedMs: (batches.waited.ms - before) / steps });
    }
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(results)}\n`);
    else
      console.table(
        results.map((r) => ({
          threads: r.workers,
          'step ms': r.stepMs.toFixed(1),
          'of it waiting': r.waitedMs.toFixed(1),
        })),
      );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
