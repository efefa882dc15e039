// ResNet for the 32 by 32 images of CIFAR-10 (He et al., 2016, section 4.2): 6n + 2 layers, in three stages of n blocks.
// Where a stage halves the image and doubles the channels, the shortcut has no parameters (option A): every second pixel,
// with zeros as the new channels.
import { add, pad, relu, slice, type Tensor } from '@brickwork/graph';
import { Linear, Sequential, type Context, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';
import { classifierOutputs, classLabels, type Labels, type Tensors } from '@brickwork/transformer';
import { AdaptiveAvgPool2d } from '../adaptive-avg-pool-2d.ts';
import { BatchNorm2d, bufferOutputs } from '../batch-norm-2d.ts';
import { Conv2d, heNormal } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';

/** Which of the family. */
export interface CifarResNetOptions {
  /** 6n + 2; 20 unless given. */
  readonly depth?: number;
  /** How many labels; 10 unless given. */
  readonly labels?: number;
  /** Keeps `num_batches_tracked`, as PyTorch does since 0.4.1; true unless given. */
  readonly counted?: boolean;
}

const conv3 = (inputs: number, outputs: number, stride = 1): Conv2d =>
  new Conv2d(inputs, outputs, 3, { stride, padding: 1, bias: false, weight: heNormal });

class Block {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly #added: number;
  readonly #stride: number;
  constructor(inputs: number, outputs: number, { stride, counted }: { stride: number; counted: boolean }) {
    this.#added = outputs - inputs;
    this.#stride = stride;
    this.conv1 = conv3(inputs, outputs, stride);
    this.bn1 = new BatchNorm2d(outputs, { counted });
    this.conv2 = conv3(outputs, outputs);
    this.bn2 = new BatchNorm2d(outputs, { counted });
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const y = relu(this.bn1.forward(this.conv1.forward(x), ctx));
    return relu(add(this.bn2.forward(this.conv2.forward(y), ctx), this.#shortcut(x)));
  }
  #shortcut(x: Tensor): Tensor {
    if (!this.#added) return x;
    const s = this.#stride;
    const half = slice(slice(x, 2, 0, undefined, s), 3, 0, undefined, s); // (N, C, H/2, W/2)
    return pad(half, 1, this.#added / 2, this.#added / 2); // (N, 2 C, H/2, W/2)
  }
}

/** ResNet-20, -32, -44, -56, -110, … */
export class CifarResNet implements Network {
  readonly config: { readonly depth: number; readonly labels: Labels };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly linear: Linear;
  constructor({ depth = 20, labels = 10, counted = true }: CifarResNetOptions = {}) {
    const n = (depth - 2) / 6;
    if (!Number.isInteger(n) || n < 1)
      throw new Error(`CifarResNet: the depth is ${depth}; needs 6n + 2, such as 20, 32 or 56`);
    this.config = { depth, labels: { count: labels, problemType: 'single_label_classification' } };
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', 3, 32, 32] },
      labels: classLabels(this.config.labels),
    };
    const stage = (inputs: number, outputs: number, stride: number): Sequential =>
      new Sequential(
        ...Array.from({ length: n }, (_, i) =>
          i ? new Block(outputs, outputs, { stride: 1, counted }) : new Block(inputs, outputs, { stride, counted }),
        ),
      );
    this.conv1 = conv3(3, 16);
    this.bn1 = new BatchNorm2d(16, { counted });
    this.layer1 = stage(16, 16, 1);
    this.layer2 = stage(16, 32, 2);
    this.layer3 = stage(32, 64, 2);
    this.linear = new Linear(64, labels);
  }
  trace({ pixel_values: pixels, labels }: Tensors, ctx: Context): Outputs {
    let x = relu(this.bn1.forward(this.conv1.forward(pixels!), ctx)); // (B, 16, 32, 32)
    x = this.layer1.forward(x, ctx);
    x = this.layer2.forward(x, ctx); // (B, 32, 16, 16)
    x = this.layer3.forward(x, ctx); // (B, 64, 8, 8)
    const score = (): Tensor => this.linear.forward(new Flatten().forward(new AdaptiveAvgPool2d(1).forward(x)));
    return { ...classifierOutputs(score, labels, this.config.labels), ...bufferOutputs(this, ctx) };
  }
}
