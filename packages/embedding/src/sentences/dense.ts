// Modules that change the texts' vectors: a fully connected layer, unit length, a norm, and dropout.
import { identity, leakyRelu, softplus, type Tensor } from '@brickwork/graph';
import { activation, dropout, LayerNorm, Linear, type Activation, type Context } from '@brickwork/nn';
import { unitLength } from './unit-length.ts';
import { checkKeys, sentenceOf, sizeOfKey, switchOf, type Features, type SentenceModule } from './sentence-module.ts';

// By the last part of the names of PyTorch's classes.
const activations: Readonly<Record<string, Activation>> = {
  Identity: identity,
  Tanh: activation('tanh'),
  ReLU: activation('relu'),
  ReLU6: activation('relu6'),
  GELU: activation('gelu'),
  Sigmoid: activation('sigmoid'),
  SiLU: activation('silu'),
  Mish: activation('mish'),
  LeakyReLU: (x) => leakyRelu(x, 0.01),
  Softplus: softplus,
};

/** PyTorch's path of an activation, as Dense writes it. */
const pathOf = (name: string): string =>
  name === 'Identity' ? 'torch.nn.modules.linear.Identity' : `torch.nn.modules.activation.${name}`;

/** y = f(x W' + b) of the texts' vectors. */
export class Dense implements SentenceModule {
  readonly kind = 'Dense';
  readonly linear: Linear;
  readonly inputWidth: number;
  readonly width: number;
  /** The activation as PyTorch names it: 'Tanh', 'Identity', …. */
  readonly activation: string;
  constructor(
    inputWidth: number,
    width: number,
    { activation: name = 'Tanh', bias = true }: { readonly activation?: string; readonly bias?: boolean } = {},
  ) {
    if (!Object.hasOwn(activations, name))
      throw new Error(`Dense: no activation ${JSON.stringify(name)}; there are ${Object.keys(activations).join(', ')}`);
    this.linear = new Linear(inputWidth, width, { bias });
    this.inputWidth = inputWidth;
    this.width = width;
    this.activation = name;
  }
  get config(): Readonly<Record<string, unknown>> {
    return {
      in_features: this.inputWidth,
      out_features: this.width,
      bias: this.linear.bias !== null,
      activation_function: pathOf(this.activation),
    };
  }
  forward(features: Features, ctx: Context): Features {
    const y = this.linear.forward(sentenceOf(features, this.kind), ctx); // (B, D)
    return { ...features, sentence: activations[this.activation]!(y) };
  }
}

/** Reads 2_Dense/config.json. */
export function readDense(config: Readonly<Record<string, unknown>>, width: number, who: string): Dense {
  const names = { module_input_name: ['sentence_embedding', null], module_output_name: ['sentence_embedding', null] };
  checkKeys(who, config, ['in_features', 'out_features', 'bias', 'activation_function'], names);
  const inputs = sizeOfKey(who, config, 'in_features');
  if (inputs !== width)
    throw new Error(`${who}: in_features is ${inputs}, but the vectors before it have ${width} axes`);
  const path = config['activation_function'] ?? pathOf('Tanh');
  const name = typeof path === 'string' && path.startsWith('torch.nn.') ? path.split('.').at(-1)! : '';
  if (!Object.hasOwn(activations, name))
    throw new Error(
      `${who}: activation_function is ${JSON.stringify(path)}; known are ${Object.keys(activations).map(pathOf).join(', ')}`,
    );
  const bias = switchOf(who, config, 'bias', true);
  return new Dense(inputs, sizeOfKey(who, config, 'out_features'), { activation: name, bias });
}

/** Vectors of length one. */
export class Normalize implements SentenceModule {
  readonly kind = 'Normalize';
  readonly width: number;
  readonly config = null;
  constructor(width: number) {
    this.width = width;
  }
  forward(features: Features): Features {
    return { ...features, sentence: unitLength(sentenceOf(features, this.kind)) };
  }
}

/** Mean 0 and variance 1 over the axes of each vector, then a learned weight and bias. */
export class SentenceNorm implements SentenceModule {
  readonly kind = 'LayerNorm';
  readonly width: number;
  readonly norm: LayerNorm;
  constructor(width: number) {
    this.width = width;
    this.norm = new LayerNorm(width);
  }
  get config(): Readonly<Record<string, unknown>> {
    return { dimension: this.width };
  }
  forward(features: Features): Features {
    return { ...features, sentence: this.norm.forward(sentenceOf(features, this.kind)) };
  }
}

/** Reads 2_LayerNorm/config.json. */
export function readNorm(config: Readonly<Record<string, unknown>>, width: number, who: string): SentenceNorm {
  checkKeys(who, config, ['dimension']);
  const said = sizeOfKey(who, config, 'dimension');
  if (said !== width) throw new Error(`${who}: dimension is ${said}, but the vectors before it have ${width} axes`);
  return new SentenceNorm(width);
}

/** Sets some axes to zero while training. */
export class SentenceDropout implements SentenceModule {
  readonly kind = 'Dropout';
  readonly width: number;
  readonly rate: number;
  constructor(width: number, rate = 0.2) {
    this.width = width;
    this.rate = rate;
  }
  get config(): Readonly<Record<string, unknown>> {
    return { dropout: this.rate };
  }
  forward(features: Features, ctx: Context): Features {
    const x: Tensor = sentenceOf(features, this.kind);
    return { ...features, sentence: dropout(x, this.rate, ctx) };
  }
}

/** Reads 2_Dropout/config.json. */
export function readDropout(config: Readonly<Record<string, unknown>>, width: number, who: string): SentenceDropout {
  checkKeys(who, config, ['dropout']);
  const rate = config['dropout'] ?? 0.2;
  if (!(typeof rate === 'number' && rate >= 0 && rate < 1))
    throw new Error(`${who}: dropout is ${JSON.stringify(rate)}; needs a probability below 1`);
  return new SentenceDropout(width, rate);
}
