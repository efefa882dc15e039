// Reads a SentencePiece model (Kudo and Richardson, 2018): a message of protocol buffers with pieces and how text becomes
// them. Only what is needed is read: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto

/** What a piece is. */
export type PieceKind = 'normal' | 'unknown' | 'control' | 'user' | 'unused' | 'byte';

/** One piece of the vocabulary; its id is its place. */
export interface Piece {
  readonly piece: string;
  readonly score: number;
  readonly kind: PieceKind;
}

/** A SentencePiece model. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  readonly type: 'unigram' | 'bpe' | 'word' | 'char';
  /** Characters without a piece become the pieces of their bytes. */
  readonly byteFallback: boolean;
  /** Ids; -1 where there is none. */
  readonly unknownId: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  /** How characters are normalized, compiled; empty where they aren't. */
  readonly charsmap: Uint8Array;
  readonly addsDummyPrefix: boolean;
  readonly removesExtraSpaces: boolean;
  readonly escapesSpaces: boolean;
}

const kinds: readonly (PieceKind | undefined)[] = [undefined, 'normal', 'unknown', 'control', 'user', 'unused', 'byte'];
const types = [undefined, 'unigram', 'bpe', 'word', 'char'] as const;

type Value = number | Uint8Array;

// The fields of a message in their order: whole numbers, and the bytes of everything else.
function* fields(bytes: Uint8Array): Generator<[field: number, value: Value]> {
  let at = 0;
  const fail = (): never => {
    throw new Error('it is no SentencePiece model, or was cut short');
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) fail();
      value += (byte! & 0x7f) * 2 ** shift;
      if (byte! < 0x80) return value;
    }
    return fail();
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) fail();
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key % 8;
    const field = Math.floor(key / 8);
    if (field === 0) fail();
    if (kind === 0) yield [field, varint()];
    else if (kind === 1) yield [field, take(8)];
    else if (kind === 2) yield [field, take(varint())];
    else if (kind === 5) yield [field, take(4)];
    else fail();
  }
}

// Negative numbers stand as 64 bits; the only one that is used is -1, for an id that isn't there.
const signed = (value: Value | undefined, otherwise: number): number => {
  if (typeof value !== 'number') return otherwise;
  return value >= 2 ** 63 ? -1 : value;
};
const bytesOf = (value: Value | undefined): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array());
const last = (message: Uint8Array): Map<number, Value> => new Map(fields(message));

/** Reads the bytes of a `spiece.model`, `tokenizer.model` or `.spm`. @throws where it is something else. */
export function readSentencePiece(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = [];
  let trainer = new Map<number, Value>();
  let normalizer = new Map<number, Value>();
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (value: Uint8Array, id: number): string => {
    try {
      return text.decode(value);
    } catch (cause) {
      throw new Error(`piece ${id} isn't UTF-8`, { cause });
    }
  };
  for (const [field, value] of fields(bytes)) {
    if (field === 1) {
      const piece = last(bytesOf(value));
      const score = bytesOf(piece.get(2));
      const kind = kinds[signed(piece.get(3), 1)];
      if (!kind)
        throw new Error(`piece ${pieces.length} is of the kind ${signed(piece.get(3), 1)}; needs one of 1 to 6`);
      pieces.push({
        piece: decode(bytesOf(piece.get(1)), pieces.length),
        score: score.length === 4 ? new DataView(score.buffer, score.byteOffset, 4).getFloat32(0, true) : 0,
        kind,
      });
    } else if (field === 2) trainer = last(bytesOf(value));
    else if (field === 3) normalizer = last(bytesOf(value));
  }
  if (!pieces.length) throw new Error('it is no SentencePiece model: it has no pieces');
  const type = types[signed(trainer.get(3), 1)];
  if (!type) throw new Error(`its model_type is ${signed(trainer.get(3), 1)}; needs 1 to 4`);
  const flag = (value: Value | undefined): boolean => signed(value, 1) !== 0;
  return {
    pieces,
    type,
    byteFallback: signed(trainer.get(35), 0) !== 0,
    unknownId: signed(trainer.get(40), 0),
    bosId: signed(trainer.get(41), 1),
    eosId: signed(trainer.get(42), 2),
    padId: signed(trainer.get(43), -1),
    charsmap: bytesOf(normalizer.get(2)),
    addsDummyPrefix: flag(normalizer.get(3)),
    removesExtraSpaces: flag(normalizer.get(4)),
    escapesSpaces: flag(normalizer.get(5)),
  };
}
