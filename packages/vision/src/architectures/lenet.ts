// LeNet-5 (LeCun et al., 1998), the network that read cheques: in the form in which it is taught since, with plain average
// pooling, every map connected to every other, and a linear layer as its end.
import type { Tensor } from '@brickwork/graph';
import { Linear, Sequential, Tanh, type Context, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';
import { classifierOutputs, classLabels, type Labels, type Tensors } from '@brickwork/transformer';
import { AvgPool2d } from '../avg-pool-2d.ts';
import { Conv2d } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';

/** LeNet-5 for digits of 28 by 28 pixels, which it pads to the paper's 32 by 32. */
export class LeNet5 implements Network {
  readonly config: { readonly labels: Labels };
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly features: Sequential;
  readonly classifier: Sequential;
  constructor({ labels = 10 }: { readonly labels?: number } = {}) {
    this.config = { labels: { count: labels, problemType: 'single_label_classification' } };
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', 1, 28, 28] },
      labels: classLabels(this.config.labels),
    };
    this.features = new Sequential(
      new Conv2d(1, 6, 5, { padding: 2 }), // (B, 6, 28, 28)
      new Tanh(),
      new AvgPool2d(2), // (B, 6, 14, 14)
      new Conv2d(6, 16, 5), // (B, 16, 10, 10)
      new Tanh(),
      new AvgPool2d(2), // (B, 16, 5, 5)
    );
    this.classifier = new Sequential(
      new Flatten(),
      new Linear(400, 120),
      new Tanh(),
      new Linear(120, 84),
      new Tanh(),
      new Linear(84, labels),
    );
  }
  trace({ pixel_values: pixels, labels }: Tensors, ctx: Context): Outputs {
    const score = (): Tensor => this.classifier.forward(this.features.forward(pixels!, ctx), ctx);
    return classifierOutputs(score, labels, this.config.labels);
  }
}
