// A variational autoencoder (Kingma and Welling, 2014) of convolutions: an image becomes a few numbers with their doubts, and
// numbers drawn at random become images.
import { add, exp, mul, relu, sigmoid, softplus, sub, sum, type Tensor } from '@brickwork/graph';
import { Linear, ReLU, Sequential, type Context, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';
import { once, readConfig, type Architecture, type Config, type Tensors } from '@brickwork/transformer';
import { Conv2d } from '../conv-2d.ts';
import { ConvTranspose2d } from '../conv-transpose-2d.ts';
import { Flatten } from '../flatten.ts';

/** The fields of config.json. */
export interface ConvVAEConfig {
  /** A multiple of 4; 28 unless given. */
  readonly image_size: number;
  readonly num_channels: number;
  /** Numbers that an image becomes; 16 unless given. */
  readonly latent_size: number;
  /** Channels of the first layer, half of the second's; 32 unless given. */
  readonly width: number;
  /** How much the doubts weigh against the pixels (Higgins et al., 2017); 1 unless given. */
  readonly beta: number;
}

/** Numbers (B, Z) to the scores (B, C, H, W) whose sigmoid are the pixels. */
export class VAEDecoder implements Network {
  readonly config: ConvVAEConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly linear: Linear;
  readonly layers: Sequential;
  constructor(config: Config) {
    const c = read(config);
    const quarter = c.image_size / 4;
    this.config = c;
    this.inputs = { latents: { dtype: 'float32', shape: ['B', c.latent_size] } };
    this.linear = new Linear(c.latent_size, 2 * c.width * quarter * quarter);
    this.layers = new Sequential(
      new ConvTranspose2d(2 * c.width, c.width, 4, { stride: 2, padding: 1 }), // (B, W, H/2, W/2)
      new ReLU(),
      new ConvTranspose2d(c.width, c.num_channels, 4, { stride: 2, padding: 1 }), // (B, C, H, W)
    );
  }
  decode(latents: Tensor, ctx: Context): Tensor {
    const { width, image_size } = this.config;
    const B = latents.shape[0]!;
    const x = relu(this.linear.forward(latents)).reshape([B, 2 * width, image_size / 4, image_size / 4]);
    return this.layers.forward(x, ctx);
  }
  trace({ latents }: Tensors, ctx: Context): Outputs {
    return { images: () => sigmoid(this.decode(latents!, ctx)) };
  }
}

/**
 * The whole of it. Pixels are from 0 to 1. With `noise`, drawn from a normal distribution, the numbers are drawn from what the
 * encoder thinks of them, as in training; without, they are what it thinks most likely.
 *
 * `loss` is the sum over pixels of the cross-entropy and β times the divergence from a standard normal distribution, the
 * negative of the evidence's lower bound in nats; the mean over images.
 */
export class ConvVAE implements Network {
  readonly config: ConvVAEConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly encoder: Sequential;
  readonly mean: Linear;
  readonly log_variance: Linear;
  readonly decoder: VAEDecoder;
  constructor(config: Config) {
    const c = read(config);
    this.config = c;
    this.inputs = {
      pixel_values: { dtype: 'float32', shape: ['B', c.num_channels, c.image_size, c.image_size] },
      noise: { dtype: 'float32', shape: ['B', c.latent_size], optional: true },
    };
    this.encoder = new Sequential(
      new Conv2d(c.num_channels, c.width, 4, { stride: 2, padding: 1 }),
      new ReLU(),
      new Conv2d(c.width, 2 * c.width, 4, { stride: 2, padding: 1 }),
      new ReLU(),
      new Flatten(),
    );
    const hidden = 2 * c.width * (c.image_size / 4) ** 2;
    this.mean = new Linear(hidden, c.latent_size);
    this.log_variance = new Linear(hidden, c.latent_size);
    this.decoder = new VAEDecoder(config);
  }
  trace({ pixel_values: pixels, noise }: Tensors, ctx: Context): Outputs {
    const hidden = once(() => this.encoder.forward(pixels!, ctx));
    const mean = once(() => this.mean.forward(hidden())); // (B, Z)
    const logVariance = once(() => this.log_variance.forward(hidden())); // (B, Z)
    const drawn = once(() => (noise ? add(mean(), mul(exp(mul(logVariance(), 0.5)), noise)) : mean()));
    const scores = once(() => this.decoder.decode(drawn(), ctx));
    const B = pixels!.shape[0]!;
    const perImage = (x: Tensor): Tensor => sum(x.reshape([B, -1]), [1]); // (B)
    const painted = once(() => perImage(sub(softplus(scores()), mul(scores(), pixels!))));
    const divergence = once(() => {
      const parts = sub(add(mul(mean(), mean()), exp(logVariance())), add(logVariance(), 1));
      return mul(perImage(parts), 0.5);
    });
    return {
      latents: drawn,
      mean,
      log_variance: logVariance,
      images: () => sigmoid(scores()),
      reconstruction_loss: () => painted().mean(),
      divergence: () => divergence().mean(),
      loss: () => add(painted(), mul(divergence(), this.config.beta)).mean(),
    };
  }
}

function read(config: Config): ConvVAEConfig {
  const c = readConfig('conv_vae', config, {
    image_size: 28,
    num_channels: 1,
    latent_size: 16,
    width: 32,
    beta: 1,
  });
  if (c.image_size % 4)
    throw new Error(`conv_vae config: image_size is ${c.image_size}; needs a multiple of 4: it is halved twice`);
  return c;
}

/** Checkpoints of variational autoencoders, and of their decoders alone. */
export const convVae: Architecture = {
  classes: { ConvVAE: (config) => new ConvVAE(config), VAEDecoder: (config) => new VAEDecoder(config) },
  prefix: 'decoder.',
};
