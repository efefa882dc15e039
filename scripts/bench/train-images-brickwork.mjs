// One process of the benchmark of image networks: whole steps (forward, backward, SGD with momentum), timed.
// node scripts/bench/train-images-brickwork.mjs '{"network":"cnn",…}' steps warmup
import process from 'node:process';
import { random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { trainNetwork } from '@brickwork/training';
import { AlexNet, CifarResNet, ConvNet } from '@brickwork/vision';

const [size, steps, warmup] = process.argv.slice(2).map((a) => JSON.parse(a));
const { B, side, classes, threads = 2 } = size;
const network = { cnn: () => new ConvNet(), resnet20: () => new CifarResNet(), alexnet: () => new AlexNet() }[
  size.network
]();
const draw = random(1);
const batchOf = () => {
  const x = Float32Array.from({ length: B * 3 * side * side }, () => draw.normal());
  const y = BigInt64Array.from({ length: B }, () => BigInt(draw.integer(classes)));
  return { batch: { pixel_values: hostTensor(x, [B, 3, side, side]), labels: hostTensor(y) }, count: B };
};
// Made beforehand, as PyTorch's twin leaves that out of the time.
const batches = Array.from({ length: Math.min(4, steps + warmup) }, batchOf);
const { events } = trainNetwork(
  network,
  { batch: (n) => batches[n % batches.length], validation: () => [] },
  {
    steps: steps + warmup,
    ...{ optimizer: 'sgd', momentum: 0.9, rate: 0.01, weightDecay: 5e-4, clip: 0, schedule: 'constant' },
    evaluateEvery: steps + warmup + 1,
    compile: { threads },
  },
);
const times = [];
let begin = null;
for await (const event of events) {
  if (event.type === 'start') begin = performance.now();
  if (event.type !== 'step') continue;
  const now = performance.now();
  if (event.step > warmup) times.push(now - begin);
  begin = now;
}
process.stdout.write(`${JSON.stringify({ times, peak: process.resourceUsage().maxRSS / 1024 })}\n`);
process.exit(0);
