// SimCLR (Chen et al., 2020): a network learns to tell that two versions of an image are one, without being told what it shows.
import { constant, matmul, sub, type Tensor } from '@brickwork/graph';
import {
  crossEntropy,
  Linear,
  ReLU,
  Sequential,
  type Context,
  type Network,
  type NetworkInput,
  type Outputs,
} from '@brickwork/nn';
import { once, type Tensors } from '@brickwork/transformer';
import { unit } from '@brickwork/training';
import type { Transform } from '../transforms/transform.ts';
import { lastHidden, transferred } from './last-hidden.ts';

/**
 * The normalised, temperature-scaled cross-entropy of finding each image's other version among all of the batch's: rows are
 * B first versions, then B second ones, (2B, C). The mean over all 2B, in nats.
 */
export function ntXent(x: Tensor, temperature = 0.5): Tensor {
  if (!(temperature > 0)) throw new Error(`ntXent: temperature is ${temperature}; needs a number above 0`);
  const rows = x.shape[0];
  if (typeof rows !== 'number' || rows % 2 || rows < 4)
    throw new Error(`ntXent: ${String(rows)} rows; needs two versions of two images at least`);
  const z = unit(x);
  const similar = matmul(z, z, { transB: true, alpha: 1 / temperature }); // (2B, 2B)
  // An image isn't its own other version.
  const self = new Float32Array(rows * rows);
  for (let i = 0; i < rows; i++) self[i * rows + i] = 1e9;
  const others = BigInt64Array.from({ length: rows }, (_, i) => BigInt((i + rows / 2) % rows));
  return crossEntropy(sub(similar, constant(self, [rows, rows])), constant(others, [rows]));
}

/** The projection and the loss. */
export interface SimCLROptions {
  /** Width of the projection's hidden layer; that of its input unless given. */
  readonly hidden?: number;
  /** Width of what is compared; 128 unless given. */
  readonly projection?: number;
  /** 0.5 unless given. */
  readonly temperature?: number;
}

/**
 * A classifier's body with a projection of two layers in place of its head, which is thrown away after training. It takes
 * `pixel_values` (2B, C, H, W), first versions before second ones: batches of `imageBatches` with `views: 2`. Its parameters
 * are the classifier's, under their names, and `projector.…`: what was learned is the classifier's to go on with.
 */
export class SimCLR implements Network {
  readonly config: Required<SimCLROptions>;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly projector: Sequential;
  readonly #body: Network;
  /** @param width of the classifier's last hidden layer, see {@link lastHidden} */
  constructor(body: Network, width: number, o: SimCLROptions = {}) {
    const { hidden = width, projection = 128, temperature = 0.5 } = o;
    Object.assign(this, body);
    this.#body = body;
    this.config = { hidden, projection, temperature };
    this.inputs = { pixel_values: body.inputs['pixel_values']! };
    this.projector = new Sequential(new Linear(width, hidden), new ReLU(), new Linear(hidden, projection));
  }
  trace({ pixel_values: pixels }: Tensors, ctx: Context): Outputs {
    const outputs = this.#body.trace({ pixel_values: pixels! }, ctx);
    const features = once(() => lastHidden(outputs['logits']!())); // (2B, width)
    const projections = once(() => this.projector.forward(features(), ctx));
    const buffers = Object.entries(outputs).filter(([name]) => name.startsWith('buffers.'));
    return {
      features,
      projections,
      loss: () => ntXent(projections(), this.config.temperature),
      ...Object.fromEntries(buffers),
    };
  }
  /** Which parameters learn, for `trainNetwork`'s `trains`: all but the classifier's own last layer, which isn't in the loss. */
  trains(): (name: string) => boolean {
    const isHead = transferred(this.#body, 'head');
    return (name) => !isHead(name);
  }
}

/** SimCLR's versions of images of `size` pixels; without blur where they are small, as the paper has it for CIFAR. */
export function simCLRTransforms(
  size: number,
  { strength = size <= 64 ? 0.5 : 1 }: { readonly strength?: number } = {},
): Transform[] {
  const s = strength;
  return [
    { type: 'randomResizedCrop', size },
    { type: 'flip' },
    {
      type: 'colorJitter',
      brightness: 0.8 * s,
      contrast: 0.8 * s,
      saturation: 0.8 * s,
      hue: Math.min(0.5, 0.2 * s),
      probability: 0.8,
    },
    { type: 'grayscale', probability: 0.2 },
    ...(size > 64 ? [{ type: 'blur' } as const] : []),
  ];
}
