// lm index: an index of folders of text, to be searched by meaning and by words.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { VectorIndex } from '@brickwork/embedding';
import { buildIndex } from '../lib/build-index.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { indexFiles } from '../lib/index-files.ts';
import { openEncoder, standardEncoder, encoderTypeFlag, type EncoderTypeArgs } from '../lib/open-encoder.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { count } from '../lib/progress.ts';

interface Args extends EncoderTypeArgs, ModelArgs, EngineArgs {
  readonly paths: readonly string[];
  readonly rest: readonly string[];
  readonly output: string;
  readonly onlyWords: boolean;
  readonly approximate: boolean;
  readonly metric: 'cosine' | 'dot' | 'euclidean';
  readonly type: 'float32' | 'int8';
  readonly chunk: number;
  readonly overlap: number;
  readonly field: string;
  readonly batchSize: number;
  readonly rebuild: boolean;
  readonly skipMalformed: boolean;
  readonly json: boolean;
}

/** `lm index`. */
export const indexBuild: Command<Args> = {
  positionals: {
    paths: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'folders, files of text, or rows (.jsonl, .csv, .tsv, .parquet)',
    },
  },
  flags: {
    ...modelFlags(standardEncoder),
    ...flags('Index', {
      output: {
        type: 'text',
        alias: 'o',
        required: true,
        describe: 'folder of the index; one that is there is brought up to date',
      },
      'only-words': { type: 'switch', default: false, describe: 'no vectors: search by words alone, without a model' },
      approximate: {
        type: 'switch',
        default: false,
        describe: 'also a graph of neighbours, for a hundred thousand passages and more',
      },
      metric: {
        type: 'choice',
        choices: ['cosine', 'dot', 'euclidean'],
        default: 'cosine',
        describe: 'how vectors are compared',
      },
      type: { type: 'choice', choices: ['float32', 'int8'], default: 'float32', describe: 'what a value is kept as' },
      rebuild: { type: 'switch', default: false, describe: 'makes an index that is there anew' },
    }),
    ...flags('Texts', {
      chunk: { type: 'number', min: 1, whole: true, default: 120, describe: 'words of a passage at most' },
      overlap: {
        type: 'number',
        min: 0,
        whole: true,
        default: 0,
        describe: 'words that a passage shares with the next',
      },
      field: { type: 'text', default: 'text', describe: 'the field of rows that holds the text' },
      'batch-size': {
        type: 'number',
        alias: 'b',
        min: 1,
        whole: true,
        default: 64,
        describe: 'texts of a run at most',
      },
      'skip-malformed': {
        type: 'switch',
        default: false,
        describe: 'leaves out files that can’t be read, and tells each',
      },
      json: { type: 'switch', default: false, describe: 'the result as JSON' },
    }),
    ...engineFlags,
    ...encoderTypeFlag,
  },
  examples: [
    ['index notes/ -o notes.index', 'all texts of a folder; run again, only what changed is read'],
    ['index papers.jsonl -o papers --field abstract', 'a row each, with its other fields to filter by'],
    ['search notes.index "how to bake bread"', 'then'],
  ],
  async run(a, io) {
    if (a.overlap >= a.chunk) throw usage(`--overlap is ${a.overlap}; needs less than --chunk, ${a.chunk}`);
    const files = indexFiles([...a.paths, ...a.rest]);
    const signal = io.interruptible();
    const { VectorIndex: Index } = await import('@brickwork/embedding');
    const isThere = existsSync(join(a.output, 'index.json'));
    let encoder = null;
    try {
      encoder = a.onlyWords ? null : await openEncoder(a, io, signal);
      const shape = {
        chunk: a.chunk,
        overlap: a.overlap,
        field: a.field,
        model: a.onlyWords ? null : await namedModel(a.model),
      };
      let index: VectorIndex;
      let old: VectorIndex | null = null;
      if (isThere && !a.rebuild) {
        index = old = await Index.open(a.output);
        const { chunk, overlap, field, model } = index.info as typeof shape;
        if (JSON.stringify({ chunk, overlap, field, model }) !== JSON.stringify(shape))
          throw new CliError(
            `${a.output} was made with other settings (${JSON.stringify({ chunk, overlap, field, model })}); needs the same ones, or --rebuild`,
          );
      } else
        index = Index.create({
          metric: a.metric,
          type: a.type,
          approximate: a.approximate,
          ...(encoder && { dimension: encoder.dimension }),
        });
      const built = await buildIndex(index, encoder, files, { ...a, signal }, io);
      if (!index.size) throw usage(`${[...a.paths, ...a.rest].join(', ')}: there is no text in it`);
      await index.save(a.output, { signal, info: { ...shape, files: built.stamps } });
      old?.close();
      const { added, removed, unchanged } = built;
      const size = index.size;
      if (a.json)
        await io.writeJson({ output: a.output, passages: size, added, removed, unchanged, files: built.files });
      else
        io.note(
          `${count(size)} passages of ${count(built.files)} files in ${a.output}: ${count(added)} new, ${count(removed)} taken out, ${count(unchanged)} as before`,
        );
    } finally {
      await encoder?.dispose();
    }
  },
};

// A folder by where it is, so that the index works from anywhere; models that ship and those of the hub by their names.
async function namedModel(model: string): Promise<string> {
  const { findModel } = await import('../lib/model-folder.ts');
  const isHere = existsSync(join(model, 'config.json')) || existsSync(join(model, 'modules.json'));
  return isHere && findModel(model) === model && !model.startsWith('models/') ? resolve(model) : model;
}
