// Something to run a model on.
import { random } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import type { Model } from '../model.ts';

/**
 * Random inputs of a model for two rows: those of some names.
 *
 * @param wanted names of inputs; others are left out
 */
export function sampleInputs(
  { network }: Pick<Model, 'network'>,
  wanted: readonly string[],
): Record<string, HostTensor> {
  const draw = random(1);
  const inputs: Record<string, HostTensor> = {};
  const sizes: Record<string, number> = { B: 2, T: Math.min(7, network.longest?.['T'] ?? 7), S: 6 };
  for (const [name, { shape, dtype, ids }] of Object.entries(network.inputs)) {
    if (!wanted.includes(name) || name === 'position_ids') continue;
    const dims = shape.map((d) => (typeof d === 'number' ? d : (sizes[d] ?? 7)));
    const count = dims.reduce((n, d) => n * d, 1);
    if (dtype === 'int64') {
      const value = (): bigint =>
        name.endsWith('attention_mask') ? 1n : name === 'token_type_ids' ? 0n : BigInt(draw.integer(ids?.count ?? 2));
      inputs[name] = hostTensor(BigInt64Array.from({ length: count }, value), dims);
    } else
      inputs[name] = hostTensor(
        Float32Array.from({ length: count }, () => draw.normal()),
        dims,
      );
  }
  return inputs;
}
