// Regular expressions as grammars. Parsed by regexpp, the parser that ESLint uses.
import { RegExpParser, type AST } from '@eslint-community/regexpp';
import { character, complement, type CodeRange } from './characters.ts';
import { choice, nothing, repeat, sequence, type Grammar } from './grammar.ts';

/** How a set of characters is written: as it is, or as a JSON string has it. */
export type WriteCharacters = (ranges: readonly CodeRange[]) => Grammar;

const digits: CodeRange[] = [[0x30, 0x39]];
const wordCharacters: CodeRange[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const lineEnds: CodeRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

/**
 * The texts that a regular expression (JavaScript's, with the flag `u`) matches as a whole.
 *
 * @throws where it isn't one, or has what no grammar of this kind can have: back references, look-around, word boundaries,
 *   anchors anywhere but at its ends.
 */
export function regularExpression(pattern: string, write: WriteCharacters = character): Grammar {
  return parsed(pattern, write).grammar;
}

/** As {@link regularExpression}, for searches: whether the pattern is bound to the text's beginning and end. */
export function parsed(
  pattern: string,
  write: WriteCharacters = character,
): { grammar: Grammar; atStart: boolean; atEnd: boolean } {
  let tree: AST.Pattern;
  try {
    tree = new RegExpParser({ ecmaVersion: 2024 }).parsePattern(pattern, 0, pattern.length, { unicode: true });
  } catch (cause) {
    throw new Error(`regular expression ${JSON.stringify(pattern)}: ${(cause as Error).message}`, { cause });
  }
  const refuse = (what: string): never => {
    throw new Error(`regular expression ${JSON.stringify(pattern)}: ${what} can't constrain a text; leave it out`);
  };
  const isAnchor = (e: AST.Element | undefined, kind: 'start' | 'end'): boolean =>
    e?.type === 'Assertion' && e.kind === kind;
  const all = tree.alternatives;
  const [starts, ends] = [
    all.filter(({ elements }) => isAnchor(elements[0], 'start')).length,
    all.filter(({ elements }) => isAnchor(elements.at(-1), 'end')).length,
  ];
  if ((starts && starts < all.length) || (ends && ends < all.length)) refuse('an anchor in some alternatives only');

  const alternatives = (of: readonly AST.Alternative[], isTop: boolean): Grammar =>
    choice(
      ...of.map(({ elements }) => {
        const own = elements.slice(isTop && starts ? 1 : 0, isTop && ends ? elements.length - 1 : elements.length);
        return own.length ? sequence(...own.map(element)) : nothing;
      }),
    );
  const element = (e: AST.Element): Grammar => {
    switch (e.type) {
      case 'Character':
        return write([[e.value, e.value]]);
      case 'CharacterSet':
        return write(setRanges(e));
      case 'CharacterClass':
        return write(classRanges(e));
      case 'Group':
        if (e.modifiers) refuse('a group with flags');
        return alternatives(e.alternatives, false);
      case 'CapturingGroup':
        return alternatives(e.alternatives, false);
      case 'Quantifier':
        return repeat(element(e.element), e.min, e.max);
      case 'Assertion':
        return refuse(e.kind === 'start' || e.kind === 'end' ? 'an anchor in the middle' : `an assertion (${e.raw})`);
      default:
        return refuse(e.type === 'Backreference' ? `a back reference (${e.raw})` : e.raw);
    }
  };
  const classRanges = (e: AST.CharacterClass): CodeRange[] => {
    const inside = e.elements.flatMap((one): CodeRange[] => {
      if (one.type === 'Character') return [[one.value, one.value]];
      if (one.type === 'CharacterClassRange') return [[one.min.value, one.max.value]];
      if (one.type === 'CharacterSet') return setRanges(one as AST.EscapeCharacterSet);
      return refuse(`the set ${one.raw}`);
    });
    return e.negate ? complement(inside) : inside;
  };
  return { grammar: alternatives(all, true), atStart: starts > 0, atEnd: ends > 0 };
}

function setRanges(e: AST.CharacterSet): CodeRange[] {
  const bare = (): CodeRange[] => {
    switch (e.kind) {
      case 'any':
        return complement(lineEnds);
      case 'digit':
        return digits;
      case 'word':
        return wordCharacters;
      case 'space':
        return propertyRanges('\\s');
      case 'property':
        return propertyRanges(`\\p{${e.value === null ? e.key : `${e.key}=${e.value}`}}`);
    }
  };
  return e.kind !== 'any' && e.negate ? complement(bare()) : bare();
}

// The code points that JavaScript itself takes for a property.
const properties = new Map<string, CodeRange[]>();
function propertyRanges(escape: string): CodeRange[] {
  const known = properties.get(escape);
  if (known) return known;
  const test = new RegExp(`^${escape}$`, 'u');
  const found: [number, number][] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code === 0xd800) code = 0xe000;
    if (!test.test(String.fromCodePoint(code))) continue;
    const last = found.at(-1);
    if (last && last[1] === code - 1) last[1] = code;
    else found.push([code, code]);
  }
  properties.set(escape, found);
  return found;
}
