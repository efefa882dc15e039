// lm vision finetune: what a network learned of some pictures, used for others (Yosinski et al., 2014): a new last layer, the last
// few, or all of it.
import type { ImageModel, Transform } from '@brickwork/vision';
import type { Command } from '../lib/command.ts';
import { engineOptions } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { runOutput } from '../lib/run-output.ts';
import { evaluationScores } from '../lib/vision-scores.ts';
import { augmentation, visionTrainFlags, type VisionTrainArgs } from '../lib/vision-train-flags.ts';
import {
  classifierOptions,
  runVision,
  trainingImages,
  visionBatchOptions,
  visionTrainOptions,
} from '../lib/vision-tune.ts';

interface Args extends VisionTrainArgs, ModelArgs {
  readonly layers: string;
}

/** `lm vision finetune`. */
export const visionFinetune: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...flags('Model', {
      layers: {
        type: 'text',
        default: 'all',
        describe:
          'what learns: head, the last layer on a fixed extractor, for few pictures; last:N, the last N layers; all',
      },
    }),
    ...visionTrainFlags({ epochs: 5, batchSize: 32 }),
  },
  examples: [
    [
      'vision finetune -m resnet-18 -d hymenoptera --layers head --augment photo -o ants-or-bees',
      'a few hundred pictures',
    ],
    ['vision finetune -m features -d labelled --layers all -o pets', 'on top of lm vision train --method simclr'],
  ],
  async run(a, io) {
    if (!a.data) throw usage('no pictures given', '--data FOLDER');
    const layers = layersOf(a.layers);
    const output = runOutput(a.out, a.resume);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const vision = await import('@brickwork/vision');
    const sets = await trainingImages(a);
    const { train, validation } = sets;
    if (!train.labels) throw usage('the pictures have no classes', 'a folder for each class, or a column of a table');
    const opened = await vision.ImageModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
    const model = opened.withClasses(train.classes, { seed: a.seed });
    const { processor } = model;
    if (model !== opened) io.note(`a new last layer: ${model.model.initialized.join(', ')}`);
    // A network that knows something takes smaller steps; a new last layer alone doesn't.
    const rateShare = layers === 'head' ? 1 : 0.1;
    const options = visionTrainOptions(a, { images: train.count, run: output.run, signal, rateShare });
    try {
      const run = vision.trainClassifier(model.model.network, sets, {
        ...options,
        ...visionBatchOptions(a, processor, io),
        ...classifierOptions(a),
        layers,
        transforms: augmentation(a, sizeAfter(model, processor.transforms), processor.transforms),
        weights: model.model.weights,
      });
      const tuned = model.withWeights(run.weights);
      await runVision(
        {
          ...run,
          ...{ steps: options.steps, train, validation, all: model.model.weights },
          ...(validation && { scores: evaluationScores(tuned, validation, a) }),
          save: () => tuned.save(output.out),
        },
        a,
        output,
        io,
      );
    } finally {
      await output.tidy();
    }
  },
};

function layersOf(given: string): 'head' | 'all' | { last: number } {
  if (given === 'head' || given === 'all') return given;
  const [, number] = /^last:(\d+)$/.exec(given) ?? [];
  if (!number || Number(number) < 1) throw usage(`--layers is '${given}'; needs head, all, or last:N`);
  return { last: Number(number) };
}

// The size that pictures have after what they go through; that of the network where that says nothing.
function sizeAfter({ model }: ImageModel, transforms: readonly Transform[]): readonly [number, number] {
  const [, , H, W] = model.network.inputs['pixel_values']!.shape;
  if (typeof H === 'number' && typeof W === 'number') return [H, W];
  const last = transforms.findLast((t) => t.type === 'resize' || t.type === 'centerCrop')?.size;
  if (last === undefined)
    throw usage('the model says nothing of its pictures’ size', 'a preprocessor_config.json with crop_size');
  return typeof last === 'number' ? [last, last] : last;
}
