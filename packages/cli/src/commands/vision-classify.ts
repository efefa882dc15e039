// lm vision classify: what pictures show.
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import type { Io } from '../lib/io.ts';
import { openImageModel, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { pictureFiles } from '../lib/vision-data.ts';

interface Args extends EngineArgs, ModelArgs {
  readonly pictures: readonly string[];
  readonly rest: readonly string[];
  readonly topK: number;
  readonly classes?: readonly string[];
  readonly template?: readonly string[];
  readonly skipBroken: boolean;
  readonly json: boolean;
}

/** `lm vision classify`. */
export const visionClassify: Command<Args> = {
  positionals: { pictures: { type: 'string', array: true, default: [], describe: 'files, or folders of pictures' } },
  flags: {
    ...modelFlags(standardImageModel),
    ...flags('Classes', {
      classes: {
        type: 'texts',
        describe: 'with a CLIP model: what may be seen, names that nobody trained for; with commas or several times',
      },
      template: {
        type: 'texts',
        describe: 'with --classes: texts with {} for the name; "a photo of a {}" unless given',
      },
    }),
    ...flags('Output', {
      'top-k': { type: 'number', alias: 'k', min: 1, whole: true, default: 3, describe: 'classes that are shown' },
      'skip-broken': { type: 'switch', default: false, describe: 'name pictures that can’t be read and go on' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each picture' },
    }),
    ...engineFlags,
  },
  examples: [
    ['vision classify models/digits/samples', 'digits, by the model that ships'],
    ['vision classify -m my-pets photo.jpg -k 1 --json', 'by a model that you trained'],
    ['vision classify -m CLIP --classes cat,dog,fish photo.jpg', 'by names alone'],
  ],
  async run(a, io) {
    const files = await pictureFiles([...a.pictures, ...a.rest]);
    const signal = io.interruptible();
    const { name, dispose } = await namer(a, io, signal);
    try {
      for (const file of files) {
        signal.throwIfAborted();
        let found: Guess[];
        try {
          found = await name(file);
        } catch (error) {
          if (!a.skipBroken) throw error;
          io.note((error as Error).message);
          continue;
        }
        if (a.json) await io.writeJson({ file, classes: found });
        else
          await io.write(
            `${file}\t${found.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)}%`).join(', ')}\n`,
          );
      }
    } finally {
      await dispose();
    }
  },
};

interface Guess {
  readonly label: string;
  readonly probability: number;
}

async function namer(
  a: Args,
  io: Io,
  signal: AbortSignal,
): Promise<{ name: (file: string) => Promise<Guess[]>; dispose: () => Promise<void> }> {
  if (!a.classes) {
    if (a.template) throw usage('--template is for --classes');
    const model = await openImageModel(a, io, signal);
    return {
      name: async (file) => {
        const [found] = await model.classify([file], { topK: a.topK });
        return found!.map(({ label, probability }) => ({ label, probability }));
      },
      dispose: () => model.dispose(),
    };
  }
  const classes = a.classes.flatMap((one) => one.split(',')).map((one) => one.trim());
  if (classes.some((one) => !one)) throw usage(`--classes is '${a.classes.join(' ')}'; needs names with commas`);
  const folder = await modelPath(a, io, signal);
  const { AutoModel } = await import('@brickwork/transformer');
  const { channelsOf, ImageProcessor, visionArchitectures, ZeroShotClassifier } = await import('@brickwork/vision');
  const model = await AutoModel.fromPretrained(folder, {
    signal,
    architectures: visionArchitectures,
    compile: engineOptions(a),
  });
  if (!model.weights.has('logit_scale'))
    throw usage(`--classes: ${a.model} is a ${model.className}`, 'a CLIP model, which reads texts too');
  const zeroShot = await ZeroShotClassifier.open(model, await model.tokenizer(), {
    classes,
    ...(a.template && { templates: a.template }),
  });
  const processor = await ImageProcessor.fromFolder(folder, channelsOf(model));
  return {
    name: async (file) => {
      const { probabilities } = await zeroShot.classify(await processor.process([file]));
      return classes
        .map((label, c) => ({ label, probability: probabilities[0]![c]! }))
        .toSorted((x, y) => y.probability - x.probability)
        .slice(0, a.topK);
    },
    dispose: () => zeroShot.dispose(),
  };
}
