// VGG (Simonyan and Zisserman, 2015): nothing but 3 by 3 convolutions, more of them than anyone had tried.
import type { Tensor } from '@brickwork/graph';
import { Dropout, Linear, normal, ReLU, Sequential, type Step } from '@brickwork/nn';
import type { Context, Network, NetworkInput, Outputs } from '@brickwork/nn';
import { classifierOutputs, classLabels, type Labels, type Tensors } from '@brickwork/transformer';
import { AdaptiveAvgPool2d } from '../adaptive-avg-pool-2d.ts';
import { BatchNorm2d, bufferOutputs } from '../batch-norm-2d.ts';
import { Conv2d, heNormal } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { MaxPool2d } from '../max-pool-2d.ts';

// Convolutions before each of five pools (the paper's table 1, columns A, B, D and E), and their channels.
const stages: Readonly<Record<number, readonly number[]>> = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
};
const channels = [64, 128, 256, 512, 512];

/** Which of the family, and for what. */
export interface VGGOptions {
  /** Layers with weights: 11, 13, 16 (unless given) or 19. */
  readonly depth?: number;
  /** How many labels; 1000 unless given. */
  readonly labels?: number;
  /** Batch norm after each convolution, as in torchvision's `_bn`; false unless given. */
  readonly batchNorm?: boolean;
  /** Probability with which a value between the large layers is dropped while training; 0.5 unless given. */
  readonly dropout?: number;
}

/** VGG for images of 224 by 224 pixels, with torchvision's names. */
export class VGG implements Network {
  readonly config: Required<Omit<VGGOptions, 'labels'>> & { readonly labels: Labels };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly features: Sequential;
  readonly classifier: Sequential;
  constructor({ depth = 16, labels = 1000, batchNorm = false, dropout = 0.5 }: VGGOptions = {}) {
    const counts = stages[depth];
    if (!counts) throw new Error(`VGG: the depth is ${depth}; known are ${Object.keys(stages).join(', ')}`);
    this.config = { depth, batchNorm, dropout, labels: { count: labels, problemType: 'single_label_classification' } };
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', 3, 224, 224] },
      labels: classLabels(this.config.labels),
    };
    const steps: Step[] = [];
    let inputs = 3;
    counts.forEach((count, stage) => {
      const outputs = channels[stage]!;
      for (let i = 0; i < count; i++) {
        steps.push(new Conv2d(inputs, outputs, 3, { padding: 1, weight: heNormal }));
        if (batchNorm) steps.push(new BatchNorm2d(outputs));
        steps.push(new ReLU());
        inputs = outputs;
      }
      steps.push(new MaxPool2d(2));
    });
    this.features = new Sequential(...steps);
    const weight = normal(0.01);
    this.classifier = new Sequential(
      new Linear(512 * 7 * 7, 4096, { weight }),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096, { weight }),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, labels, { weight }),
    );
  }
  trace({ pixel_values: pixels, labels }: Tensors, ctx: Context): Outputs {
    const features = this.features.forward(pixels!, ctx);
    const score = (): Tensor => {
      const x = new AdaptiveAvgPool2d(7).forward(features); // (B, 512, 7, 7)
      return this.classifier.forward(new Flatten().forward(x), ctx);
    };
    return { ...classifierOutputs(score, labels, this.config.labels), ...bufferOutputs(this, ctx) };
  }
}
