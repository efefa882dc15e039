// lm vision filters: what a convolution looks for, as a picture, and what is wrong with it by numbers.
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openImageModel, standardImageModel } from '../lib/open-image-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { table } from '../lib/table.ts';
import { checkPictureName, writeSheet } from '../lib/vision-pictures.ts';

interface Args extends EngineArgs, ModelArgs {
  readonly layer?: string;
  readonly output?: string;
  readonly json: boolean;
}

/** `lm vision filters`. */
export const visionFilters: Command<Args> = {
  flags: {
    ...modelFlags(standardImageModel),
    ...flags('Filters', {
      layer: { type: 'text', describe: 'a convolution by its name, such as features.0; the first unless given' },
      output: { type: 'text', alias: 'o', describe: 'draws them: a file .svg, .png or .html' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each filter' },
    }),
    ...engineFlags,
  },
  examples: [['vision filters -o filters.png', 'the first layer of the digits that ship']],
  async run(a, io) {
    checkPictureName('output', a.output);
    const model = await openImageModel(a, io, io.interruptible());
    const { diagnoseFilters, filterPictures } = await import('@brickwork/vision');
    const convolutions = [...model.model.weights].filter(
      ([name, { shape }]) => shape.length === 4 && name.endsWith('.weight'),
    );
    const names = convolutions.map(([name]) => name.slice(0, -'.weight'.length));
    const found = a.layer === undefined ? 0 : names.indexOf(a.layer);
    if (found < 0 || !convolutions.length)
      throw usage(`--layer is '${a.layer}'; the model's convolutions are ${names.join(', ') || 'none'}`);
    const weight = convolutions[found]![1];
    const diagnosed = diagnoseFilters(weight);
    if (a.json) for (const one of diagnosed) await io.writeJson({ layer: names[found], ...one });
    else {
      const rows = diagnosed.map((one) => [
        String(one.filter),
        one.size.toFixed(4),
        one.roughness === null ? '' : one.roughness.toFixed(3),
        one.verdict,
      ]);
      await io.write(table([['filter', 'size', 'roughness', 'verdict'], ...rows], [0, 1, 2]));
      const verdicts = ['smooth', 'small', 'noisy', 'dead'] as const;
      const words = { smooth: 'smooth', small: 'too small to tell', noisy: 'noisy', dead: 'dead' };
      const many = (verdict: string): number => diagnosed.filter((one) => one.verdict === verdict).length;
      io.note(
        `${names[found]}: ${diagnosed.length} filters of ${weight.shape.slice(1).join(' by ')}; ${verdicts
          .filter((one) => many(one))
          .map((one) => `${many(one)} ${words[one]}`)
          .join(', ')}`,
      );
    }
    if (a.output === undefined) return;
    const colours = { smooth: '', small: '', noisy: '#d97706', dead: '#dc2626' } as const;
    const items = filterPictures(weight).map((image, i) => ({
      image,
      frame: colours[diagnosed[i]!.verdict],
      ...(diagnosed.length <= 128 && { caption: [`${i}`] }),
    }));
    await writeSheet(a.output, items, {
      title: `Filters of ${names[found]}; grey is 0`,
      columns: Math.min(16, Math.ceil(Math.sqrt(2 * items.length))),
      size: 56,
    });
    io.note(`filters: ${a.output}`);
  },
};
