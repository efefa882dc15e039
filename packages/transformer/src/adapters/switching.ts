// Several adapters' values in the shape of one graph: the layers that any of them is for, with room for the largest.
import { Bottleneck, IA3, LoRA, Switched, firstValue, parameters, widths } from '@brickwork/nn';
import type { LinearLayer, Network, SwitchedOptions } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { attach, linearLayers } from './attach.ts';
import { doraStretch } from './merge.ts';

type Weights = ReadonlyMap<string, HostTensor>;

/** An adapter in a network that was built for it alone, with its values by their names there. */
export interface AdaptedNetwork {
  readonly network: Network;
  readonly tensors: Weights;
  /** The bottlenecks' activation; null for other kinds. */
  readonly activation: string | null;
}

/** What one graph for several adapters needs. */
export interface SwitchedNetwork {
  /** As it is without an adapter, while its own parameters have these values. */
  readonly network: Network;
  readonly neutral: Weights;
  /** What takes their place for each adapter, in the order given. */
  readonly values: readonly Weights[];
}

/**
 * Makes one network that computes what each of several adapted networks does.
 *
 * @param network built anew, without adapters
 * @param base the values of its parameters
 */
export function switchAdapters(network: Network, base: Weights, adapted: readonly AdaptedNetwork[]): SwitchedNetwork {
  const kinds = adapted.map((one) => adaptersOf(one.network));
  const activation = adapted.find((one) => one.activation !== null)?.activation ?? 'relu';
  const layers = linearLayers(network);
  const rooms = new Map<string, SwitchedOptions>();
  for (const [path, layer] of layers) {
    const own = kinds.map((kind) => kind.get(path)?.adapter ?? null);
    if (own.every((one) => one === null)) continue;
    const largest = (sizeOf: (one: NonNullable<(typeof own)[number]>) => number): number =>
      Math.max(...own.map((one) => (one ? sizeOf(one) : 0)));
    const room: SwitchedOptions = {
      rank: largest((one) => (one instanceof LoRA ? (one.lora_A.weight.shape[0] as number) : 0)),
      stretch: own.some((one) => one instanceof LoRA && one.lora_magnitude_vector !== null),
      input: own.some((one) => one instanceof IA3 && one.ia3_l.shape[0] === 1),
      output: own.some((one) => one instanceof IA3 && one.ia3_l.shape[0] !== 1),
      size: largest((one) => (one instanceof Bottleneck ? (one.down.weight.shape[0] as number) : 0)),
      activation,
    };
    rooms.set(path, room);
    attach(path, layer, new Switched(layer, room));
  }
  const neutral = new Map<string, HostTensor>();
  for (const [name, p] of parameters(network))
    if (name.includes('.adapter.')) {
      const { data, shape } = firstValue(p, name, 0);
      neutral.set(name, hostTensor(data, shape));
    }
  return { network, neutral, values: adapted.map((one, i) => valuesOf(one, kinds[i]!, rooms, base)) };
}

const adaptersOf = (network: Network): Map<string, LinearLayer> =>
  new Map([...linearLayers(network)].filter(([, layer]) => layer.adapter));

function valuesOf(
  { tensors }: AdaptedNetwork,
  layers: ReadonlyMap<string, LinearLayer>,
  rooms: ReadonlyMap<string, SwitchedOptions>,
  base: Weights,
): Weights {
  // Layers that are saved whole stand in the place of the network's own.
  const values = new Map([...tensors].filter(([name]) => !name.includes('.adapter.')));
  for (const [path, layer] of layers) {
    const { adapter } = layer;
    const { inputs, outputs } = widths(layer);
    const { rank, size } = rooms.get(path)!;
    const own = (name: string): Float32Array => tensors.get(`${path}.adapter.${name}`)!.data as Float32Array;
    const set = (name: string, data: Float32Array, shape: readonly number[]): void =>
      void values.set(`${path}.adapter.${name}`, hostTensor(data, shape));
    if (adapter instanceof LoRA) {
      const { scale } = adapter;
      const [A, B] = [own('lora_A.weight'), own('lora_B.weight')];
      let lengths: Float32Array | null = null;
      if (adapter.lora_magnitude_vector) {
        const weight = (values.get(`${path}.weight`) ?? base.get(`${path}.weight`)!).data as Float32Array;
        lengths = doraStretch(layer, { weight, A, B, scale, magnitudes: own('lora_magnitude_vector') });
        set(
          'stretch',
          lengths.map((length) => length - 1),
          [outputs],
        );
      }
      const r = A.length / inputs;
      set('lora_A.weight', widened(A, [r, inputs], [rank, inputs]), [rank, inputs]);
      const scaled = B.map((v, i) => v * scale * (lengths?.[Math.floor(i / r)] ?? 1));
      set('lora_B.weight', widened(scaled, [outputs, r], [outputs, rank]), [outputs, rank]);
    } else if (adapter instanceof IA3) {
      const data = own('ia3_l');
      set(adapter.ia3_l.shape[0] === 1 ? 'input' : 'output', data, [data.length]);
    } else if (adapter instanceof Bottleneck) {
      const s = adapter.down.weight.shape[0] as number;
      set('down.weight', widened(own('down.weight'), [s, outputs], [size, outputs]), [size, outputs]);
      set('down.bias', widened(own('down.bias'), [1, s], [1, size]), [size]);
      set('up.weight', widened(own('up.weight'), [outputs, s], [outputs, size]), [outputs, size]);
      set('up.bias', own('up.bias'), [outputs]);
    }
  }
  return values;
}

// A matrix with zeros below and to its right.
function widened(
  data: Float32Array,
  [rows, columns]: readonly [number, number],
  [toRows, toColumns]: readonly [number, number],
): Float32Array {
  if (rows === toRows && columns === toColumns) return data;
  const wide = new Float32Array(toRows * toColumns);
  for (let r = 0; r < rows; r++) wide.set(data.subarray(r * columns, (r + 1) * columns), r * toColumns);
  return wide;
}
