// lm quantize: a model's weights in 8 or 4 bits, as a folder that every command opens; and what that costs, by brick.
import type { BrickSensitivity, DecoderType } from '@brickwork/transformer';
import type { Command } from '../lib/command.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { utf8, type Io } from '../lib/io.ts';
import { openAnyModel } from '../lib/open-any-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { checkOutFolder } from '../lib/out-folder.ts';
import { patterns } from '../lib/patterns.ts';
import { bytes, count } from '../lib/progress.ts';
import { table } from '../lib/table.ts';

interface Args extends ModelArgs {
  readonly out: string;
  readonly dtype: 'int8' | 'int4';
  readonly blockSize: string;
  readonly keep?: readonly string[];
  readonly text?: string;
  readonly maxTokens: number;
  readonly within?: number;
  readonly json: boolean;
}

/** `lm quantize`. */
export const quantize: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...flags('Quantize', {
      out: { type: 'text', alias: 'o', required: true, describe: 'folder for the model' },
      dtype: { type: 'choice', choices: ['int8', 'int4'], default: 'int4', describe: 'bits of a weight' },
      'block-size': {
        type: 'choice',
        choices: ['16', '32', '64', '128'],
        default: '32',
        describe: 'weights that share a scale; fewer are nearer, and larger',
      },
      keep: {
        type: 'texts',
        describe: 'weights whose names hold this text stay in float32; may be given several times',
      },
    }),
    ...flags('Measuring', {
      text: { type: 'text', describe: 'a text file: reports how the perplexity changes, brick by brick' },
      'max-tokens': {
        type: 'number',
        min: 2,
        whole: true,
        default: 8192,
        describe: 'of the text, so many are measured',
      },
      within: {
        type: 'number',
        above: 0,
        describe:
          'percent by which the perplexity may grow: the most sensitive bricks stay in float32 until it does not',
      },
      json: { type: 'switch', default: false, describe: 'what was measured and written, as JSON' },
    }),
  },
  examples: [
    ['quantize -m models/shakespeare -o small', 'a folder for generate, serve and all the others'],
    ['quantize -m models/shakespeare -o small --text play.txt --within 1', 'at most 1% more perplexity'],
  ],
  async run(a, io) {
    checkOutFolder(a.out);
    if (a.within !== undefined && a.text === undefined) throw usage('--within needs --text, by which it is measured');
    const signal = io.interruptible();
    const model = await openAnyModel(a, io, signal);
    const { brickOf, quantizeModel, sensitivity } = await import('@brickwork/transformer');
    try {
      const isKept = patterns(a.keep);
      const options = { dtype: a.dtype, blockSize: Number(a.blockSize) as 32 };
      const found: BrickSensitivity[] = [];
      let kept: string[] = [];
      const dtypeOf = (name: string): DecoderType => (isKept(name) || kept.includes(brickOf(name)) ? 'fp32' : a.dtype);
      if (a.text !== undefined) {
        const texts = await windows(a.text, a.maxTokens, model);
        const all = { ...options, dtypeOf, texts, signal };
        for await (const one of sensitivity(model, all)) {
          found.push(one);
          if (io.stderr.isTTY) io.note(`${one.brick ?? 'all together'}: ${percent(one.change)}`);
        }
        if (a.within !== undefined) kept = await keepWithin(a.within / 100, found, { measure: together, io });
        async function together(some: readonly string[]): Promise<BrickSensitivity> {
          const own = (name: string): DecoderType => (some.includes(brickOf(name)) ? 'fp32' : dtypeOf(name));
          const { value } = await sensitivity(model, { ...all, dtypeOf: own }).next();
          return value as BrickSensitivity;
        }
      }
      const blocks = quantizeModel(model, { ...options, dtypeOf });
      if (!blocks.size) throw new CliError(`${model.className} has no weights left to hold in few bits`);
      await model.save(a.out, { blocks, signal });
      const stored = [...blocks.values()].reduce(
        (n, { codes, scales }) => n + codes.data.byteLength + scales.data.byteLength,
        0,
      );
      const rest = [...model.weights].reduce((n, [name, { data }]) => n + (blocks.has(name) ? 0 : data.byteLength), 0);
      const before = [...model.weights.values()].reduce((n, { data }) => n + data.byteLength, 0);
      if (a.json) return await io.writeJson({ out: a.out, bytes: stored + rest, before, kept, bricks: found });
      if (found.length) await io.write(report(found));
      await io.write(`${a.out}: ${bytes(stored + rest)} of ${bytes(before)}\n`);
      if (kept.length) io.note(`in float32: ${kept.join(', ')}`);
      return undefined;
    } finally {
      await model.dispose();
    }
  },
};

// Windows of the context's length.
async function windows(
  file: string,
  most: number,
  model: Awaited<ReturnType<typeof openAnyModel>>,
): Promise<number[][]> {
  const { readFile } = await import('node:fs/promises');
  const text = utf8(
    await readFile(file).catch((error: Error) => {
      throw usage(`--text ${file}: ${error.message}`);
    }),
    file,
  );
  const ids = (await model.tokenizer()).encode(text, { addSpecialTokens: false }).ids.slice(0, most);
  const T = Math.min(model.causalLM.contextLength, 512);
  const cut = Array.from({ length: Math.ceil(ids.length / T) }, (_, i) => ids.slice(i * T, (i + 1) * T));
  const long = cut.filter((one) => one.length > 1);
  if (!long.length) throw usage(`--text ${file}: it has ${ids.length} tokens; needs two or more`);
  return long;
}

// Bricks to keep, the most sensitive first, until the change is small enough.
async function keepWithin(
  limit: number,
  found: readonly BrickSensitivity[],
  o: { measure(some: readonly string[]): Promise<BrickSensitivity>; io: Io },
): Promise<string[]> {
  let { change } = found[0]!;
  const order = found.filter((one) => one.brick !== null).toSorted((x, y) => y.change - x.change);
  const kept: string[] = [];
  for (const { brick } of order) {
    if (change <= limit) break;
    kept.push(brick!);
    ({ change } = await o.measure(kept));
    o.io.note(`with ${brick} in float32: ${percent(change)}`);
  }
  return kept;
}

const percent = (change: number): string => `${change >= 0 ? '+' : ''}${(100 * change).toFixed(2)}%`;

function report(found: readonly BrickSensitivity[]): string {
  const rows = found.map((one) => [
    one.brick ?? 'all together',
    count(one.weights),
    one.perplexity.toFixed(3),
    percent(one.change),
  ]);
  return table([['brick', 'weights', 'perplexity', 'change'], ...rows], [1, 2, 3]);
}
