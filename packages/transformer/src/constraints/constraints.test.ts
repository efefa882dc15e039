// Grammars against JavaScript's own regular expressions and JSON Schema validation by ajv; and texts that are generated
// under them, whatever the model finds probable.
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Tokenizer, trainTokenizer } from '@brickwork/tokenizer';
import { collect } from '../generation/collect.ts';
import { FakeDecoder, hashLogits } from '../generation/fake-decoder.ts';
import { generateTokens } from '../generation/generate-tokens.ts';
import { constraintOf, jsonSchemaConstraint, regexConstraint, type Constraint } from './constraint.ts';
import { Matcher, type Grammar } from './grammar.ts';
import { jsonSchemaGrammar } from './json-schema.ts';
import { regularExpression } from './regular-expression.ts';

let bytes: Tokenizer;
beforeAll(async () => {
  const corpus =
    '{"name": "Ann", "age": 31, "tags": ["a", "b"], "ok": true, "none": null} caf\u00e9 \ud83d\ude00 2024-01-02 '.repeat(
      30,
    );
  bytes = new Tokenizer(await trainTokenizer([corpus], { type: 'bpe', vocabularySize: 360, specialTokens: ['<end>'] }));
});

const matches = (grammar: Grammar, text: string): boolean => {
  const matcher = new Matcher(grammar);
  let state: ReturnType<Matcher['next']> = matcher.start;
  for (const byte of Buffer.from(text, 'utf8')) state = state && matcher.next(state, byte);
  return state?.isComplete ?? false;
};

describe('regular expressions', () => {
  test.each([
    ['a|bc|', ['', 'a', 'bc', 'b', 'abc']],
    ['(ab){2,3}c?', ['abab', 'ababab', 'ababc', 'ab', 'abababab']],
    ['a{3}', ['aa', 'aaa', 'aaaa']],
    ['(a*)*b', ['b', 'aaab', 'a', '']],
    ['[^a-y]+', ['z', 'Z\u00e9\ud83d\ude00\u4e2d', 'a', 'zq', '']],
    ['.+', ['a b', 'a\nb', '\u2028', '\ud83d\ude00']],
    ['\\d\\w\\s', ['1a ', '1_\u00a0', 'a1 ', '1\u00e9 ']],
    ['\\p{Lu}\\P{Lu}', ['Aa', '\u00c9a', 'AA', 'a1']],
    ['[\\u{1F600}-\\u{1F64F}]', ['\ud83d\ude00', '\ud83d\ude4f', '\ud83d\ude50', 'a']],
    ['[\\u07f0-\\u0810]', ['\u07f0', '\u07ff', '\u0800', '\u0810', '\u0811', '\u07ef']],
    ['^(?:yes|no)$', ['yes', 'no', 'maybe']],
    ['[\\d.,-]+?', ['1.2', ',', 'a']],
    ['x(?<n>y)?', ['x', 'xy', 'y']],
  ])('%s', (pattern, texts) => {
    const own = new RegExp(`^(?:${pattern})$`, 'u');
    for (const text of texts) expect(matches(regularExpression(pattern), text), text).toBe(own.test(text));
  });

  // Shallow ones on short texts: JavaScript backtracks, so nested repetitions take it a time exponential in the length.
  test('random ones match what JavaScript matches', () => {
    const { pattern } = fc.letrec<{ pattern: string; atom: string }>((tie) => ({
      atom: fc.oneof(
        { maxDepth: 2 },
        fc.constantFrom('a', 'b', '[ab]', '[^a]', '\\d', '.', '\u00e9'),
        tie('pattern').map((inner) => `(?:${inner})`),
      ),
      pattern: fc
        .array(fc.tuple(tie('atom'), fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}')), {
          minLength: 1,
          maxLength: 3,
        })
        .chain((parts) =>
          fc.constantFrom(parts.map((p) => p.join('')).join(''), parts.map((p) => p.join('')).join('|')),
        ),
    }));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', '\u00e9', '\n'), maxLength: 5 });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 10 }), (one, texts) => {
        const own = new RegExp(`^(?:${one})$`, 'u');
        for (const t of texts) expect(matches(regularExpression(one), t)).toBe(own.test(t));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['(a)\\1', 'a back reference'],
    ['a(?=b)', 'an assertion'],
    ['a\\b', 'an assertion'],
    ['a^b', 'an anchor in the middle'],
    ['^a|b', 'an anchor in some alternatives only'],
    ['(', 'Unterminated group'],
  ])('%s is refused', (pattern, message) => {
    expect(() => regularExpression(pattern)).toThrow(message);
  });
});

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 8 },
    age: { type: 'integer', minimum: 0, maximum: 120 },
    ok: { type: 'boolean' },
  },
  required: ['name', 'age'],
  additionalProperties: false,
};
const tree = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: {
        value: { type: 'integer' },
        children: { type: 'array', items: { $ref: '#/$defs/node' }, maxItems: 2 },
      },
      required: ['value'],
      additionalProperties: false,
    },
  },
};
const schemas: [string, object][] = [
  ['an object', person],
  ['a recursive one', tree],
  [
    'choices',
    { anyOf: [{ const: 'a' }, { type: 'integer', exclusiveMinimum: -5, exclusiveMaximum: 5 }, { type: 'null' }] },
  ],
  ['an enum', { enum: ['x', 1, null, [true], { a: 'b' }] }],
  [
    'an array',
    { type: 'array', prefixItems: [{ type: 'boolean' }], items: { type: 'integer' }, minItems: 2, maxItems: 4 },
  ],
  ['a map', { type: 'object', additionalProperties: { type: 'number' }, minProperties: 1, maxProperties: 3 }],
  ['strings', { type: 'array', items: { type: 'string', pattern: '^[A-Z]{2}"\\d+$' }, minItems: 1, maxItems: 2 }],
  ['an enum of one type', { type: 'string', enum: ['x', 1, 'y', null] }],
  ['several types', { type: ['string', 'null'], minLength: 1, maxLength: 3 }],
  [
    'all of',
    {
      allOf: [
        { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
        { properties: { b: { type: 'null' } } },
      ],
    },
  ],
  [
    'optional properties',
    { type: 'object', properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } }, required: ['b'] },
  ],
];
const validator = (schema: object): ((value: unknown) => boolean) => new Ajv2020({ strict: false }).compile(schema);

