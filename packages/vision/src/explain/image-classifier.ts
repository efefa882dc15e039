// A classifier of images with what is needed to look inside: graphs that begin at its pixels, compiled once for each shape.
import { input, stopGradient, sum, gatherElements, unsqueeze, type Tensor } from '@brickwork/graph';
import { evaluating, parameters, type Network, type Outputs } from '@brickwork/nn';
import { compile, hostTensor, type CompileOptions, type HostTensor, type Program } from '@brickwork/runtime';
import { layerTensors } from './layer-tensors.ts';

/** A network with its weights; a `Model` is one. */
export interface ImageClassifierParts {
  readonly network: Network;
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly compileOptions?: CompileOptions;
}

/** A classifier's graph on images of one shape. */
export interface TracedImages {
  /** (B, C, H, W). */
  readonly pixels: Tensor;
  /** (B, classes). */
  readonly logits: Tensor;
  readonly outputs: Outputs;
  /** See {@link layerTensors}. */
  readonly layers: ReadonlyMap<string, Tensor>;
}

/** What a class scored, of each image of a batch. */
export interface Scores {
  readonly logits: Float32Array[];
  readonly probabilities: Float32Array[];
  /** The class with the highest logit, the first of several. */
  readonly predicted: number[];
}

/** Which class of each image is meant: one number for all of them, or one each. */
export type Targets = number | readonly number[];

/** An image classifier that can be explained, and attacked. Nothing is random: dropout is off, batch norm has its own numbers. */
export class ImageClassifier {
  readonly network: Network;
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly #compile: CompileOptions;
  readonly #programs = new Map<string, Promise<Program>>();

  /** @throws where the network takes no images. */
  constructor({ network, weights, compileOptions = {} }: ImageClassifierParts) {
    if (!network.inputs['pixel_values'])
      throw new Error(
        `ImageClassifier: the network takes ${Object.keys(network.inputs).join(', ')}; needs one with pixel_values`,
      );
    parameters(network); // names them
    this.network = network;
    this.weights = weights;
    this.#compile = compileOptions;
  }

  /** The names of the layers that can be looked at, first to last, for images of a shape (C, H, W). */
  layers(shape: readonly number[] = this.#usualShape()): string[] {
    return [...this.trace([1, ...shape]).layers.keys()];
  }

  /** Traces the network on images (B, C, H, W). @throws where it isn't a classifier, or takes other images. */
  trace(shape: readonly number[]): TracedImages {
    const known = this.network.inputs['pixel_values']!.shape;
    if (shape.length !== 4 || known.some((d, i) => typeof d === 'number' && d !== shape[i]))
      throw new Error(`the images are (${shape.join(', ')}); the network needs (${known.join(', ')})`);
    const pixels = input('pixel_values', shape);
    const outputs = this.network.trace({ pixel_values: pixels }, evaluating());
    if (!outputs['logits'])
      throw new Error(`the network gives ${Object.keys(outputs).join(', ')}; needs a classifier, which gives logits`);
    const logits = outputs['logits']();
    if (logits.rank !== 2) throw new Error(`the network's logits are (${logits.shape.join(', ')}); needs (B, classes)`);
    return { pixels, logits, outputs, layers: layerTensors(logits) };
  }

