// Writes SentencePiece models for tests: the messages that Google's trainer would write, of a few pieces.
import type { Piece, PieceKind } from './sentence-piece.ts';

const kinds: readonly PieceKind[] = ['normal', 'unknown', 'control', 'user', 'unused', 'byte'];

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
    if (rest < 0x80n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}
const whole = (field: number, value: number): number[] => [...varint(BigInt(field * 8)), ...varint(BigInt(value))];
const bytes = (field: number, value: ArrayLike<number>): number[] => [
  ...varint(BigInt(field * 8 + 2)),
  ...varint(BigInt(value.length)),
  ...Array.from(value),
];
const float = (field: number, value: number): number[] => [
  ...varint(BigInt(field * 8 + 5)),
  ...new Uint8Array(Float32Array.of(value).buffer),
];

/** What a model is to be; ids that aren't there are -1. */
export interface ModelToWrite {
  readonly pieces: readonly Piece[];
  readonly type: 'unigram' | 'bpe' | 'word';
  readonly byteFallback?: boolean;
  readonly ids?: readonly [unknown: number, bos: number, eos: number, pad: number];
  readonly charsmap?: Uint8Array;
  readonly removesExtraSpaces?: boolean;
}

/** The bytes of a model. */
export function writeSentencePiece({ pieces, type, ids = [0, 1, 2, -1], ...o }: ModelToWrite): Uint8Array {
  const trainer = [
    ...whole(3, ['unigram', 'bpe', 'word'].indexOf(type) + 1),
    ...whole(35, o.byteFallback ? 1 : 0),
    ...ids.flatMap((id, i) => whole(40 + i, id)),
  ];
  const normalizer = [
    ...bytes(1, Buffer.from('identity')),
    ...bytes(2, o.charsmap ?? []),
    ...whole(3, 1),
    ...whole(4, o.removesExtraSpaces === false ? 0 : 1),
    ...whole(5, 1),
  ];
  return Uint8Array.from([
    ...pieces.flatMap(({ piece, score, kind }) =>
      bytes(1, [...bytes(1, Buffer.from(piece)), ...float(2, score), ...whole(3, kinds.indexOf(kind) + 1)]),
    ),
    ...bytes(2, trainer),
    ...bytes(3, normalizer),
  ]);
}

const piece = (text: string, score: number, kind: PieceKind = 'normal'): Piece => ({ piece: text, score, kind });

/** A BPE with bytes for what it doesn't know, as Llama's. */
export const llamaLike: ModelToWrite = {
  type: 'bpe',
  byteFallback: true,
  removesExtraSpaces: false,
  pieces: [
    piece('<unk>', 0, 'unknown'),
    piece('<s>', 0, 'control'),
    piece('</s>', 0, 'control'),
    ...Array.from({ length: 256 }, (_, i) => piece(`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`, 0, 'byte')),
    ...['th', '▁th', '▁the', 'an', '▁an', 'and', '▁and', 'he', '▁he', 'ab', 'abc', '▁▁'].map((text, i) =>
      piece(text, -i),
    ),
    ...[...'▁thenadbc'].map((text, i) => piece(text, -100 - i)),
  ],
};

/** A unigram model of a few words. */
export const unigramLike: ModelToWrite = {
  type: 'unigram',
  ids: [1, -1, 0, -1],
  pieces: [
    piece('</s>', 0, 'control'),
    piece('<unk>', 0, 'unknown'),
    ...Object.entries({
      '▁the': -2,
      '▁a': -2.5,
      '▁house': -4,
      house: -5,
      '▁ho': -4.5,
      use: -4.25,
      '▁': -3,
      s: -3.5,
    }).map(([text, score]) => piece(text, score)),
    ...[...'thearoui'].map((text, i) => piece(text, -7 - i / 8)),
  ],
};
