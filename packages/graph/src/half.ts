// The same graph in float16, for GPUs: half the memory, and twice the speed where the card has units for it.
import { cast } from './ops/cast.ts';
import { rewrite } from './rewrite.ts';
import { applyAll, constant, input, type Data, type Tensor } from './tensor.ts';

/** What stays as it was. */
export interface HalfOptions {
  /** Inputs and outputs that stay float32 and are converted at the border; those that are left out become float16. */
  readonly keep?: (name: string) => boolean;
}

const largest = 65504;

/** Writes float32 values as float16 (IEEE 754, to the nearest, ties to even); what is too large becomes the largest. */
export function toHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  const one = new Float32Array(1);
  const own = new Uint32Array(one.buffer);
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!;
    const sign = (bits[i]! >>> 16) & 0x8000;
    const size = Math.abs(x);
    if (Number.isNaN(x)) halves[i] = 0x7e00;
    else if (size >= largest) halves[i] = sign | 0x7bff;
    else if (size < 2 ** -14) halves[i] = sign | roundEven(size * 2 ** 24);
    else {
      one[0] = size;
      const u = own[0]!;
      const rest = u & 0x1fff;
      const half = (u >>> 13) - (112 << 10);
      const h = rest > 0x1000 || (rest === 0x1000 && half & 1) ? half + 1 : half;
      halves[i] = sign | Math.min(h, 0x7bff);
    }
  }
  return halves;
}

function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

/**
 * Outputs computed in float16. Squares, and what is made of them until they are divided by (the scale of a norm), stay in
 * float32, as they are soon too large.
 */
export function inHalf(
  outputs: Readonly<Record<string, Tensor>>,
  { keep = () => false }: HalfOptions = {},
): Record<string, Tensor> {
  const halves = rewrite(outputs, {
    leaf(x) {
      if (x.dtype !== 'float32') return null;
      if (x.data) return constant(toHalf(x.data as Float32Array) as Data, x.shape as number[], 'float16');
      if (!x.name) return null;
      return keep(x.name) ? cast(x, 'float16') : input(x.name, x.shape, 'float16');
    },
    node({ op, attrs, outputs: before }, inputs) {
      const isSquare = op.name === 'Mul' && inputs[0] === inputs[1] && inputs[0]?.dtype === 'float16';
      const wide = isSquare || (op.name !== 'Cast' && inputs.some((x) => x.dtype === 'float32'));
      const given = wide ? inputs.map((x) => (x.dtype === 'float16' ? cast(x, 'float32') : x)) : inputs;
      const isEnd = op.name === 'Reciprocal' || op.name === 'Div' || !wide;
      return applyAll(op as never, given, attrs).map((y, i) =>
        before[i]!.dtype === 'float32' && y.dtype === 'float32' && isEnd ? cast(y, 'float16') : y,
      );
    },
  });
  return Object.fromEntries(
    Object.entries(halves).map(([name, y]) => {
      const wanted = outputs[name]!.dtype !== 'float32' ? y.dtype : keep(name) ? 'float32' : 'float16';
      return [name, cast(y, wanted)];
    }),
  );
}
