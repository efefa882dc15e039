// Trains the classifier of handwritten digits that ships in models/digits: three convolutions with batch norm, each followed by
// pooling, and a linear layer.
//
//   node scripts/run.mjs node scripts/recipes/digits.mjs OUT IMAGES LABELS [TEST_IMAGES TEST_LABELS]
//
// IDX files, as MNIST and Fashion-MNIST come, packed or not. Every twentieth image is held out and chooses the epoch; the test
// set, where it is given, is measured once at the end, as it is and after FGSM. EPOCHS in the environment makes it shorter.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { permutation, progressLine, toPng } from '@brickwork/training';
import {
  classFields,
  decodeImage,
  evaluateImages,
  fgsm,
  idxImages,
  ImageModel,
  ImageProcessor,
  readImages,
  resize,
  splitImages,
  trainClassifier,
  writeImage,
} from '@brickwork/vision';

const [out, images, labels, testImages, testLabels] = process.argv.slice(2);
if (!out || !images || !labels || (testImages && !testLabels)) {
  process.stderr.write(
    'usage: node scripts/run.mjs node scripts/recipes/digits.mjs OUT IMAGES LABELS [TEST_IMAGES TEST_LABELS]\n',
  );
  process.exit(2);
}
const log = (text) => process.stderr.write(`${text}\n`);
const set = await idxImages({ images, labels });
const { train, validation } = splitImages(set, { share: 0.05, order: permutation(set.count, 1) });
// Pictures of other sizes are brought to MNIST's.
const processor = new ImageProcessor({
  channels: 1,
  transforms: [
    { type: 'resize', size: 28 },
    { type: 'centerCrop', size: 28 },
  ],
  normalization: { mean: [0.1307], std: [0.3081] },
});
const start = ImageModel.fromConfig(
  {
    model_type: 'conv_net',
    ...{ image_size: 28, num_channels: 1, channels: [32, 64, 128], batch_norm: true, dropout: 0.2 },
    ...classFields(set.classes),
  },
  processor,
  { seed: 1 },
);
const seen = { normalization: processor.normalization, channels: 1 };
const training = trainClassifier(
  start.model.network,
  { train, validation },
  {
    ...seen,
    epochs: Number(process.env.EPOCHS ?? 12),
    batchSize: 64,
    transforms: [{ type: 'affine', degrees: 10, translate: [0.07, 0.07], scale: [0.9, 1.1], shear: 6 }],
    weights: start.model.weights,
    optimizer: 'adamw',
    rate: 3e-3,
    weightDecay: 0.02,
    warmup: Math.min(100, Math.floor(train.count / 640)),
    schedule: 'cosine',
    floor: 0.01,
    seed: 1,
  },
);
const model = start.withWeights(training.weights);
const line = progressLine({ unit: 'images', steps: training.stepsPerEpoch * Number(process.env.EPOCHS ?? 12) });
for await (const event of training.events) {
  if (event.type === 'step') line.show(event);
  if (event.type !== 'evaluation') continue;
  const { accuracy } = await evaluateImages(model.classifier, validation, seen);
  line.clear();
  log(`step ${event.step}: held out loss ${event.loss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(2)}%`);
}
line.clear();
await model.save(out);

if (testImages) {
  const test = await idxImages({ images: testImages, labels: testLabels, classes: set.classes });
  const clean = await evaluateImages(model.classifier, test, seen);
  process.stdout.write(
    `test: ${(100 * clean.accuracy).toFixed(2)}% of ${test.count} right, loss ${clean.loss.toFixed(4)}\n`,
  );
  for (const epsilon of [0.1, 0.25]) {
    let wrong = 0;
    for await (const { images: pixels, indices } of readImages(test, { ...seen, batchSize: 250 })) {
      const right = indices.map((i) => test.labels[i]);
      const { succeeded } = await fgsm(model.classifier, pixels, {
        ...processor.normalization,
        epsilon,
        labels: right,
      });
      wrong += succeeded.filter(Boolean).length;
    }
    process.stdout.write(`FGSM, ε = ${epsilon}: ${((100 * wrong) / test.count).toFixed(2)}% wrong\n`);
  }
}

// Ten digits drawn here, to try it on: strokes as a pen would make them.
const strokes = [
  ['M14 5 C8 5 7 11 7 15 C7 20 9 24 14 24 C19 24 21 19 21 14 C21 9 19 5 14 5 Z'],
  ['M11 8 L15 5 L14 24'],
  ['M8 9 C9 5 19 4 19 9 C19 14 10 18 8 23 L20 23'],
  ['M9 6 C16 4 20 7 18 11 C17 13 14 14 12 14 C18 14 20 18 18 21 C16 24 11 24 8 22'],
  ['M9 5 L8 15 L20 15', 'M18 6 L17 24'],
  ['M19 5 L10 5 L9 13 C14 11 20 13 19 18 C18 24 11 24 8 22'],
  ['M18 4 C12 6 8 13 8 18 C8 24 18 25 19 19 C19 14 11 13 9 18'],
  ['M8 6 L20 6 L13 24', 'M11 15 L18 14'],
  ['M18 7 C14 3 8 6 10 10 C12 13 19 15 18 20 C17 25 8 25 8 20 C8 15 18 12 18 7 Z'],
  ['M19 9 C18 4 10 4 9 9 C9 14 17 15 19 9 L17 24'],
];
await mkdir(join(out, 'samples'), { recursive: true });
for (const [digit, paths] of strokes.entries()) {
  const lines = paths.map((d) => `<path d="${d}"/>`).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 28 28" width="28" height="28"><rect width="28" height="28" fill="#000"/><g fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round">${lines}</g></svg>`;
  const large = await decodeImage(await toPng(svg), { channels: 1 });
  await writeImage(join(out, 'samples', `${digit}.png`), await resize(large, { width: 28, height: 28 }));
}
const guesses = await model.classify(
  strokes.map((_, digit) => join(out, 'samples', `${digit}.png`)),
  { topK: 1 },
);
process.stdout.write(`the ten drawn here are taken for ${guesses.map(([best]) => best.label).join(' ')}\n`);
