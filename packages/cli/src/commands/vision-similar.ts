// lm vision similar: the pictures of a folder that a network takes for most like one.
import { basename } from 'node:path';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openImageModel, readingOptions, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { ProgressLine } from '../lib/progress.ts';
import { imageDataFlags, pictureFiles, readImageData, type ImageDataArgs } from '../lib/vision-data.ts';
import { checkPictureName, writeSheet } from '../lib/vision-pictures.ts';

interface Args extends EngineArgs, ModelArgs, ImageDataArgs {
  readonly picture: string;
  readonly topK: number;
  readonly by: 'euclidean' | 'cosine';
  readonly layer?: string;
  readonly output?: string;
  readonly json: boolean;
}

/** `lm vision similar`. */
export const visionSimilar: Command<Args> = {
  positionals: { picture: { type: 'string', demandOption: true, describe: 'a file' } },
  flags: {
    ...modelFlags(standardImageModel),
    ...imageDataFlags,
    ...flags('Search', {
      'top-k': { type: 'number', alias: 'k', min: 1, whole: true, default: 6, describe: 'pictures that are found' },
      by: {
        type: 'choice',
        choices: ['euclidean', 'cosine'],
        default: 'euclidean',
        describe: 'how vectors are compared',
      },
      layer: { type: 'text', describe: 'a layer by its name; the last hidden one unless given' },
    }),
    ...flags('Output', {
      output: {
        type: 'text',
        alias: 'o',
        describe: 'draws the picture and what was found: a file .svg, .png or .html',
      },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each picture found' },
    }),
    ...engineFlags,
  },
  examples: [['vision similar photo.jpg -d photos -o similar.png', 'its six nearest, and a contact sheet']],
  async run(a, io) {
    checkPictureName('output', a.output);
    if (!a.data) throw usage('no pictures to search among', '--data FOLDER');
    const signal = io.interruptible();
    const model = await openImageModel(a, io, signal);
    const line = new ProgressLine(io);
    try {
      const vision = await import('@brickwork/vision');
      const set = await imagesAmong(a);
      const { onBroken, ...reading } = readingOptions(model, a, { io, line, signal });
      const o = { ...reading, ...(a.layer !== undefined && { layer: a.layer }) };
      const query = await vision.imageFeatures(model.classifier, vision.filesSet(a.picture, [a.picture]), o);
      const among = await vision.imageFeatures(model.classifier, set, { ...o, ...(onBroken && { onBroken }) });
      line.clear();
      const except = set.items.kind === 'files' ? [set.items.paths.indexOf(a.picture)] : [];
      const found = vision.similarImages(query.data, among, { topK: a.topK, by: a.by, except });
      const named = found.map(({ index, distance }) => ({
        picture: vision.itemName(set, index),
        ...(set.labels && { class: set.classes[set.labels[index]!] }),
        distance,
      }));
      for (const one of named)
        await (a.json
          ? io.writeJson(one)
          : io.write(`${one.distance.toFixed(4)}\t${one.picture}${one.class === undefined ? '' : `\t${one.class}`}\n`));
      if (a.output === undefined) return;
      const items = [
        {
          image: await vision.decodeImage(a.picture, { channels: model.processor.channels }),
          caption: [basename(a.picture), 'what is searched'],
          frame: '#2563eb',
        },
      ];
      for (const [k, { index, distance }] of found.entries())
        items.push({
          image: await vision.storedImage(set, index, model.processor.channels),
          caption: [named[k]!.class ?? vision.shortItemName(set, index), distance.toFixed(3)],
          frame: '',
        });
      await writeSheet(a.output, items, {
        title: `Most like ${basename(a.picture)}`,
        columns: Math.min(7, items.length),
      });
      io.note(`pictures: ${a.output}`);
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};

// A folder needs no classes to be searched.
async function imagesAmong(a: Args): ReturnType<typeof readImageData> {
  const { filesSet } = await import('@brickwork/vision');
  if (a.format === undefined || a.format === 'folder') {
    const { statSync } = await import('node:fs');
    if (a.data.every((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory()))
      return filesSet(a.data.join(', '), await pictureFiles(a.data));
  }
  return readImageData(a);
}
