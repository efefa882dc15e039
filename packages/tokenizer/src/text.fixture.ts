// Texts for tests: any UTF-16, and short ones made of what tokenizers stumble over.
import fc from 'fast-check';

const units = `ab'stmdrevlAΣς  \n\t\r1²½.,!-#[]éßİ中국\u0301\u0000\u00a0\u0085\ufeff\u2028\u3000\ufffd\ud800\udc00`;

/** Any text, half of them short ones of awkward characters: spaces, accents, contractions, emoji, lone surrogates. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(...units.split(''), '𝒜', '😀', '👩‍👧', '🇩🇪', 'hello', ' the', "don't", '<s>', '<|endoftext|>'),
      {
        maxLength: 20,
      },
    )
    .map((parts) => parts.join('')),
);
