// A small network as the lecture draws it: convolution, batch norm, ReLU and pooling, again and again; then one linear layer.
import type { Tensor } from '@brickwork/graph';
import { Dropout, Linear, ReLU, Sequential, type Step } from '@brickwork/nn';
import type { Context, Network, NetworkInput, Outputs } from '@brickwork/nn';
import { classifierOutputs, classLabels, type Labels, type Tensors } from '@brickwork/transformer';
import { BatchNorm2d, bufferOutputs } from '../batch-norm-2d.ts';
import { Conv2d, heNormal } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { MaxPool2d } from '../max-pool-2d.ts';

/** How large it is. */
export interface ConvNetOptions {
  /** Pixels of each side; 32 unless given. */
  readonly size?: number;
  /** Of the images: 1 or 3 (unless given). */
  readonly inputs?: number;
  /** Of each convolution; [32, 64, 128] unless given. */
  readonly channels?: readonly number[];
  /** How many labels; 10 unless given. */
  readonly labels?: number;
  /** Batch norm after each convolution; true unless given. */
  readonly batchNorm?: boolean;
  /** Probability with which an input of the linear layer is dropped while training; 0 unless given. */
  readonly dropout?: number;
}

/** Convolutions of 3 by 3, each followed by pooling that halves the image, and a linear layer. */
export class ConvNet implements Network {
  readonly config: Required<Omit<ConvNetOptions, 'labels'>> & { readonly labels: Labels };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly features: Sequential;
  readonly classifier: Sequential;
  constructor(o: ConvNetOptions = {}) {
    const { size = 32, inputs = 3, channels = [32, 64, 128], labels = 10, batchNorm = true, dropout = 0 } = o;
    const left = Math.floor(size / 2 ** channels.length);
    if (!channels.length || left < 1)
      throw new Error(
        `ConvNet: ${channels.length} convolutions for ${size} by ${size} pixels, each of which halves them; needs fewer, and one at least`,
      );
    this.config = {
      ...{ size, inputs, channels, batchNorm, dropout },
      labels: { count: labels, problemType: 'single_label_classification' },
    };
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', inputs, size, size] },
      labels: classLabels(this.config.labels),
    };
    const steps: Step[] = [];
    channels.forEach((outputs, i) => {
      steps.push(
        new Conv2d(i ? channels[i - 1]! : inputs, outputs, 3, { padding: 1, bias: !batchNorm, weight: heNormal }),
      );
      if (batchNorm) steps.push(new BatchNorm2d(outputs));
      steps.push(new ReLU(), new MaxPool2d(2));
    });
    this.features = new Sequential(...steps);
    this.classifier = new Sequential(
      new Flatten(),
      new Dropout(dropout),
      new Linear(channels.at(-1)! * left * left, labels),
    );
  }
  trace({ pixel_values: pixels, labels }: Tensors, ctx: Context): Outputs {
    const score = (): Tensor => this.classifier.forward(this.features.forward(pixels!, ctx), ctx);
    return { ...classifierOutputs(score, labels, this.config.labels), ...bufferOutputs(this, ctx) };
  }
}