describe('JSON Schema', () => {
  test.each<[object, unknown[]]>([
    [
      person,
      [
        { name: 'Ann', age: 3 },
        { name: 'Ann' },
        { name: 'a long long name', age: 3 },
        { name: 'A', age: 121 },
        { name: 'A', age: 120, ok: true },
      ],
    ],
    [{ type: 'integer', minimum: -12, maximum: 305 }, [-13, -12, -9, 0, 7, 99, 100, 299, 305, 306, 1000]],
    [{ type: 'integer', minimum: 17 }, [0, 16, 17, 18, 99, 100, 12345]],
    [{ type: 'string', pattern: 'b+' }, ['b', 'abc', 'ac', '"b"', '\\b']],
    [{ type: 'string', minLength: 2, maxLength: 3 }, ['a', 'ab', '\ud83d\ude00\ud83d\ude00', 'abcd', '"\\']],
    [{ type: 'array', prefixItems: [{ const: 1 }, { const: 2 }], items: false }, [[], [1], [1, 2], [1, 2, 3], [2]]],
    [
      { type: 'array', items: { type: 'null' }, minItems: 1, maxItems: 2 },
      [[], [null], [null, null], [null, null, null]],
    ],
    [{}, [1, 'a', null, true, [], {}, { a: [1, { b: -0.5e3 }] }, ['\u0001\n']]],
  ])('%j allows what ajv allows', (schema, values) => {
    const isValid = validator(schema);
    for (const value of values) {
      expect(matches(jsonSchemaGrammar(schema), JSON.stringify(value)), JSON.stringify(value)).toBe(isValid(value));
    }
  });
  test('line ends and indentation are allowed between parts, nothing else', () => {
    const grammar = jsonSchemaGrammar(person);
    expect(matches(grammar, JSON.stringify({ name: 'Ann', age: 3 }, null, 2))).toBe(true);
    expect(matches(grammar, '{"name":"Ann" ,"age":3}')).toBe(false);
    expect(matches(grammar, '{"name":"\\ud800","age":3}')).toBe(false); // half a character
  });
  test.each<[unknown, string]>([
    [{ type: 'array', uniqueItems: true }, 'uniqueItems is not supported'],
    [{ type: 'number', minimum: 1 }, 'minimum of number is not supported'],
    [{ type: 'string', format: 'hostname' }, 'the format "hostname" is not supported; there are date'],
    [{ type: 'text' }, 'no type is called "text"'],
    [{ properties: { a: { not: {} } } }, 'at /properties/a: not is not supported'],
    [{ $ref: '#/$defs/x' }, '$ref #/$defs/x leads nowhere'],
    [{ $ref: 'http://x' }, 'leads out of the document'],
    [{ type: 'integer', minimum: 5, maximum: 4 }, 'no whole number is from 5 to 4'],
    [{ type: 'string', pattern: '(a)\\1' }, 'a back reference'],
    [{ anyOf: [] }, 'anyOf needs a list'],
    [{ enum: [1, 5], minimum: 3 }, 'minimum'],
    [{ const: 3, type: 'string' }, 'no listed value is of ty'],
    [{ type: ['integer', 'number'], minimum: 3 }, 'minimum'],
    [7, '7 is no schema'],
    [false, 'false allows nothing'],
  ])('%j is refused', (schema, message) => {
    expect(() => jsonSchemaGrammar(schema)).toThrow(message);
  });
});

