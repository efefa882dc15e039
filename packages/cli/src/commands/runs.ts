// lm runs: training runs beside each other, as a table and as curves.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { table } from '../lib/table.ts';
import { writeDrawing } from '../lib/write-drawing.ts';

interface Args {
  readonly folders: readonly string[];
  readonly picture?: string;
  readonly json: boolean;
}

/** `lm runs`. */
export const runs: Command<Args> = {
  positionals: {
    folders: {
      type: 'string',
      array: true,
      describe: 'folders of runs, of models that have one, or of several of them',
    },
  },
  flags: flags('Flags', {
    picture: { type: 'text', alias: 'p', describe: 'draw the losses of all runs to this file: .svg or .png' },
    json: { type: 'switch', default: false, describe: 'a line of JSON for each run' },
  }),
  examples: [
    ['runs my-model', 'its run, my-model.run'],
    ['runs experiments --picture losses.png', 'all runs in a folder, and their curves in one picture'],
  ],
  async run(a, io) {
    const format = a.picture === undefined ? null : extname(a.picture).toLowerCase();
    if (format !== null && format !== '.svg' && format !== '.png')
      throw usage(`--picture ${a.picture}: needs a name that ends in .svg or .png`);
    const folders = [...new Set([...a.folders, ...a.rest].flatMap(runsIn))];
    const training = await import('@brickwork/training');
    const found = await Promise.all(
      folders.map(async (folder) => {
        const metrics = await training.readMetrics(join(folder, training.runFiles.metrics));
        return { folder, metrics, summary: summarize(metrics, await readRun(folder), secondsOf(folder)) };
      }),
    );
    if (a.json) for (const { folder, summary } of found) await io.writeJson({ run: folder, ...summary });
    else {
      const number = (value: number | null, digits = 4): string => (value === null ? '-' : value.toFixed(digits));
      await io.write(
        table(
          [
            ['run', 'steps', 'loss', 'best', 'at', 'rate', 'optimizer', 'time'],
            ...found.map(({ folder, summary: s }) => [
              folder,
              s.steps === null ? String(s.step) : `${s.step}/${s.steps}`,
              number(s.loss),
              number(s.best),
              s.bestStep === null ? '-' : String(s.bestStep),
              s.rate === null ? '-' : s.rate.toExponential(1),
              s.optimizer ?? '-',
              clock(s.seconds),
            ]),
          ],
          [1, 2, 3, 4, 5, 7],
        ),
      );
    }
    if (format === null) return;
    const curves = found.map(({ folder, metrics }) => ({ name: basename(folder).replace(/\.run$/, ''), metrics }));
    await writeDrawing(a.picture!, await training.compareRuns(curves));
    io.note(`losses: ${a.picture}`);
  },
};

const isRun = (folder: string): boolean =>
  existsSync(join(folder, 'run.json')) && existsSync(join(folder, 'metrics.jsonl'));

function runsIn(given: string): string[] {
  const path = given.replace(/(?<=.)[/\\]+$/, '');
  if (isRun(path)) return [path];
  if (isRun(`${path}.run`)) return [`${path}.run`];
  if (!existsSync(path)) throw usage(`there is no folder ${given}`);
  if (!statSync(path).isDirectory()) throw usage(`${given} is a file`, 'the folder of a run');
  const inside = readdirSync(path)
    .toSorted()
    .map((name) => join(path, name))
    .filter(isRun);
  if (!inside.length) throw usage(`there is no run in ${given}`, 'a folder that lm pretrain or lm finetune wrote');
  return inside;
}

async function readRun(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, 'run.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

// From its first file to the last line of its metrics: what a run that was interrupted waited counts too.
function secondsOf(folder: string): number {
  const from = statSync(join(folder, 'run.json')).mtimeMs;
  return Math.max(0, (statSync(join(folder, 'metrics.jsonl')).mtimeMs - from) / 1000);
}

interface Summary {
  readonly step: number;
  readonly steps: number | null;
  /** The mean of the last tenth of the training losses. */
  readonly loss: number | null;
  /** The lowest validation loss and its step. */
  readonly best: number | null;
  readonly bestStep: number | null;
  readonly rate: number | null;
  readonly optimizer: string | null;
  readonly seconds: number;
}

function summarize(
  metrics: Awaited<ReturnType<(typeof import('@brickwork/training'))['readMetrics']>>,
  run: Readonly<Record<string, unknown>>,
  seconds: number,
): Summary {
  const losses = metrics.flatMap((e) => ('loss' in e ? [e.loss] : []));
  const last = losses.slice(-Math.ceil(losses.length / 10));
  let best: { step: number; loss: number } | null = null;
  for (const e of metrics)
    if ('validation' in e && (best === null || e.validation < best.loss)) best = { step: e.step, loss: e.validation };
  const number = (field: string): number | null => (typeof run[field] === 'number' ? run[field] : null);
  return {
    step: metrics.at(-1)?.step ?? 0,
    steps: number('steps'),
    loss: last.length ? last.reduce((x, y) => x + y, 0) / last.length : null,
    best: best?.loss ?? null,
    bestStep: best?.step ?? null,
    rate: number('rate'),
    optimizer: typeof run['optimizer'] === 'string' ? run['optimizer'] : null,
    seconds,
  };
}

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
