// What tokenizers stumble over, for tests that put texts together from it.

const units = `ab'stmdrevlAΣς  \n\t\r1²½.,!-#[]éßİ中국\u0301\u0000\u00a0\u0085\ufeff\u2028\u3000\ufffd\ud800\udc00`;

/** Spaces, accents, contractions, emoji, halves of surrogate pairs, special tokens. */
export const awkward: readonly string[] = [
  ...units.split(''),
  ...['𝒜', '😀', '👩‍👧', '🇩🇪', 'hello', 'them', '!!', 'ÉA', 'E\u0301A', ' the', "don't", '<s>', '<|endoftext|>'],
];
