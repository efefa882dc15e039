// lm export: a model as ONNX, for other engines, with what they need beside it.
import { join } from 'node:path';
import { adapterFlag, openAdapter } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { openAnyModel } from '../lib/open-any-model.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { checkOutFolder } from '../lib/out-folder.ts';
import { patterns } from '../lib/patterns.ts';
import { bytes } from '../lib/progress.ts';

interface Args extends ModelArgs {
  readonly adapter?: string;
  readonly adapterInputs: boolean;
  readonly out: string;
  readonly dtype: 'fp32' | 'fp16' | 'int8' | 'int4';
  readonly opset?: number;
  readonly blockSize?: string;
  readonly keep?: readonly string[];
  readonly check: boolean;
  readonly triton?: string;
  readonly json: boolean;
}

/** `lm export`. */
export const exportCommand: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...adapterFlag,
    ...flags('Export', {
      out: {
        type: 'text',
        alias: 'o',
        required: true,
        describe: 'folder for config.json, tokenizer and onnx/model.onnx',
      },
      dtype: {
        type: 'choice',
        choices: ['fp32', 'fp16', 'int8', 'int4'],
        default: 'fp32',
        describe: 'how it computes (fp16) or holds its weights (int8, int4)',
      },
      opset: {
        type: 'number',
        min: 17,
        max: 23,
        whole: true,
        describe: 'version of the standard operators; 20 unless given',
      },
      'block-size': {
        type: 'choice',
        choices: ['16', '32', '64', '128'],
        describe: 'weights that share a scale where they have few bits (32 unless given)',
      },
      keep: {
        type: 'texts',
        describe: 'weights whose names hold this text stay in float32; may be given several times',
      },
      'adapter-inputs': {
        type: 'switch',
        default: false,
        describe: 'the adapter’s values are inputs of the file instead of part of it',
      },
      check: {
        type: 'switch',
        default: true,
        describe: 'compare what was written with the model; --no-check to leave it',
      },
      triton: {
        type: 'text',
        describe: 'also a model repository for Triton Inference Server, in this folder',
      },
      json: { type: 'switch', default: false, describe: 'what was written, as JSON' },
    }),
  },
  examples: [
    ['export -m models/shakespeare -o exported', 'for transformers.js, Optimum and ONNX Runtime anywhere'],
    ['export -m gpt2 -o exported --dtype int4', 'weights of 4 bits, beside the others'],
    ['export -m gpt2 --adapter my-lora -o exported', 'with an adapter inside'],
    ['export -m models/spam -o exported --triton repository', 'for a cluster'],
  ],
  async run(a, io) {
    checkOutFolder(a.out);
    if (a.adapterInputs && a.adapter === undefined) throw usage('--adapter-inputs: there is no --adapter');
    const signal = io.interruptible();
    const keep = patterns(a.keep);
    const model = await openAnyModel(a, io, signal);
    const { exportModel } = await import('@brickwork/transformer');
    const own = a.adapterInputs ? (await openAdapter(a.adapter!, signal)).tensors : new Map<string, unknown>();
    try {
      io.note(`exporting ${model.className} in ${a.dtype} …`);
      const made = await exportModel(model, a.out, {
        dtype: a.dtype,
        check: a.check,
        keep,
        weightInputs: (name) => own.has(name),
        signal,
        ...(a.opset !== undefined && { opset: a.opset }),
        ...(a.blockSize !== undefined && { blockSize: Number(a.blockSize) as 32 }),
      });
      if (a.triton !== undefined) {
        const { writeTriton } = await import('../lib/write-triton.ts');
        for (const one of made.files) io.note(`Triton: ${await writeTriton(a.triton, a.out, one)}`);
      }
      if (a.json) return await io.writeJson(made);
      for (const { file, bytes: size } of made.files) await io.write(`${file}  ${bytes(size)}\n`);
      if (made.check)
        io.note(
          `compared with the model: largest difference ${made.check.difference.toExponential(1)} of the largest value; ${made.check.tolerance} is allowed for ${a.dtype}`,
        );
      io.note(`beside it: ${join(a.out, 'config.json')} and the tokenizer`);
      return undefined;
    } finally {
      await model.dispose();
    }
  },
};
