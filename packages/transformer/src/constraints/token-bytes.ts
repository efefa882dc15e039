// The bytes that each token of a vocabulary writes in the middle of a text.
import type { Tokenizer } from '@brickwork/tokenizer';

interface Step {
  readonly type?: string;
  readonly decoders?: readonly Step[];
  readonly pattern?: { readonly String?: string };
}

// GPT-2's letters for bytes: printable ones stand for themselves, the others are moved up (Radford et al., 2019).
function byteLetters(): Map<string, number> {
  const letters = new Map<string, number>();
  let moved = 0;
  for (let byte = 0; byte < 256; byte++) {
    const isPlain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    letters.set(String.fromCodePoint(isPlain ? byte : 256 + moved++), byte);
  }
  return letters;
}

/** Bytes by id; null for tokens that write nothing (special ones) and for ids that have no token. */
export function tokenBytes(tokenizer: Tokenizer): (Uint8Array | null)[] {
  const { json, vocabularySize } = tokenizer;
  const steps: Step[] = [];
  const collect = (step: Step | null | undefined): void => {
    if (!step) return;
    steps.push(step);
    step.decoders?.forEach(collect);
  };
  collect(json['decoder'] as Step | null);
  const has = (type: string): boolean => steps.some((step) => step.type === type);
  const isMarked = has('Metaspace') || steps.some((step) => step.type === 'Replace' && step.pattern?.String === '▁');
  const letters = has('ByteLevel') ? byteLetters() : null;
  const added = (json['added_tokens'] ?? []) as readonly { id: number; special?: boolean; content: string }[];
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id));
  const plain = new Set(added.filter((token) => !token.special).map(({ id }) => id));
  const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');
  return Array.from({ length: vocabularySize }, (_, id) => {
    const token = tokenizer.idToToken(id);
    if (token === undefined || special.has(id)) return null;
    if (plain.has(id)) return utf8(token);
    if (letters) {
      const bytes = Array.from(token, (letter) => letters.get(letter));
      return bytes.includes(undefined) ? utf8(token) : Uint8Array.from(bytes as number[]);
    }
    const [, code] = has('ByteFallback') ? (/^<0x([0-9A-F]{2})>$/.exec(token) ?? []) : [];
    if (code !== undefined) return Uint8Array.of(Number.parseInt(code, 16));
    if (isMarked) return utf8(token.replaceAll('▁', ' '));
    if (has('WordPiece')) return utf8(token.startsWith('##') ? token.slice(2) : ` ${token}`);
    return utf8(token);
  });
}
