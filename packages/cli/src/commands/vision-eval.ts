// lm vision eval: how well a classifier names pictures.
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openImageModel, readingOptions, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { ProgressLine } from '../lib/progress.ts';
import { table } from '../lib/table.ts';
import { imageDataFlags, readImageData, type ImageDataArgs } from '../lib/vision-data.ts';
import { checkPictureName, writeSheet } from '../lib/vision-pictures.ts';
import { writeDrawing } from '../lib/write-drawing.ts';

interface Args extends EngineArgs, ModelArgs, ImageDataArgs {
  readonly batchSize: number;
  readonly tenCrop?: number;
  readonly confusion?: string;
  readonly mistakes?: string;
  readonly json: boolean;
}

/** `lm vision eval`. */
export const visionEval: Command<Args> = {
  flags: {
    ...modelFlags(standardImageModel),
    ...imageDataFlags,
    ...flags('Evaluation', {
      'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 64, describe: 'pictures at a time' },
      'ten-crop': {
        type: 'number',
        min: 1,
        whole: true,
        describe:
          'mean of the corners and the middle of this many pixels, and the same mirrored, as AlexNet was measured',
      },
    }),
    ...flags('Output', {
      confusion: { type: 'text', describe: 'draws what was taken for what: a file .svg or .png' },
      mistakes: { type: 'text', describe: 'draws the surest mistakes: a file .svg, .png or .html' },
      json: { type: 'switch', default: false, describe: 'one line of JSON' },
    }),
    ...engineFlags,
  },
  examples: [
    ['vision eval -d t10k-images-idx3-ubyte.gz', 'the digits that ship, on MNIST'],
    ['vision eval -m my-pets -d pets/test --confusion confusion.png --mistakes mistakes.png', 'with pictures'],
  ],
  async run(a, io) {
    if (a.confusion !== undefined && !/\.(svg|png)$/i.test(a.confusion))
      throw usage(`--confusion is '${a.confusion}'; needs a name that ends in .svg or .png`);
    checkPictureName('mistakes', a.mistakes);
    const signal = io.interruptible();
    const model = await openImageModel(a, io, signal);
    const line = new ProgressLine(io);
    try {
      const set = await readImageData(a, { classes: model.classes });
      const { evaluateImages } = await import('@brickwork/vision');
      const reading = readingOptions(model, a, { io, line, signal });
      const found = await evaluateImages(model.classifier, set, {
        ...reading,
        ...(a.tenCrop !== undefined && {
          transforms: reading.transforms!.filter(({ type }) => type !== 'centerCrop'),
          tenCrop: a.tenCrop,
        }),
      });
      line.clear();
      const { loss, accuracy, top5, confusion, actual, predicted, confidence, indices } = found;
      const classes = model.classes.map((name, c) => {
        const own = confusion[c]!.reduce((x, y) => x + y, 0);
        const taken = confusion.reduce((sum, row) => sum + row[c]!, 0);
        const right = confusion[c]![c]!;
        return { name, count: own, recall: own ? right / own : 0, precision: taken ? right / taken : 0 };
      });
      if (a.json)
        await io.writeJson({
          count: actual.length,
          broken: set.count - actual.length,
          loss,
          accuracy,
          top5,
          classes,
          confusion: confusion.map((row) => [...row]),
        });
      else {
        await io.write(
          table(
            [
              ['pictures', String(actual.length)],
              ['loss', loss.toFixed(4)],
              ['accuracy', `${(100 * accuracy).toFixed(2)}%`],
              ...(model.classes.length > 5 ? [['top 5', `${(100 * top5).toFixed(2)}%`]] : []),
            ],
            [1],
          ),
        );
        const seen = classes.filter(({ count }) => count);
        if (seen.length <= 50)
          await io.write(
            `\n${table(
              [
                ['class', 'pictures', 'recall', 'precision'],
                ...seen.map((c) => [c.name, String(c.count), c.recall.toFixed(4), c.precision.toFixed(4)]),
              ],
              [1, 2, 3],
            )}`,
          );
      }
      if (a.confusion !== undefined) {
        const { confusionPicture } = await import('@brickwork/training');
        await writeDrawing(a.confusion, confusionPicture(confusion, model.classes));
        io.note(`what was taken for what: ${a.confusion}`);
      }
      if (a.mistakes !== undefined) {
        const wrong = actual
          .map((_, k) => k)
          .filter((k) => actual[k] !== predicted[k])
          .toSorted((x, y) => confidence[y]! - confidence[x]!)
          .slice(0, 24);
        if (!wrong.length) return io.note('there are no mistakes to draw');
        const { storedImage } = await import('@brickwork/vision');
        const items = [];
        for (const k of wrong)
          items.push({
            image: await storedImage(set, indices[k]!, model.processor.channels),
            caption: [
              `${model.classes[predicted[k]!]} ${(100 * confidence[k]!).toFixed(1)}%`,
              `is ${model.classes[actual[k]!]}`,
            ],
          });
        await writeSheet(a.mistakes, items, {
          title: `The surest of ${actual.length - Math.round(accuracy * actual.length)} mistakes`,
          columns: 6,
        });
        io.note(`mistakes: ${a.mistakes}`);
      }
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};
