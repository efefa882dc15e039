// ResNet (He et al., 2016) with torchvision's names: conv1, layer1.0.conv1, …, fc. It is the network of `resnet.ts`, which has
// Hugging Face's; checkpoints of either kind are read by the one that was made for them.
import { add, relu, type Tensor } from '@brickwork/graph';
import { Linear, Sequential, type Context, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';
import { classifierOutputs, classLabels, type Labels, type Tensors } from '@brickwork/transformer';
import { AdaptiveAvgPool2d } from '../adaptive-avg-pool-2d.ts';
import { BatchNorm2d, bufferOutputs } from '../batch-norm-2d.ts';
import { Conv2d, heNormal } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { MaxPool2d } from '../max-pool-2d.ts';

/** Which of the family. */
export interface TorchvisionResNetOptions {
  /** Layers with weights: 18, 34, 50 (unless given), 101 or 152. */
  readonly depth?: number;
  /** How many labels; 1000 unless given. */
  readonly labels?: number;
}

// The paper's table 1: blocks of each stage.
const blocks: Readonly<Record<number, readonly number[]>> = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
};

const conv = (inputs: number, outputs: number, kernel: 1 | 3 | 7, stride = 1): Conv2d =>
  new Conv2d(inputs, outputs, kernel, { stride, padding: kernel >> 1, bias: false, weight: heNormal });

// Two convolutions of 3 by 3.
class BasicBlock {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Sequential | null;
  constructor(inputs: number, outputs: number, stride: number) {
    this.conv1 = conv(inputs, outputs, 3, stride);
    this.bn1 = new BatchNorm2d(outputs);
    this.conv2 = conv(outputs, outputs, 3);
    this.bn2 = new BatchNorm2d(outputs);
    this.downsample = downsample(inputs, outputs, stride);
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const y = relu(this.bn1.forward(this.conv1.forward(x), ctx));
    return relu(add(this.bn2.forward(this.conv2.forward(y), ctx), this.downsample?.forward(x, ctx) ?? x));
  }
}

// 1 by 1, 3 by 3, which takes the stride as torchvision's does, 1 by 1.
class Bottleneck {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Sequential | null;
  constructor(inputs: number, outputs: number, stride: number) {
    const narrow = outputs / 4;
    this.conv1 = conv(inputs, narrow, 1);
    this.bn1 = new BatchNorm2d(narrow);
    this.conv2 = conv(narrow, narrow, 3, stride);
    this.bn2 = new BatchNorm2d(narrow);
    this.conv3 = conv(narrow, outputs, 1);
    this.bn3 = new BatchNorm2d(outputs);
    this.downsample = downsample(inputs, outputs, stride);
  }
  forward(x: Tensor, ctx: Context): Tensor {
    let y = relu(this.bn1.forward(this.conv1.forward(x), ctx));
    y = relu(this.bn2.forward(this.conv2.forward(y), ctx));
    return relu(add(this.bn3.forward(this.conv3.forward(y), ctx), this.downsample?.forward(x, ctx) ?? x));
  }
}

// Brings a block's input to the shape of its result, where that is another.
const downsample = (inputs: number, outputs: number, stride: number): Sequential | null =>
  inputs === outputs && stride === 1
    ? null
    : new Sequential(conv(inputs, outputs, 1, stride), new BatchNorm2d(outputs));

/** ResNet-18, -34, -50, -101 or -152 for images of any size from 32 by 32 on, with torchvision's names. */
export class TorchvisionResNet implements Network {
  readonly config: { readonly depth: number; readonly labels: Labels };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly fc: Linear;
  constructor({ depth = 50, labels = 1000 }: TorchvisionResNetOptions = {}) {
    const counts = blocks[depth];
    if (!counts)
      throw new Error(`TorchvisionResNet: the depth is ${depth}; known are ${Object.keys(blocks).join(', ')}`);
    this.config = { depth, labels: { count: labels, problemType: 'single_label_classification' } };
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', 3, 'H', 'W'] },
      labels: classLabels(this.config.labels),
    };
    const Block = depth < 50 ? BasicBlock : Bottleneck;
    const wider = depth < 50 ? 1 : 4;
    const stage = (i: number): Sequential => {
      const outputs = 64 * 2 ** i * wider;
      const inputs = i ? outputs / 2 : 64;
      return new Sequential(
        ...Array.from({ length: counts[i]! }, (_, k) =>
          k ? new Block(outputs, outputs, 1) : new Block(inputs, outputs, i ? 2 : 1),
        ),
      );
    };
    this.conv1 = conv(3, 64, 7, 2);
    this.bn1 = new BatchNorm2d(64);
    this.layer1 = stage(0);
    this.layer2 = stage(1);
    this.layer3 = stage(2);
    this.layer4 = stage(3);
    this.fc = new Linear(512 * wider, labels);
  }
  trace({ pixel_values: pixels, labels }: Tensors, ctx: Context): Outputs {
    let x = relu(this.bn1.forward(this.conv1.forward(pixels!), ctx)); // (B, 64, H/2, W/2)
    x = new MaxPool2d(3, { stride: 2, padding: 1 }).forward(x);
    x = this.layer1.forward(x, ctx);
    x = this.layer2.forward(x, ctx); // (B, ., H/8, W/8)
    x = this.layer3.forward(x, ctx);
    x = this.layer4.forward(x, ctx); // (B, ., H/32, W/32)
    const score = (): Tensor => this.fc.forward(new Flatten().forward(new AdaptiveAvgPool2d(1).forward(x)), ctx);
    return { ...classifierOutputs(score, labels, this.config.labels), ...bufferOutputs(this, ctx) };
  }
}
