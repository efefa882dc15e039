// Adapters folded into the weights of the layers that they stand in, and taken out again.
import { LoRA, IA3, type LinearLayer } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { linearLayers } from './attach.ts';

type Weights = ReadonlyMap<string, HostTensor>;

/**
 * The weights of the network without adapters that computes what the adapted network computes: W + s B A for LoRA, rows
 * made as long as their magnitudes for DoRA, l ∘ W for (IA)³. Layers without an adapter keep their arrays.
 *
 * @param network as `attachAdapter` left it
 * @param weights of all its parameters
 * @throws where a layer has an adapter that no weight can stand for (a bottleneck).
 */
export function mergeAdapter(network: object, weights: Weights): Map<string, HostTensor> {
  return changed(network, weights, 1);
}

/**
 * The weights before {@link mergeAdapter}: up to rounding, or to the byte where they were kept (merging writes to none).
 *
 * @param merged the merged weights, and beside them the adapter's own
 * @param base the weights before, if they were kept: those of adapted layers are given back from it
 * @throws for DoRA without `base`, which can't be taken out: the lengths that rows had are gone.
 */
export function unmergeAdapter(
  network: object,
  merged: Weights,
  { base }: { readonly base?: Weights } = {},
): Map<string, HostTensor> {
  if (!base) return changed(network, merged, -1);
  const all = new Map([...merged].filter(([name]) => !name.includes('.adapter.')));
  for (const [path, layer] of linearLayers(network))
    for (const name of layer.adapter ? [`${path}.weight`, `${path}.bias`] : []) {
      const before = base.get(name);
      if (before) all.set(name, before);
      else if (name.endsWith('.weight')) throw new Error(`unmerge: missing ${name} in the base's weights`);
    }
  return all;
}

/** DoRA's m/‖W + s B A‖ of each output of a layer. */
export function doraStretch(
  layer: LinearLayer,
  {
    weight,
    A,
    B,
    scale: s,
    magnitudes,
  }: Readonly<Record<'weight' | 'A' | 'B' | 'magnitudes', Float32Array>> & { scale: number },
): Float32Array {
  const whole = weight.slice();
  addProduct(whole, layer, A, B, s);
  const lengths = rowLengths(whole, layer);
  return magnitudes.map((m, o) => m / lengths[o]!);
}

function changed(network: object, weights: Weights, sign: 1 | -1): Map<string, HostTensor> {
  const all = new Map([...weights].filter(([name]) => !name.includes('.adapter.')));
  const valueOf = (name: string): Float32Array => {
    const value = weights.get(name);
    if (!value) throw new Error(`merge: missing ${name}; give the adapter's weights with the network's`);
    return value.data as Float32Array;
  };
  for (const [path, layer] of linearLayers(network)) {
    const { adapter } = layer;
    if (!adapter) continue;
    const shape = layer.weight.shape as readonly number[];
    const weight = valueOf(`${path}.weight`).slice();
    const own = (name: string): Float32Array => valueOf(`${path}.adapter.${name}`);
    if (adapter instanceof LoRA) {
      addProduct(weight, layer, own('lora_A.weight'), own('lora_B.weight'), sign * adapter.scale);
      if (adapter.lora_magnitude_vector) {
        if (sign < 0) throw new Error(`merge: ${path} was merged with DoRA, which can't be taken out`);
        stretchRows(weight, layer, own('lora_magnitude_vector'));
      }
    } else if (adapter instanceof IA3) {
      const isInput = (adapter.ia3_l.shape[0] as number) === 1;
      scale(weight, layer, own('ia3_l'), isInput, sign);
      if (layer.bias && !isInput) {
        const bias = valueOf(`${path}.bias`).map((v, i) => (sign > 0 ? v * own('ia3_l')[i]! : v / own('ia3_l')[i]!));
        all.set(`${path}.bias`, hostTensor(bias, [bias.length]));
      }
    } else throw new Error(`merge: ${path} has an adapter that no weight can stand for; use it as an adapter`);
    all.set(`${path}.weight`, hostTensor(weight, shape));
  }
  return all;
}

// The index of weight (output o, input i) in either layout.
function indexer({ weight, outputsFirst }: LinearLayer): {
  at: (o: number, i: number) => number;
  sizes: [number, number];
} {
  const [a, b] = weight.shape as [number, number];
  return outputsFirst ? { at: (o, i) => o * b + i, sizes: [a, b] } : { at: (o, i) => i * b + o, sizes: [b, a] };
}

// W += s B A with A (rank, in) and B (out, rank).
function addProduct(w: Float32Array, layer: LinearLayer, A: Float32Array, B: Float32Array, s: number): void {
  const { at, sizes } = indexer(layer);
  const [outputs, inputs] = sizes;
  const rank = A.length / inputs;
  const row = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const b = B[o * rank + r]! * s;
      for (let i = 0; i < inputs; i++) row[i]! += b * A[r * inputs + i]!;
    }
    for (let i = 0; i < inputs; i++) w[at(o, i)]! += row[i]!;
  }
}

function stretchRows(w: Float32Array, layer: LinearLayer, magnitudes: Float32Array): void {
  const { at, sizes } = indexer(layer);
  const [outputs, inputs] = sizes;
  const lengths = rowLengths(w, layer);
  for (let o = 0; o < outputs; o++) {
    const factor = magnitudes[o]! / lengths[o]!;
    for (let i = 0; i < inputs; i++) w[at(o, i)]! *= factor;
  }
}

// ‖W‖ of each output.
function rowLengths(w: Float32Array, layer: LinearLayer): Float64Array {
  const { at, sizes } = indexer(layer);
  const [outputs, inputs] = sizes;
  return Float64Array.from({ length: outputs }, (_, o) => {
    let square = 0;
    for (let i = 0; i < inputs; i++) square += w[at(o, i)]! ** 2;
    return Math.sqrt(square);
  });
}

function scale(w: Float32Array, layer: LinearLayer, l: Float32Array, isInput: boolean, sign: 1 | -1): void {
  const { at, sizes } = indexer(layer);
  const [outputs, inputs] = sizes;
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++) {
      const factor = l[isInput ? i : o]!;
      w[at(o, i)]! *= sign > 0 ? factor : 1 / factor;
    }
}
