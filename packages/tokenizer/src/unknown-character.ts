// The error for a character that a vocabulary without an unknown token does not have.

/** Names the character at a place of a text. */
export function unknownCharacter(text: string, at: number, vocabularySize: number): Error {
  const codePoint = text.codePointAt(at)!;
  const isHalf = codePoint >= 0xd800 && codePoint < 0xe000;
  const shown = isHalf
    ? 'half of a surrogate pair'
    : `the character ${JSON.stringify(String.fromCodePoint(codePoint))}`;
  const code = `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
  return new Error(
    `encode: ${shown} (${code}) at position ${at} is not in the vocabulary of ${vocabularySize} tokens, which has no ` +
      `unknown token. Take it out of the text, or train a vocabulary that has it, or one with specialTokens ["<unk>"]`,
  );
}
