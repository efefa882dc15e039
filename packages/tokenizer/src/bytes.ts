// The byte alphabet of GPT-2 (Radford et al., 2019): each of the 256 bytes is written as one printable character.

/** The character that stands for a byte: printable Latin-1 bytes are themselves, the rest follow from U+0100. */
export const byteToChar: readonly string[] = buildByteToChar();

/** The byte that a character stands for. Only the 256 characters of {@link byteToChar} are keys. */
export const charToByte: ReadonlyMap<string, number> = new Map(byteToChar.map((char, byte) => [char, byte]));

function buildByteToChar(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte < 0xad) || (byte > 0xad && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

/** The UTF-8 bytes of a text, written in the byte alphabet: `' é'` is `'ĠÃ©'`. */
export function toByteChars(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text)) out += byteToChar[byte];
  return out;
}

/** A text as UTF-8 can hold it: halves of surrogate pairs become U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
