// ResNet (He et al., 2016): convolutions that learn what to add to their input, so that a hundred layers still train.
import { add, type Tensor } from '@brickwork/graph';
import { activation, Linear, Sequential, type Activation, type Context } from '@brickwork/nn';
import type { Network, NetworkInput, Outputs } from '@brickwork/nn';
import {
  classifierOutputs,
  classLabels,
  readConfig,
  readLabels,
  type Architecture,
  type Config,
  type Labels,
  type Tensors,
} from '@brickwork/transformer';
import { AdaptiveAvgPool2d } from '../adaptive-avg-pool-2d.ts';
import { BatchNorm2d, bufferOutputs } from '../batch-norm-2d.ts';
import { readNumbers } from '../config.ts';
import { Conv2d, heNormal } from '../conv-2d.ts';
import { Flatten } from '../flatten.ts';
import { MaxPool2d } from '../max-pool-2d.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults: those of ResNet-50. */
export interface ResNetConfig {
  readonly num_channels: number;
  /** Channels after the first convolution. */
  readonly embedding_size: number;
  /** Channels of each stage. */
  readonly hidden_sizes: readonly number[];
  /** Layers of each stage. */
  readonly depths: readonly number[];
  /** `basic` (two 3x3 convolutions) or `bottleneck` (1x1, 3x3, 1x1). */
  readonly layer_type: string;
  readonly hidden_act: string;
  readonly downsample_in_first_stage: boolean;
  /** Halves the image in a bottleneck's first convolution, not in its second. */
  readonly downsample_in_bottleneck: boolean;
  /** What a classifier tells apart. */
  readonly labels: Labels;
}

function readResNetConfig(config: Config): ResNetConfig {
  const c = readConfig('resnet', config, {
    num_channels: 3,
    embedding_size: 64,
    layer_type: 'bottleneck',
    hidden_act: 'relu',
    downsample_in_first_stage: false,
    downsample_in_bottleneck: false,
  });
  const hidden_sizes = readNumbers('resnet', config, 'hidden_sizes', [256, 512, 1024, 2048]);
  const depths = readNumbers('resnet', config, 'depths', [3, 4, 6, 3]);
  if (hidden_sizes.length !== depths.length)
    throw new Error(
      `resnet config: ${hidden_sizes.length} hidden_sizes for ${depths.length} depths; needs one of each for every stage`,
    );
  if (c.layer_type !== 'basic' && c.layer_type !== 'bottleneck')
    throw new Error(`resnet config: layer_type is ${JSON.stringify(c.layer_type)}; known are basic and bottleneck`);
  return { ...c, hidden_sizes, depths, labels: readLabels('resnet', config) };
}

// Convolution, batch norm, activation.
class ConvLayer {
  readonly convolution: Conv2d;
  readonly normalization: BatchNorm2d;
  readonly #act: Activation | null;
  constructor(inputs: number, outputs: number, o: { kernel?: number; stride?: number; act?: string | null } = {}) {
    const { kernel = 3, stride = 1, act = 'relu' } = o;
    const padding = Math.floor(kernel / 2);
    this.convolution = new Conv2d(inputs, outputs, kernel, { stride, padding, bias: false, weight: heNormal });
    this.normalization = new BatchNorm2d(outputs);
    this.#act = act === null ? null : activation(act);
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const y = this.normalization.forward(this.convolution.forward(x), ctx);
    return this.#act ? this.#act(y) : y;
  }
}

// What a layer learns, added to its input. Where the shapes differ, a 1x1 convolution brings the input along.
class ResidualLayer {
  readonly shortcut: ConvLayer | null;
  readonly layer: Sequential;
  readonly #act: Activation;
  constructor(c: ResNetConfig, inputs: number, outputs: number, stride: number) {
    const changes = inputs !== outputs || stride !== 1;
    this.shortcut = changes ? new ConvLayer(inputs, outputs, { kernel: 1, stride, act: null }) : null;
    this.layer = c.layer_type === 'basic' ? basic(inputs, outputs, stride) : bottleneck(c, inputs, outputs, stride);
    this.#act = activation(c.hidden_act);
  }
  forward(x: Tensor, ctx: Context): Tensor {
    const y = this.layer.forward(x, ctx);
    return this.#act(add(y, this.shortcut ? this.shortcut.forward(x, ctx) : x));
  }
}

