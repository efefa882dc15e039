// lm vision attack: a picture changed by so little that nobody sees it, which a network takes for something else.
import { basename } from 'node:path';
import type { SheetItem } from '@brickwork/vision';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { classNumber, openImageModel, readingOptions, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { ProgressLine } from '../lib/progress.ts';
import { imageDataFlags, readImageData, type ImageDataArgs } from '../lib/vision-data.ts';
import { checkPictureName, writeSheet } from '../lib/vision-pictures.ts';

interface Args extends EngineArgs, ModelArgs, Omit<ImageDataArgs, 'data'> {
  readonly pictures: readonly string[];
  readonly rest: readonly string[];
  readonly data?: readonly string[];
  readonly epsilon: number;
  readonly norm: 'linf' | 'l2';
  readonly steps: number;
  readonly stepSize?: number;
  readonly target?: string;
  readonly randomStart: boolean;
  readonly seed: number;
  readonly batchSize: number;
  readonly output?: string;
  readonly json: boolean;
}

/** `lm vision attack`. */
export const visionAttack: Command<Args> = {
  positionals: { pictures: { type: 'string', array: true, default: [], describe: 'files' } },
  flags: {
    ...modelFlags(standardImageModel),
    ...flags('Attack', {
      epsilon: {
        type: 'number',
        alias: 'e',
        min: 0,
        default: 0.1,
        describe: 'how far: of the range from black to white',
      },
      norm: {
        type: 'choice',
        choices: ['linf', 'l2'],
        default: 'linf',
        describe: 'of each pixel, or of the whole picture',
      },
      steps: { type: 'number', min: 1, whole: true, default: 1, describe: '1 is FGSM; 40 with --random-start is PGD' },
      'step-size': {
        type: 'number',
        above: 0,
        describe: 'of each step; 2.5 times epsilon divided by the steps unless given',
      },
      'random-start': { type: 'switch', default: false, describe: 'begins at a random place within epsilon' },
      target: {
        type: 'text',
        describe: 'the class that it is to be taken for, by name or number; any wrong one unless given',
      },
      seed: { type: 'number', alias: 's', min: 0, whole: true, default: 0, describe: 'of the random start' },
    }),
    ...imageDataFlags,
    ...flags('Output', {
      'batch-size': {
        type: 'number',
        alias: 'b',
        min: 1,
        whole: true,
        default: 64,
        describe: 'with --data: pictures at a time',
      },
      output: { type: 'text', alias: 'o', describe: 'draws before, change and after: a file .svg, .png or .html' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each picture, or for all of --data' },
    }),
    ...engineFlags,
  },
  examples: [
    ['vision attack models/digits/samples/*.png -e 0.2 -o attack.png', 'before, change, after'],
    ['vision attack photo.jpg -m my-model --steps 40 --target gibbon', 'to be taken for one class'],
    ['vision attack -d t10k-images-idx3-ubyte.gz -e 0.25', 'how many of a whole set are taken for something else'],
  ],
  async run(a, io) {
    checkPictureName('output', a.output);
    const pictures = [...a.pictures, ...a.rest];
    if (!pictures.length === !a.data)
      throw usage(a.data ? 'pictures or --data, not both' : 'no pictures given', 'files, or --data');
    const signal = io.interruptible();
    const model = await openImageModel(a, io, signal);
    const line = new ProgressLine(io);
    try {
      const v = await import('@brickwork/vision');
      const { processor, classifier, classes } = model;
      const { normalization } = processor;
      const how = {
        ...{ epsilon: a.epsilon, norm: a.norm, steps: a.steps, randomStart: a.randomStart, seed: a.seed, signal },
        ...(a.stepSize !== undefined && { stepSize: a.stepSize }),
        ...(a.target !== undefined && { targets: classNumber(model, a.target, 'target') }),
        ...(normalization.mean && { mean: normalization.mean }),
        ...(normalization.std && { std: normalization.std }),
      };
      if (a.data) {
        const set = await readImageData({ ...a, data: a.data }, { classes });
        if (!set.labels) throw usage('--data: its pictures have no classes to be taken for others than');
        let [all, right, fooled] = [0, 0, 0];
        const reading = readingOptions(model, a, { io, line, signal });
        for await (const { images, indices } of v.readImages(set, reading)) {
          const labels = indices.map((i) => set.labels![i]!);
          const { before, succeeded } = await v.attack(classifier, images, { ...how, labels });
          all += labels.length;
          right += before.predicted.filter((c, k) => c === labels[k]).length;
          fooled += succeeded.filter(Boolean).length;
        }
        line.clear();
        const result = {
          pictures: all,
          errorBefore: 1 - right / all,
          [a.target === undefined ? 'errorAfter' : 'takenForTarget']: fooled / all,
        };
        if (a.json) return await io.writeJson({ epsilon: a.epsilon, norm: a.norm, steps: a.steps, ...result });
        return await io.write(
          `${all} pictures: ${(100 * (1 - right / all)).toFixed(2)}% wrong before, ${(100 * (fooled / all)).toFixed(2)}% ${a.target === undefined ? 'wrong' : `taken for ${a.target}`} after\n`,
        );
      }
      const items: SheetItem[] = [];
      for (const file of pictures) {
        signal.throwIfAborted();
        const image = await processor.prepare(file);
        const { adversarial, perturbation, before, after, succeeded } = await v.attack(
          classifier,
          v.imagesTensor([image], normalization),
          how,
        );
        const [was, is] = [before, after].map(({ predicted, confidence }) => ({
          label: classes[predicted[0]!]!,
          confidence: confidence[0]!,
        })) as [{ label: string; confidence: number }, { label: string; confidence: number }];
        if (a.json) await io.writeJson({ file, before: was, after: is, succeeded: succeeded[0] });
        else
          await io.write(
            `${file}\t${was.label} ${(100 * was.confidence).toFixed(1)}%\t${is.label} ${(100 * is.confidence).toFixed(1)}%${succeeded[0] ? '' : '\tas before'}\n`,
          );
        const shape = perturbation.shape.slice(1) as [number, number, number];
        const [changed] = v.imagesOf(adversarial, normalization);
        items.push(
          { image, caption: [basename(file), `${was.label} ${(100 * was.confidence).toFixed(1)}%`] },
          {
            image: v.signedPicture(perturbation.data as Float32Array, shape),
            caption: [`the change, by ${a.epsilon}`, 'stretched to be seen'],
          },
          {
            image: changed!,
            caption: ['together', `${is.label} ${(100 * is.confidence).toFixed(1)}%`],
            frame: succeeded[0] ? '#dc2626' : '#16a34a',
          },
        );
      }
      if (a.output === undefined) return;
      const perRow = items.length > 12 ? 6 : 3;
      await writeSheet(a.output, items, { columns: perRow, size: 150 });
      io.note(`pictures: ${a.output}`);
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};
