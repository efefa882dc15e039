// lm vision embed: pictures as vectors.
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openImageModel, readingOptions, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { ProgressLine } from '../lib/progress.ts';
import { pictureFiles } from '../lib/vision-data.ts';

interface Args extends EngineArgs, ModelArgs {
  readonly pictures: readonly string[];
  readonly rest: readonly string[];
  readonly layer?: string;
  readonly batchSize: number;
  readonly skipBroken: boolean;
  readonly output?: string;
}

/** `lm vision embed`. */
export const visionEmbed: Command<Args> = {
  positionals: { pictures: { type: 'string', array: true, default: [], describe: 'files, or folders of pictures' } },
  flags: {
    ...modelFlags(standardImageModel),
    ...flags('Vectors', {
      layer: { type: 'text', describe: 'a layer by its name; the last hidden one unless given' },
      'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 64, describe: 'pictures at a time' },
      'skip-broken': { type: 'switch', default: false, describe: 'name pictures that can’t be read and go on' },
      output: {
        type: 'text',
        alias: 'o',
        describe:
          'a file: .jsonl or .safetensors (`embeddings`, and the files’ names as metadata); lines of JSON on stdout unless given',
      },
    }),
    ...engineFlags,
  },
  examples: [['vision embed photos -o photos.safetensors', 'a vector for each picture of a folder']],
  async run(a, io) {
    if (a.output !== undefined && !/\.(jsonl|safetensors)$/i.test(a.output))
      throw usage(`--output is '${a.output}'; needs a name that ends in .jsonl or .safetensors`);
    const files = await pictureFiles([...a.pictures, ...a.rest]);
    const signal = io.interruptible();
    const model = await openImageModel(a, io, signal);
    const line = new ProgressLine(io);
    try {
      const { filesSet, imageFeatures } = await import('@brickwork/vision');
      const { data, dimension, indices } = await imageFeatures(model.classifier, filesSet('pictures', files), {
        ...readingOptions(model, a, { io, line, signal }),
        ...(a.layer !== undefined && { layer: a.layer }),
      });
      line.clear();
      const row = (k: number): string =>
        `${JSON.stringify({ file: files[indices[k]!], vector: [...data.subarray(k * dimension, (k + 1) * dimension)] })}\n`;
      if (a.output === undefined) {
        for (let k = 0; k < indices.length; k++) await io.write(row(k));
        return;
      }
      const { hostTensor, writeFileAtomic, writeSafetensors } = await import('@brickwork/runtime');
      if (/\.jsonl$/i.test(a.output)) await writeFileAtomic(a.output, indices.map((_, k) => row(k)).join(''));
      else
        await writeSafetensors(a.output, new Map([['embeddings', hostTensor(data, [indices.length, dimension])]]), {
          metadata: { files: JSON.stringify(indices.map((i) => files[i])) },
        });
      io.note(`${indices.length} vectors of ${dimension} values in ${a.output}`);
    } finally {
      line.clear();
      await model.dispose();
    }
  },
};
