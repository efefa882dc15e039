// AlexNet (Krizhevsky et al., 2012), which began the deep networks for photographs: as it was published, in two groups and
// with local response normalisation, and as torchvision has it (Krizhevsky, 2014), in one and without.
import type { Tensor } from '@brickwork/graph';
import { Dropout, Linear, normal, ReLU, Sequential } from '@brickwork/nn';
import type { Context, Network, NetworkInput, Outputs } from '@brickwork/nn';
import { classifierOutputs, classLabels, type Labels, type Tensors } from '@brickwork/transformer';
import { AdaptiveAvgPool2d } from '../adaptive-avg-pool-2d.ts';
import { Conv2d } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { LocalResponseNorm } from '../local-response-norm.ts';
import { MaxPool2d } from '../max-pool-2d.ts';

/** Which AlexNet, and for what. */
export interface AlexNetOptions {
  /** The one of 2012, or torchvision's; torchvision's unless given. */
  readonly version?: '2012' | 'torchvision';
  /** How many labels; 1000 unless given. */
  readonly labels?: number;
  /** Probability with which an input of the large layers is dropped while training; 0.5 unless given. */
  readonly dropout?: number;
}

const pool = (): MaxPool2d => new MaxPool2d(3, { stride: 2 });

const torchvision = (): Sequential =>
  new Sequential(
    new Conv2d(3, 64, 11, { stride: 4, padding: 2 }), // (B, 64, 55, 55)
    new ReLU(),
    pool(), // (B, 64, 27, 27)
    new Conv2d(64, 192, 5, { padding: 2 }),
    new ReLU(),
    pool(), // (B, 192, 13, 13)
    new Conv2d(192, 384, 3, { padding: 1 }),
    new ReLU(),
    new Conv2d(384, 256, 3, { padding: 1 }),
    new ReLU(),
    new Conv2d(256, 256, 3, { padding: 1 }),
    new ReLU(),
    pool(), // (B, 256, 6, 6)
  );

// x / (2 + 1e-4 · sum of x² over 5 channels)^0.75, the paper's section 3.3; the operator takes the mean of the squares.
const normalize = (): LocalResponseNorm => new LocalResponseNorm(5, { alpha: 5e-4, beta: 0.75, bias: 2 });

// Each group stood on a graphics card of its own; they met in the third convolution and in the large layers.
function original(): Sequential {
  const weight = normal(0.01);
  return new Sequential(
    new Conv2d(3, 96, 11, { stride: 4, padding: 2, weight }), // (B, 96, 55, 55)
    new ReLU(),
    normalize(),
    pool(), // (B, 96, 27, 27)
    new Conv2d(96, 256, 5, { padding: 2, groups: 2, weight }),
    new ReLU(),
    normalize(),
    pool(), // (B, 256, 13, 13)
    new Conv2d(256, 384, 3, { padding: 1, weight }),
    new ReLU(),
    new Conv2d(384, 384, 3, { padding: 1, groups: 2, weight }),
    new ReLU(),
    new Conv2d(384, 256, 3, { padding: 1, groups: 2, weight }),
    new ReLU(),
    pool(), // (B, 256, 6, 6)
  );
}

/** AlexNet for images of 224 by 224 pixels, with torchvision's names. */
export class AlexNet implements Network {
  readonly config: Required<Omit<AlexNetOptions, 'labels'>> & { readonly labels: Labels };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly features: Sequential;
  readonly classifier: Sequential;
  constructor({ version = 'torchvision', labels = 1000, dropout = 0.5 }: AlexNetOptions = {}) {
    if (version !== 'torchvision' && version !== '2012')
      throw new Error(`AlexNet: the version is ${JSON.stringify(version)}; known are '2012' and 'torchvision'`);
    this.config = { version, dropout, labels: { count: labels, problemType: 'single_label_classification' } };
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', 3, 224, 224] },
      labels: classLabels(this.config.labels),
    };
    const weight = version === '2012' ? { weight: normal(0.01) } : {};
    this.features = version === '2012' ? original() : torchvision();
    this.classifier = new Sequential(
      new Dropout(dropout),
      new Linear(256 * 6 * 6, 4096, weight),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096, weight),
      new ReLU(),
      new Linear(4096, labels, weight),
    );
  }
  trace({ pixel_values: pixels, labels }: Tensors, ctx: Context): Outputs {
    const score = (): Tensor => {
      const x = new AdaptiveAvgPool2d(6).forward(this.features.forward(pixels!, ctx)); // (B, 256, 6, 6)
      return this.classifier.forward(new Flatten().forward(x), ctx);
    };
    return classifierOutputs(score, labels, this.config.labels);
  }
}
