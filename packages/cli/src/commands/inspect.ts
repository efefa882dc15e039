// lm inspect: what a model is made of.
import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { graphFormat, graphText } from '../lib/graph-text.ts';
import { inspectFolder, inspectOnnx, inspectSafetensors, type Inspection } from '../lib/inspect-model.ts';
import { modelFlag, modelFolder } from '../lib/model-folder.ts';
import { showInspection } from '../lib/show-inspection.ts';

interface Args extends EngineArgs {
  readonly path?: string;
  readonly model: string;
  readonly graph?: string;
  readonly depth?: number;
  readonly placement: boolean;
  readonly json: boolean;
}

/** `lm inspect`. */
export const inspect: Command<Args> = {
  positionals: {
    path: { type: 'string', describe: 'a model’s folder, a .safetensors file or an .onnx file; as -m unless given' },
  },
  flags: {
    ...flags('Flags', {
      model: modelFlag,
      graph: {
        type: 'text',
        alias: 'g',
        describe: 'write the graph of one pass to this file: .txt, .mmd (Mermaid) or .dot (Graphviz); - prints it',
      },
      depth: {
        type: 'number',
        min: 1,
        whole: true,
        describe: 'in pictures: how many parts of a brick’s path get a box of their own',
      },
      placement: {
        type: 'switch',
        default: false,
        describe: 'run one pass, and tell where each operator ran and how long it took',
      },
      json: { type: 'switch', default: false, describe: 'as JSON, with every weight' },
    }),
    ...engineFlags,
  },
  examples: [
    ['inspect', 'the model that ships'],
    ['inspect my-model --graph graph.mmd', 'and its graph, as GitHub draws it'],
    ['inspect my-model --graph -', 'the graph as text'],
    ['inspect model.onnx', 'any ONNX model'],
    ['inspect my-model --placement --device webgpu', 'which operators the GPU has no kernel for'],
  ],
  async run(a, io) {
    if (a.placement) {
      const { showPlacement } = await import('../lib/placement.ts');
      return await showPlacement(a.path ?? a.rest[0] ?? a.model, a, io);
    }
    const format = a.graph === undefined ? null : graphFormat(a.graph);
    const found = await look(a.path ?? a.rest[0] ?? a.model);
    if (format !== null) {
      const outputs = found.trace();
      if (!outputs) throw usage('--graph: a file of weights has no graph', 'the folder that it is in');
      const text = await graphText(format, outputs, a.depth);
      if (a.graph === '-') return await io.write(text);
      const { writeFileAtomic } = await import('@brickwork/runtime');
      await writeFileAtomic(a.graph!, text);
      io.note(`graph: ${a.graph}`);
    }
    const { kind, config, bricks, weights, parameters, memory, graph } = found;
    if (a.json) await io.writeJson({ kind, config, parameters, memory, bricks, weights, ...(graph ? { graph } : {}) });
    else await io.write(showInspection(found));
    return undefined;
  },
};

async function look(path: string): Promise<Inspection> {
  const isFile = existsSync(path) && statSync(path).isFile();
  const type = extname(path).toLowerCase();
  if (isFile && type === '.onnx') return await inspectOnnx(path);
  if (isFile && type === '.safetensors') return await inspectSafetensors(path);
  return await inspectFolder(modelFolder(path));
}
