// Checkpoints whose matrices are stored in blocks of 4 or 8 bits: the codes under the weight's own name, the scales beside them,
// and in config.json what they stand for. Read, they are float32 weights of the same values.
import { hostTensor, type HostTensor } from '../host-tensor.ts';
import { fromBlocks, type BlockMatrix } from './blocks.ts';

/** A weight that is stored in blocks. */
export interface StoredBlocks extends BlockMatrix {
  /** Whether the weight is (K, N), across to its blocks. */
  readonly transposed: boolean;
}

/** What `quantization_config` of config.json says of such a checkpoint. */
export interface BlocksConfig {
  readonly quant_method: typeof method;
  readonly weights: Readonly<
    Record<
      string,
      {
        readonly bits: 4 | 8;
        readonly block_size: number;
        readonly shape: readonly [number, number];
        readonly transposed: boolean;
      }
    >
  >;
}

const method = 'brickwork-blocks';
const suffix = '.block_scales';

/** What a config says of blocks; null where it says nothing of them. */
export function blocksConfig(config: Readonly<Record<string, unknown>>): BlocksConfig | null {
  const found = config['quantization_config'] as BlocksConfig | null | undefined;
  return found?.quant_method === method ? found : null;
}

/** The tensors as they are stored, and what config.json has to say of them. */
export function storeBlocks(
  tensors: ReadonlyMap<string, HostTensor>,
  blocks: ReadonlyMap<string, StoredBlocks>,
): { tensors: Map<string, HostTensor>; config: BlocksConfig } {
  const stored = new Map<string, HostTensor>();
  const weights: Record<string, BlocksConfig['weights'][string]> = {};
  for (const [name, tensor] of tensors) {
    const own = blocks.get(name);
    if (!own) {
      stored.set(name, tensor);
      continue;
    }
    const { codes, scales, bits, blockSize, N, K, transposed } = own;
    stored.set(name, codes);
    stored.set(`${name}${suffix}`, hostTensor(scales.data, [N, Math.ceil(K / blockSize)]));
    weights[name] = { bits, block_size: blockSize, shape: transposed ? [K, N] : [N, K], transposed };
  }
  return { tensors: stored, config: { quant_method: method, weights } };
}

/** Which of the stored tensors are needed for the weights that are; each of those is asked for once. */
export function chooseBlocks(wanted: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const own = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
    const found = known.get(own) ?? wanted(own);
    known.set(own, found);
    return found;
  };
}

/**
 * The weights that stored tensors stand for.
 *
 * @throws where codes or scales are missing, or don't fit what the config says.
 */
export function restoreBlocks(
  stored: ReadonlyMap<string, HostTensor>,
  { weights }: BlocksConfig,
  where: string,
): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of stored) {
    if (name.endsWith(suffix)) continue;
    const own = weights[name];
    if (!own) {
      tensors.set(name, tensor);
      continue;
    }
    const { bits, block_size: blockSize, shape, transposed } = own;
    const [N, K] = (transposed ? shape.toReversed() : [...shape]) as [number, number];
    const perRow = Math.ceil(K / blockSize);
    const scales = stored.get(`${name}${suffix}`);
    const fits =
      (bits === 4 || bits === 8) &&
      tensor.dtype === 'uint8' &&
      tensor.shape.join() === [N, perRow, (blockSize * bits) / 8].join() &&
      scales?.dtype === 'float32' &&
      scales.shape.join() === [N, perRow].join();
    if (!fits)
      throw new Error(
        `loadCheckpoint: ${where}: ${name} is ${tensor.dtype} (${tensor.shape.join(', ')}) with ${scales ? `scales (${scales.shape.join(', ')})` : `no ${name}${suffix}`}; config.json says ${bits} bits in blocks of ${blockSize} for (${shape.join(', ')})`,
      );
    const values = fromBlocks({ N, K, bits, blockSize, codes: tensor, scales }, { transposed });
    tensors.set(name, hostTensor(values, [...shape]));
  }
  return tensors;
}
