// What a model's files say that it is made of, without reading its weights.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor } from '@brickwork/graph';
import { brickRows, sizeOf, type BrickRow, type WeightShape } from './bricks.ts';
import { CliError } from './errors.ts';

/** A model, a file of weights or a graph, looked at. */
export interface Inspection {
  readonly kind: 'model' | 'safetensors' | 'onnx';
  /** config.json; of other files, what they say about themselves. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly bricks: readonly BrickRow[];
  readonly weights: readonly WeightShape[];
  readonly parameters: number;
  /** Bytes by what they are for. */
  readonly memory: Readonly<Record<string, number>>;
  /** More about graphs. */
  readonly graph?: {
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly operators: Readonly<Record<string, number>>;
  };
  /** The graph of one pass; null where there is none. */
  trace(): Readonly<Record<string, Tensor>> | null;
}

/** A folder in the Hugging Face layout. Memory is for float32. */
export async function inspectFolder(folder: string): Promise<Inspection> {
  const [{ architectures, buildNetwork, isCausalLM, nameInModel }, { evaluating, parameters }, { input }] =
    await Promise.all([import('@brickwork/transformer'), import('@brickwork/nn'), import('@brickwork/graph')]);
  const config = await readConfig(join(folder, 'config.json'));
  const { visionArchitectures } = await import('@brickwork/vision');
  const { network, architecture } = buildNetwork(config, { ...architectures, ...visionArchitectures });
  const weights = [...parameters(network)].map(([name, p]): WeightShape => {
    return { name, shape: p.shape as readonly number[], dtype: p.dtype };
  });
  const known = parameters(network);
  await compare(folder, config, weights, (name) => nameInModel(name, known, architecture));
  const total = totalOf(weights);
  const perToken = isCausalLM(network) ? 2 * 4 * network.layers * network.cacheHeads * network.headWidth : 0;
  return {
    kind: 'model',
    config,
    weights,
    bricks: brickRows(weights),
    parameters: total,
    memory: {
      weights: 4 * total,
      training: 16 * total,
      ...(isCausalLM(network) && { cachePerToken: perToken, cacheOfContext: perToken * network.contextLength }),
    },
    trace() {
      const needed = Object.entries(network.inputs).filter(([, { optional }]) => !optional);
      const inputs = needed.map(([name, { shape, dtype }]) => [name, input(name, shape, dtype)] as const);
      const outputs = network.trace(Object.fromEntries(inputs), evaluating());
      const [name, result] = Object.entries(outputs)[0]!;
      return { [name]: result() };
    },
  };
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CliError(`${path}: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CliError(`${path} is not a JSON object`);
  return value as Record<string, unknown>;
}

// The names and shapes in the file are those of the config's model, as loading it would find.
async function compare(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  weights: readonly WeightShape[],
  nameHere: (name: string) => string | null,
): Promise<void> {
  const path = join(folder, 'model.safetensors');
  if (!existsSync(path)) return;
  const { blocksConfig, readSafetensorsHeader } = await import('@brickwork/runtime');
  const found = new Map<string | null, readonly number[]>();
  const inBlocks = blocksConfig(config)?.weights ?? {};
  for (const [name, { shape }] of (await readSafetensorsHeader(path)).tensors)
    found.set(nameHere(name), inBlocks[name]?.shape ?? shape);
  for (const { name, shape } of weights) {
    const there = found.get(name);
    if (there?.join() !== shape.join())
      throw new CliError(
        `${path}: ${name} is ${there ? `(${there.join(', ')})` : 'missing'}, but config.json says (${shape.join(', ')})`,
      );
  }
}

/** The header of a safetensors file. */
export async function inspectSafetensors(path: string): Promise<Inspection> {
  const { readSafetensorsHeader } = await import('@brickwork/runtime');
  const { tensors, metadata } = await readSafetensorsHeader(path);
  const weights = [...tensors].map(([name, { shape, dtype }]): WeightShape => ({ name, shape, dtype }));
  const bytes = [...tensors.values()].reduce((n, { begin, end }) => n + end - begin, 0);
  return {
    kind: 'safetensors',
    config: metadata,
    weights,
    bricks: brickRows(weights),
    parameters: totalOf(weights),
    memory: { weights: bytes },
    trace: () => null,
  };
}

/** An ONNX model. Its weights are the constants that it holds. */
export async function inspectOnnx(path: string): Promise<Inspection> {
  const { fromOnnx, topologicalOrder, typeOf } = await import('@brickwork/graph');
  const { inputs, outputs, opset, name, metadata } = fromOnnx(path);
  const nodes = topologicalOrder(Object.values(outputs));
  const operators: Record<string, number> = {};
  const constants = new Set<Tensor>();
  for (const node of nodes) {
    operators[node.op.name] = (operators[node.op.name] ?? 0) + 1;
    for (const x of node.inputs) if (x.data) constants.add(x);
  }
  const weights = [...constants].map((x, i): WeightShape => {
    return { name: x.name ?? `constant_${i}`, shape: x.shape as readonly number[], dtype: x.dtype };
  });
  return {
    kind: 'onnx',
    config: { name, opset, ...metadata },
    weights,
    bricks: brickRows(weights),
    parameters: totalOf(weights),
    memory: { weights: [...constants].reduce((n, { data }) => n + data!.byteLength, 0) },
    graph: {
      inputs: inputs.map((x) => `${x.name} ${typeOf(x)}`),
      outputs: Object.entries(outputs).map(([key, x]) => `${key} ${typeOf(x)}`),
      operators: Object.fromEntries(Object.entries(operators).sort(([, a], [, b]) => b - a)),
    },
    trace: () => outputs,
  };
}

const totalOf = (weights: readonly WeightShape[]): number => weights.reduce((n, { shape }) => n + sizeOf(shape), 0);
