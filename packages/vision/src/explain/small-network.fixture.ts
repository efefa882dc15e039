// A small classifier of 1 by 12 by 12 images for tests: two convolutions, pooling, a linear layer.
import {
  Linear,
  ReLU,
  Sequential,
  initialize,
  type Context,
  type Network,
  type NetworkInput,
  type Outputs,
} from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { Tensor } from '@brickwork/graph';
import { Conv2d } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { MaxPool2d } from '../max-pool-2d.ts';
import { ImageClassifier } from './image-classifier.ts';

/** Any steps as a classifier. */
export class Steps implements Network {
  readonly config = {};
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly steps: Sequential;
  constructor(image: readonly number[], steps: Sequential) {
    this.inputs = { pixel_values: { dtype: 'float32', shape: ['B', ...image] } };
    this.steps = steps;
  }
  trace({ pixel_values: pixels }: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return { logits: () => this.steps.forward(pixels!, ctx) };
  }
}

/** The network with random weights. */
export function smallClassifier(seed = 1): ImageClassifier {
  const network = new Steps(
    [1, 12, 12],
    new Sequential(
      new Conv2d(1, 4, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(4, 6, 3),
      new ReLU(),
      new Flatten(),
      new Linear(96, 3),
    ),
  );
  return new ImageClassifier({ network, weights: weightsOf(network, seed) });
}

/** First weights as a network's. */
export const weightsOf = (network: Network, seed: number): Map<string, HostTensor> =>
  new Map([...initialize(network, seed)].map(([name, { data, shape }]) => [name, hostTensor(data, shape)]));

/** Images of values in [0, 1). */
export function images(B: number, shape: readonly number[], draw: () => number): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return hostTensor(Float32Array.from({ length: B * size }, draw), [B, ...shape]);
}