  /**
   * Runs what `build` makes of the traced network. It is compiled once for each `key` and shape of images.
   *
   * @throws where the pixels aren't float32 images (B, C, H, W) that are finite.
   */
  async run(
    key: string,
    pixels: HostTensor,
    build: (traced: TracedImages) => Readonly<Record<string, Tensor>>,
    feeds: Readonly<Record<string, HostTensor>> = {},
  ): Promise<Record<string, HostTensor>> {
    checkPixels(pixels);
    const id = `${key} ${pixels.shape.join('x')}`;
    let program = this.#programs.get(id);
    if (!program) {
      program = this.#prepare(build(this.trace(pixels.shape)));
      this.#programs.set(id, program);
      program.catch(() => this.#programs.delete(id));
    }
    const compiled = await program;
    const needed = new Set(compiled.inputs.map(({ name }) => name));
    const own = Object.entries({ ...feeds, pixel_values: pixels }).filter(([name]) => needed.has(name));
    // Read at every run: training changes weights in place.
    const weights = [...this.weights].filter(([name]) => needed.has(name));
    return compiled.run(new Map([...weights, ...own]));
  }

  /** The logits and probabilities of each image. */
  async classify(pixels: HostTensor): Promise<Scores> {
    const { logits } = await this.run('logits', pixels, (traced) => ({ logits: traced.logits }));
    const B = pixels.shape[0]!;
    const V = logits!.data.length / (B || 1);
    const rows = Array.from({ length: B }, (_, b) => (logits!.data as Float32Array).slice(b * V, (b + 1) * V));
    return { logits: rows, probabilities: rows.map(softmax), predicted: rows.map(largest) };
  }

  /**
   * The classes that are meant, as numbers for each image; those that are predicted where none are given.
   *
   * @throws where there are too few, or no such class.
   */
  async targets(pixels: HostTensor, given?: Targets): Promise<number[]> {
    const { logits, predicted } = await this.classify(pixels);
    if (given === undefined) return predicted;
    const all = typeof given === 'number' ? predicted.map(() => given) : [...given];
    if (all.length !== predicted.length)
      throw new Error(
        `there are ${all.length} target classes for ${predicted.length} images; needs one each, or one number`,
      );
    const V = logits[0]?.length ?? 0;
    const wrong = all.find((target) => !(Number.isInteger(target) && target >= 0 && target < V));
    if (wrong !== undefined) throw new Error(`the target class is ${wrong}; the network tells 0 to ${V - 1} apart`);
    return all;
  }

  /** Frees the engine's memory. */
  async dispose(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const program of programs) await (await program).dispose();
  }

  async #prepare(graph: Readonly<Record<string, Tensor>>): Promise<Program> {
    return compile(graph, this.#compile);
  }

  #usualShape(): number[] {
    const shape = this.network.inputs['pixel_values']!.shape.slice(1);
    if (shape.every((d) => typeof d === 'number')) return shape as number[];
    return [typeof shape[0] === 'number' ? shape[0] : 3, 224, 224];
  }
}

/** int64 (B), as a graph takes the classes that are meant. */
export const targetInput = (pixels: Tensor): Tensor => input('targets', [pixels.shape[0]!], 'int64');

/** The values for {@link targetInput}. */
export const targetFeed = (targets: readonly number[]): HostTensor =>
  hostTensor(BigInt64Array.from(targets, BigInt), [targets.length]);

/** Of each row its target's value: (B). */
export const pick = (rows: Tensor, targets: Tensor): Tensor =>
  sum(gatherElements(rows, stopGradient(unsqueeze(targets, 1)), 1), [1]);

/** @throws where these aren't images. */
export function checkPixels(pixels: HostTensor): void {
  if (pixels.dtype !== 'float32' || pixels.shape.length !== 4)
    throw new Error(`the pixels are ${pixels.dtype} (${pixels.shape.join(', ')}); needs float32 (B, C, H, W)`);
  if (!pixels.data.length) throw new Error(`the pixels are (${pixels.shape.join(', ')}); needs an image at least`);
  const wrong = (pixels.data as Float32Array).findIndex((x) => !Number.isFinite(x));
  if (wrong >= 0) throw new Error(`the pixels have ${String(pixels.data[wrong])} at ${wrong}; needs finite numbers`);
}

/** Probabilities of logits. */
export function softmax(logits: Float32Array): Float32Array {
  const most = Math.max(...logits);
  const terms = Float64Array.from(logits, (x) => Math.exp(x - most));
  const total = terms.reduce((a, b) => a + b, 0);
  return Float32Array.from(terms, (x) => x / total);
}

/** Where the largest stands, the first of several. */
export function largest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