// Inside a layer it is always ReLU, as in Hugging Face's.
const basic = (inputs: number, outputs: number, stride: number): Sequential =>
  new Sequential(new ConvLayer(inputs, outputs, { stride }), new ConvLayer(outputs, outputs, { act: null }));

function bottleneck(c: ResNetConfig, inputs: number, outputs: number, stride: number): Sequential {
  const narrow = Math.floor(outputs / 4);
  const [first, second] = c.downsample_in_bottleneck ? [stride, 1] : [1, stride];
  return new Sequential(
    new ConvLayer(inputs, narrow, { kernel: 1, stride: first }),
    new ConvLayer(narrow, narrow, { stride: second }),
    new ConvLayer(narrow, outputs, { kernel: 1, act: null }),
  );
}

class Stage {
  readonly layers: Sequential;
  constructor(
    c: ResNetConfig,
    inputs: number,
    outputs: number,
    o: { readonly stride: number; readonly depth: number },
  ) {
    this.layers = new Sequential(
      ...Array.from({ length: o.depth }, (_, i) =>
        i === 0 ? new ResidualLayer(c, inputs, outputs, o.stride) : new ResidualLayer(c, outputs, outputs, 1),
      ),
    );
  }
}

interface Encoded {
  /** The first convolution's result and that of every stage, (B, C, H, W) each. */
  readonly all: readonly Tensor[];
  /** The mean over all places: (B, C, 1, 1). */
  readonly pooled: () => Tensor;
}

/** ResNet's body. */
export class ResNetModel implements Network {
  readonly config: ResNetConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly embedder: { readonly embedder: ConvLayer };
  readonly encoder: { readonly stages: readonly Stage[] };
  constructor(config: Config) {
    const c = readResNetConfig(config);
    const { embedding_size, hidden_sizes, depths } = c;
    this.config = c;
    this.inputs = { pixel_values: { dtype: 'float32', shape: ['B', c.num_channels, 'H', 'W'] } };
    this.embedder = {
      embedder: new ConvLayer(c.num_channels, embedding_size, { kernel: 7, stride: 2, act: c.hidden_act }),
    };
    this.encoder = {
      stages: depths.map((depth, i) => {
        const stride = i > 0 || c.downsample_in_first_stage ? 2 : 1;
        return new Stage(c, i ? hidden_sizes[i - 1]! : embedding_size, hidden_sizes[i]!, { stride, depth });
      }),
    };
  }
  encode({ pixel_values: pixels }: Tensors, ctx: Context): Encoded {
    let x = this.embedder.embedder.forward(pixels!, ctx); // (B, C, H/2, W/2)
    x = new MaxPool2d(3, { stride: 2, padding: 1 }).forward(x); // (B, C, H/4, W/4)
    const all = [x];
    for (const stage of this.encoder.stages) all.push((x = stage.layers.forward(x, ctx)));
    return { all, pooled: () => new AdaptiveAvgPool2d(1).forward(x) };
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const { all, pooled } = this.encode(inputs, ctx);
    return { ...hiddenOutputs(all), pooler_output: pooled, ...bufferOutputs(this, ctx) };
  }
}

const hiddenOutputs = (all: readonly Tensor[]): Outputs => ({
  last_hidden_state: () => all.at(-1)!,
  ...Object.fromEntries(all.map((x, i) => [`hidden_states.${i}`, () => x])),
});

/** ResNet with a score for each label. */
export class ResNetForImageClassification implements Network {
  readonly config: ResNetConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly resnet: ResNetModel;
  readonly classifier: Sequential;
  constructor(config: Config) {
    this.resnet = new ResNetModel(config);
    this.config = this.resnet.config;
    const { hidden_sizes, labels } = this.config;
    this.inputs = { ...this.resnet.inputs, labels: classLabels(labels) };
    this.classifier = new Sequential(new Flatten(), new Linear(hidden_sizes.at(-1)!, labels.count));
  }
  trace(inputs: Tensors, ctx: Context): Outputs {
    const { all, pooled } = this.resnet.encode(inputs, ctx);
    const score = (): Tensor => this.classifier.forward(pooled(), ctx);
    return {
      ...classifierOutputs(score, inputs['labels'], this.config.labels),
      ...hiddenOutputs(all),
      ...bufferOutputs(this, ctx),
    };
  }
}

/** ResNet's checkpoints. */
export const resnet: Architecture = {
  classes: {
    ResNetForImageClassification: (config) => new ResNetForImageClassification(config),
    ResNetModel: (config) => new ResNetModel(config),
  },
  prefix: 'resnet.',
};
