// Vectors in fewer bits: a byte for each axis between the axis' least and largest value, or one bit for its sign, as
// sentence-transformers' quantize_embeddings (Shakir et al., 2024) writes them.

/** How vectors are kept. `binary` and `ubinary` hold eight signs in a byte, as int8 (less 128) and uint8. */
export type Precision = 'float32' | 'int8' | 'uint8' | 'binary' | 'ubinary';

/** The precisions by name. */
export const precisions: readonly Precision[] = ['float32', 'int8', 'uint8', 'binary', 'ubinary'];

/** What an axis reaches from and to, in the vectors that bytes are to tell apart. */
export interface VectorRanges {
  readonly low: Float32Array;
  readonly high: Float32Array;
}

/** What each precision's vectors are. */
export interface Quantized {
  readonly float32: Float32Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly binary: Int8Array;
  readonly ubinary: Uint8Array;
}

/** The least and largest value of each axis. @throws where there are no vectors, or they differ in length. */
export function vectorRanges(vectors: readonly Float32Array[]): VectorRanges {
  const D = vectors[0]?.length;
  if (!D) throw new Error('vectorRanges: there are no vectors to take ranges of');
  const [low, high] = [vectors[0]!.slice(), vectors[0]!.slice()];
  for (const [row, vector] of vectors.entries()) {
    if (vector.length !== D) throw new Error(`vectorRanges: vector ${row} has ${vector.length} axes; needs ${D}`);
    for (let i = 0; i < D; i++) {
      const x = vector[i]!;
      if (!Number.isFinite(x)) throw new Error(`vectorRanges: vector ${row} holds ${x}; needs finite numbers`);
      if (x < low[i]!) low[i] = x;
      if (x > high[i]!) high[i] = x;
    }
  }
  return { low, high };
}

/**
 * Vectors in another precision. Bytes need ranges: those of `ranges`, or else of the vectors themselves, which should then be
 * a hundred or more. What is outside of them is cut to their ends; an axis that never varies is its lowest byte.
 *
 * @throws where the vectors differ in length or hold what isn't finite, ranges are of another length, or signs don't fill
 *   bytes: eight axes each.
 */
export function quantizeVectors<P extends Precision>(
  vectors: readonly Float32Array[],
  precision: P,
  { ranges }: { readonly ranges?: VectorRanges } = {},
): Quantized[P][] {
  if (!precisions.includes(precision))
    throw new Error(`quantizeVectors: no precision ${JSON.stringify(precision)}; there are ${precisions.join(', ')}`);
  const D = vectors[0]?.length ?? 0;
  vectors.forEach((vector, row) => {
    if (vector.length !== D) throw new Error(`quantizeVectors: vector ${row} has ${vector.length} axes; needs ${D}`);
    const bad = vector.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new Error(`quantizeVectors: vector ${row} holds ${vector[bad]}; needs finite numbers`);
  });
  const made = ((): Quantized[Precision][] => {
    if (precision === 'float32') return vectors.map((vector) => vector.slice());
    if (!vectors.length) return [];
    if (precision === 'binary' || precision === 'ubinary') {
      const packed = vectors.map(packSigns);
      return precision === 'ubinary' ? packed : packed.map((bytes) => Int8Array.from(bytes, (byte) => byte - 128));
    }
    const own = ranges ?? vectorRanges(vectors);
    if (own.low.length !== D || own.high.length !== D)
      throw new Error(
        `quantizeVectors: ranges of ${own.low.length} and ${own.high.length} axes; the vectors have ${D}`,
      );
    return vectors.map((vector) => toBytes(vector, own, precision === 'int8' ? 128 : 0));
  })();
  return made as Quantized[P][];
}

// In float32 at every step and towards zero at the end, as numpy does.
function toBytes(vector: Float32Array, { low, high }: VectorRanges, shift: number): Int8Array | Uint8Array {
  const bytes = shift ? new Int8Array(vector.length) : new Uint8Array(vector.length);
  for (let i = 0; i < vector.length; i++) {
    const step = Math.fround(Math.fround(high[i]! - low[i]!) / 255);
    const at = step > 0 ? Math.fround(Math.fround(vector[i]! - low[i]!) / step) : 0;
    bytes[i] = Math.trunc(Math.fround(Math.min(255, Math.max(0, at)) - shift));
  }
  return bytes;
}

/** A bit for each axis, 1 where it is above 0, the first in the highest place, as numpy's packbits. */
export function packSigns(vector: ArrayLike<number>): Uint8Array {
  if (vector.length % 8)
    throw new Error(`packSigns: ${vector.length} axes; needs a multiple of 8, for eight signs fill a byte`);
  const bytes = new Uint8Array(vector.length / 8);
  for (let i = 0; i < vector.length; i++) if (vector[i]! > 0) bytes[i >> 3]! |= 128 >> (i & 7);
  return bytes;
}
