// SentencePiece's normalization of characters, as its models carry it: a double-array trie (Aoe, 1989; in Darts' layout)
// of byte sequences, and the texts that take their place.

/**
 * Makes the function that a `precompiled_charsmap` stands for: at each place the longest sequence that the trie has is
 * replaced, and a character that begins none stays.
 *
 * @throws where the bytes are something else.
 */
export function charsmapNormalizer(blob: Uint8Array): (text: string) => string {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const fail = (): never => {
    throw new Error('precompiled_charsmap holds no trie; is it cut short?');
  };
  const size = blob.length >= 4 ? view.getUint32(0, true) : fail();
  if (size % 4 || size === 0 || 4 + size > blob.length) fail();
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const texts = blob.subarray(4 + size);
  const replacements = new Map<number, string>();
  const replacement = (at: number): string => {
    let known = replacements.get(at);
    if (known === undefined) {
      const end = texts.indexOf(0, at);
      known = Buffer.from(texts.subarray(at, end < 0 ? texts.length : end)).toString('utf8');
      replacements.set(at, known);
    }
    return known;
  };
  // A unit holds the byte that leads to it, whether a sequence ends in it, and how far its children are.
  const childrenOf = (unit: number): number => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
  const endsHere = (unit: number): boolean => ((unit >>> 8) & 1) === 1;

  // Whether any sequence begins with this byte: most text has none.
  const root = childrenOf(units[0]!);
  const begins = Uint8Array.from({ length: 256 }, (_, byte) =>
    byte && labelOf(units[root ^ byte] ?? 0) === byte ? 1 : 0,
  );

  return (text) => {
    const bytes = Buffer.from(text);
    let out = '';
    let kept = 0;
    for (let at = 0; at < bytes.length;) {
      let length = 0;
      let value = 0;
      if (begins[bytes[at]!]) {
        let node = root;
        for (let i = at; i < bytes.length; i++) {
          const byte = bytes[i]!;
          node ^= byte;
          const unit = units[node];
          if (unit === undefined || byte === 0 || labelOf(unit) !== byte) break;
          node ^= childrenOf(unit);
          if (endsHere(unit)) {
            length = i + 1 - at;
            value = (units[node] ?? 0) & 0x7fffffff;
          }
        }
      }
      if (length) {
        out += bytes.toString('utf8', kept, at) + replacement(value);
        kept = at += length;
      } else {
        const first = bytes[at]!;
        at += first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
      }
    }
    return kept ? out + bytes.toString('utf8', kept) : text;
  };
}
