// lm vision explain: why a network names a picture as it does, drawn.
import { basename } from 'node:path';
import type { ImageModel, ReadImagesOptions, SheetItem } from '@brickwork/vision';
import type { HostTensor } from '@brickwork/runtime';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { classNumber, openImageModel, readingOptions, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { ProgressLine } from '../lib/progress.ts';
import { imageDataFlags, readImageData, type ImageDataArgs } from '../lib/vision-data.ts';
import { checkPictureName, writeSheet } from '../lib/vision-pictures.ts';

const methods = [
  'grad-cam',
  'gradient',
  'guided',
  'smoothgrad',
  'integrated',
  'occlusion',
  'features',
  'deconvnet',
] as const;
type Method = (typeof methods)[number];

interface Args extends EngineArgs, ModelArgs, Omit<ImageDataArgs, 'data'> {
  readonly pictures: readonly string[];
  readonly rest: readonly string[];
  readonly data?: readonly string[];
  readonly method: readonly Method[] | Method;
  readonly class?: string;
  readonly layer?: string;
  readonly unit?: number;
  readonly topK: number;
  readonly output: string;
  readonly json: boolean;
}

/** `lm vision explain`. */
export const visionExplain: Command<Args> = {
  positionals: { pictures: { type: 'string', array: true, default: [], describe: 'files' } },
  flags: {
    ...modelFlags(standardImageModel),
    ...flags('Explanation', {
      method: {
        type: 'texts',
        describe: `how, one or several: ${methods.join(', ')}; grad-cam, guided and integrated unless given`,
      },
      class: { type: 'text', describe: 'the class that is explained, by name or number; the likeliest unless given' },
      layer: { type: 'text', describe: 'grad-cam, features, deconvnet: a layer; the last convolution unless given' },
      unit: {
        type: 'number',
        min: 0,
        whole: true,
        describe: 'deconvnet: a channel of the layer; its strongest unless given',
      },
      'top-k': {
        type: 'number',
        alias: 'k',
        min: 1,
        whole: true,
        default: 9,
        describe: 'features: channels; with --data: pictures of the unit',
      },
    }),
    ...imageDataFlags,
    ...flags('Output', {
      output: { type: 'text', alias: 'o', required: true, describe: 'a file .svg, .png or .html' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each picture' },
    }),
    ...engineFlags,
  },
  examples: [
    ['vision explain models/digits/samples/3.png -o why.png', 'three ways to see why'],
    [
      'vision explain -d photos --method deconvnet --layer features.4.relu --unit 5 -o unit.png',
      'what a unit waits for, in a whole folder',
    ],
  ],
  async run(a, io) {
    checkPictureName('output', a.output);
    const chosen = [a.method ?? ['grad-cam', 'guided', 'integrated']]
      .flat()
      .flatMap((one) => one.split(',')) as Method[];
    for (const method of chosen)
      if (!methods.includes(method)) throw usage(`--method is '${method}'; needs ${methods.join(', ')}`);
    const pictures = [...a.pictures, ...a.rest];
    if (!pictures.length && !a.data) throw usage('no pictures given', 'files, or --data with --method deconvnet');
    const signal = io.interruptible();
    const model = await openImageModel(a, io, signal);
    const line = new ProgressLine(io);
    try {
      if (!pictures.length) {
        if (chosen.join() !== 'deconvnet' || a.unit === undefined || a.layer === undefined)
          throw usage('a whole set is searched for what a unit waits for', '--method deconvnet --layer NAME --unit N');
        const reading = readingOptions(model, a, { io, line, signal });
        const items = await unitInSet(model, a, { layer: a.layer, unit: a.unit, reading });
        line.clear();
        if (a.json)
          for (const { caption } of items.filter((_, i) => i % 2 === 0))
            await io.writeJson({ unit: a.unit, layer: a.layer, picture: caption![1], activation: Number(caption![0]) });
        await writeSheet(a.output, items, {
          title: `Unit ${a.unit} of ${a.layer}: what makes it strongest, and what in it does`,
          columns: 6,
        });
        return io.note(`pictures: ${a.output}`);
      }
      const items: SheetItem[] = [];
      let columns = 0;
      for (const file of pictures) {
        signal.throwIfAborted();
        const { items: own, guess } = await explainOne(model, a, { file, chosen, signal });
        columns = Math.max(columns, own.length);
        items.push(...own);
        if (a.json) await io.writeJson({ file, class: guess.label, probability: guess.probability });
        else await io.write(`${file}\t${guess.label} ${(100 * guess.probability).toFixed(1)}%\n`);
      }
      await writeSheet(a.output, items, { columns: Math.min(columns, 9), size: 160 });
      io.note(`pictures: ${a.output}`);
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};

interface One {
  readonly file: string;
  readonly chosen: readonly Method[];
  readonly signal: AbortSignal;
}

async function explainOne(
  model: ImageModel,
  a: Args,
  { file, chosen, signal }: One,
): Promise<{ items: SheetItem[]; guess: { label: string; probability: number } }> {
  const v = await import('@brickwork/vision');
  const { classifier, processor } = model;
  const image = await processor.prepare(file);
  const pixels = v.imagesTensor([image], processor.normalization);
  const { probabilities, predicted } = await classifier.classify(pixels);
  const target = a.class === undefined ? predicted[0]! : classNumber(model, a.class, 'class');
  const guess = { label: model.classes[target]!, probability: probabilities[0]![target]! };
  const items: SheetItem[] = [
    { image, caption: [basename(file), `${guess.label} ${(100 * guess.probability).toFixed(1)}%`] },
  ];
  const shape = pixels.shape.slice(1) as [number, number, number];
  const targets = target;
  for (const method of chosen) {
    const layer = a.layer ?? classifier.layers(shape).at(-1);
    if (method === 'grad-cam') {
      const { maps, layer: at } = await v.gradCam(classifier, pixels, {
        targets,
        ...(a.layer !== undefined && { layer: a.layer }),
      });
      items.push({ image: v.overlay(image, maps.data as Float32Array), caption: ['Grad-CAM', at] });
    } else if (method === 'occlusion') {
      const { maps } = await v.occlusion(classifier, pixels, { targets, signal });
      items.push({
        image: v.heatPicture(maps.data as Float32Array, shape[2], { scale: 'signed' }),
        caption: ['occlusion', 'red: needed'],
      });
    } else if (method === 'integrated') {
      const { attributions } = await v.integratedGradients(classifier, pixels, { targets, signal });
      items.push({ image: signedOf(v, attributions), caption: ['integrated', 'gradients'] });
    } else if (method === 'features') {
      const maps = (await v.featureMaps(classifier, pixels, [layer!]))[layer!]!;
      items.push(
        ...strongestMaps(v, maps, a.topK).map(({ unit, image: map }) => ({
          image: map,
          caption: [layer!, `channel ${unit}`],
        })),
      );
    } else if (method === 'deconvnet') {
      const unit = a.unit ?? (await strongestUnit(v, model, pixels, layer!));
      const { reconstructions, activations } = await v.deconvnet(classifier, pixels, { layer: layer!, unit });
      items.push({
        image: signedOf(v, reconstructions),
        caption: [`unit ${unit} of ${layer}`, activations[0]!.toFixed(3)],
      });
    } else {
      const { gradients } = await v.pixelGradients(classifier, pixels, {
        targets,
        signal,
        ...(method === 'guided' && { backward: 'guided' as const }),
        ...(method === 'smoothgrad' && { samples: 32 }),
      });
      items.push({ image: signedOf(v, gradients), caption: [method, 'gradient of the score'] });
    }
  }
  return { items, guess };
}

type Vision = typeof import('@brickwork/vision');
const signedOf = (v: Vision, { data, shape }: HostTensor): SheetItem['image'] =>
  v.signedPicture(data as Float32Array, shape.slice(1) as [number, number, number]);

// The channels with the largest activations, each as a picture.
function strongestMaps(
  v: Vision,
  { data, shape }: HostTensor,
  most: number,
): { unit: number; image: SheetItem['image'] }[] {
  const [, U, H, W] = shape as [number, number, number, number];
  const map = (u: number): Float32Array => (data as Float32Array).subarray(u * H * W, (u + 1) * H * W);
  const peak = (u: number): number => map(u).reduce((a, b) => Math.max(a, b), -Infinity);
  return Array.from({ length: U }, (_, u) => u)
    .toSorted((x, y) => peak(y) - peak(x))
    .slice(0, most)
    .map((unit) => ({ unit, image: v.heatPicture(map(unit), W) }));
}

async function strongestUnit(
  v: Vision,
  { classifier }: ImageModel,
  pixels: HostTensor,
  layer: string,
): Promise<number> {
  const maps = (await v.featureMaps(classifier, pixels, [layer]))[layer]!;
  return strongestMaps(v, maps, 1)[0]!.unit;
}

// Of each of the strongest pictures the picture and what the deconvnet gives back of it.
async function unitInSet(
  model: ImageModel,
  a: Args,
  { layer, unit, reading }: { readonly layer: string; readonly unit: number; readonly reading: ReadImagesOptions },
): Promise<SheetItem[]> {
  const v = await import('@brickwork/vision');
  const { normalization, channels } = model.processor;
  const set = await readImageData({ ...a, data: a.data! }, {});
  const found = await v.strongestImages(model.classifier, set, { ...reading, layer, units: [unit], topK: a.topK });
  const items: SheetItem[] = [];
  for (const { index, activation, at } of found.get(unit)!) {
    const image = await model.processor.prepare(await v.storedImage(set, index, channels));
    const pixels = v.imagesTensor([image], normalization);
    const { reconstructions, regions } = await v.deconvnet(model.classifier, pixels, { layer, unit, at: [at] });
    const seen = regions[0] ?? { left: 0, top: 0, width: image.width, height: image.height };
    items.push(
      { image: v.crop(image, seen), caption: [activation.toFixed(3), v.shortItemName(set, index)] },
      { image: v.crop(signedOf(v, reconstructions), seen, 128), caption: ['deconvnet'] },
    );
  }
  return items;
}