describe('generated texts', () => {
  const V = (): number => bytes.vocabularySize;
  const end = 0;
  async function written(
    constraint: Constraint,
    seed: number,
    maxNewTokens = 400,
    noise = 1,
  ): Promise<{ text: string; reason: string }> {
    // Endings are made likely, so that texts do end; all else is noise.
    const logits = (history: readonly number[]): Float32Array => {
      const all = hashLogits([...history, seed], V()).map((v) => v * noise);
      for (const token of ['"', '}', ']', '"}', '"]']) {
        const id = bytes.tokenToId(token);
        if (id !== undefined) all[id]! += 3 + history.length / 8;
      }
      all[end]! += 4;
      return all;
    };
    const decoder = new FakeDecoder({ vocabularySize: V(), contextLength: 2000, logits });
    const options = { constraint, maxNewTokens, doSample: true, seed, eosTokenIds: [end] };
    const [one] = await collect(generateTokens(decoder, [[1]], options));
    return { text: bytes.decode(one!.ids), reason: one!.finishReason };
  }

  test.each([
    '[a-c]{3}-\\d{2,4}',
    '(yes|no), (caf\u00e9|\ud83d\ude00)+!',
    '\\d{4}-\\d{2}-\\d{2}',
    '[\\u4e00-\\u9fff]{2}',
  ])('%s', async (pattern) => {
    const own = new RegExp(`^(?:${pattern})$`, 'u');
    for (let seed = 0; seed < 12; seed++) {
      const { text, reason } = await written(regexConstraint(bytes, pattern), seed);
      expect(reason).not.toBe('length');
      expect(text).toMatch(own);
    }
  });

  test.each(schemas)('%s: valid, or cut', async (_, schema) => {
    const isValid = validator(schema);
    let whole = 0;
    for (let seed = 0; seed < 10; seed++) {
      const constraint = jsonSchemaConstraint(bytes, schema);
      const { text, reason } = await written(constraint, seed);
      if (reason === 'length') continue;
      whole++;
      expect(isValid(JSON.parse(text)), text).toBe(true);
    }
    expect(whole).toBeGreaterThan(5);
  });

  test('without an end token a text ends where nothing can follow', async () => {
    const decoder = new FakeDecoder({ vocabularySize: V() });
    const options = { constraint: regexConstraint(bytes, 'ab?c'), maxNewTokens: 9 };
    const found = await collect(generateTokens(decoder, [[1], [2, 3]], options));
    for (const { ids, finishReason } of found) {
      expect(bytes.decode(ids)).toMatch(/^ab?c$/);
      expect(finishReason).toBe('stop');
    }
  });

  test('beams, greedy and a draft keep to it as well', async () => {
    const constraint = regexConstraint(bytes, '[ab]{2}\\d{3}');
    for (const more of [
      { numBeams: 3 },
      {},
      { draft: new FakeDecoder({ vocabularySize: V(), logits: (h) => hashLogits([...h, 1], V()) }) },
    ]) {
      const decoder = new FakeDecoder({ vocabularySize: V() });
      const [one] = await collect(
        generateTokens(decoder, [[1]], { constraint, eosTokenIds: [end], maxNewTokens: 20, ...more }),
      );
      expect(bytes.decode(one!.ids)).toMatch(/^[ab]{2}\d{3}$/);
    }
  });

  test('a vocabulary that can’t write it', async () => {
    const letters = new Tokenizer(await trainTokenizer(['abc'], { type: 'char' }));
    const decoder = new FakeDecoder({ vocabularySize: letters.vocabularySize });
    const run = collect(generateTokens(decoder, [[1]], { constraint: regexConstraint(letters, 'z'), maxNewTokens: 3 }));
    await expect(run).rejects.toThrow('no token of the vocabulary goes on from here');
    expect(constraintOf(letters, regularExpression('ab')).isComplete([0, 1])).toBe(true);
  });
});
