// The networks that have no form of their own at Hugging Face, as folders with a config.json all the same: `model_type`, and
// the options of their classes under the names that configs have.
import { readConfig, readLabels, type Architecture, type Config } from '@brickwork/transformer';
import { readNumbers } from '../config.ts';
import { AlexNet } from './alexnet.ts';
import { CifarResNet } from './cifar-resnet.ts';
import { ConvNet } from './conv-net.ts';
import { LeNet5 } from './lenet.ts';
import { TorchvisionResNet } from './torchvision-resnet.ts';
import { VGG } from './vgg.ts';

const labelsOf = (type: string, config: Config): { labels: number } => ({ labels: readLabels(type, config).count });
const one = (name: string, make: Architecture['classes'][string]): Architecture => ({
  classes: { [name]: make },
  prefix: '',
});

/** By `model_type`. */
export const classicArchitectures: Readonly<Record<string, Architecture>> = {
  /** `version`: `torchvision` or `2012`; `dropout`. */
  alexnet: one('AlexNet', (config) => {
    const { version, dropout } = readConfig('alexnet', config, { version: 'torchvision', dropout: 0.5 });
    return new AlexNet({ version: version as 'torchvision', dropout, ...labelsOf('alexnet', config) });
  }),
  /** `depth`: 20, 32, 56, …; `counted`. */
  cifar_resnet: one(
    'CifarResNet',
    (config) =>
      new CifarResNet({
        ...readConfig('cifar_resnet', config, { depth: 20, counted: true }),
        ...labelsOf('cifar_resnet', config),
      }),
  ),
  /** `image_size`, `num_channels`, `channels`, `batch_norm`, `dropout`. */
  conv_net: one('ConvNet', (config) => {
    const c = readConfig('conv_net', config, { image_size: 32, num_channels: 3, batch_norm: true, dropout: 0 });
    return new ConvNet({
      size: c.image_size,
      inputs: c.num_channels,
      channels: readNumbers('conv_net', config, 'channels', [32, 64, 128]),
      batchNorm: c.batch_norm,
      dropout: c.dropout,
      ...labelsOf('conv_net', config),
    });
  }),
  lenet: one('LeNet5', (config) => new LeNet5(labelsOf('lenet', config))),
  /** `depth`: 18, 34, 50, 101 or 152. */
  torchvision_resnet: one(
    'TorchvisionResNet',
    (config) =>
      new TorchvisionResNet({
        ...readConfig('torchvision_resnet', config, { depth: 50 }),
        ...labelsOf('torchvision_resnet', config),
      }),
  ),
  /** `depth`: 11, 13, 16 or 19; `batch_norm`, `dropout`. */
  vgg: one('VGG', (config) => {
    const c = readConfig('vgg', config, { depth: 16, batch_norm: false, dropout: 0.5 });
    return new VGG({ depth: c.depth, batchNorm: c.batch_norm, dropout: c.dropout, ...labelsOf('vgg', config) });
  }),
};
