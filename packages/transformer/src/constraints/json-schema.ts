// JSON Schema (2020-12) as a grammar of JSON texts.
import { character, complement, normalRanges, type CodeRange } from './characters.ts';
import { byteRange, choice, literal, nothing, optional, repeat, rule, sequence, type Grammar } from './grammar.ts';
import { parsed } from './regular-expression.ts';

type Schema = boolean | Readonly<Record<string, unknown>>;

// Keywords that say nothing of what is valid.
const annotations = [
  '$schema', '$id', '$anchor', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples',
  'deprecated', 'readOnly', 'writeOnly',
]; // prettier-ignore
const keywords: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: [],
  boolean: [],
  null: [],
};
const everywhere = ['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', '$ref'];

const formats: Readonly<Record<string, string>> = {
  date: '\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])',
  time: '([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)',
  'date-time':
    '\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)',
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  email: '[a-z0-9]([a-z0-9.+-]{0,30}[a-z0-9])?@[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{2,10}){1,2}',
  ipv4: '((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)',
};

const all: CodeRange[] = [[0, 0x10ffff]];
const mustEscape: CodeRange[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
const plain = complement(mustEscape);
const hex = choice(byteRange(0x30, 0x39), byteRange(0x41, 0x46), byteRange(0x61, 0x66));

/** Characters as they stand in a JSON string. */
function inString(ranges: readonly CodeRange[]): Grammar {
  const wanted = normalRanges(ranges);
  const parts: Grammar[] = [];
  const bare = intersect(wanted, plain);
  if (bare.length) parts.push(character(bare));
  for (const [from, to] of intersect(wanted, mustEscape))
    for (let code = from; code <= to; code++)
      parts.push(literal(JSON.stringify(String.fromCodePoint(code)).slice(1, -1)));
  return choice(...parts);
}
function intersect(a: readonly CodeRange[], b: readonly CodeRange[]): CodeRange[] {
  return a.flatMap(([from, to]) =>
    b.flatMap(([low, high]): CodeRange[] => {
      const both: CodeRange = [Math.max(from, low), Math.min(to, high)];
      return both[0] <= both[1] ? [both] : [];
    }),
  );
}

// Any character, escapes that JSON allows included; no half of a surrogate pair.
const anyCharacter = choice(
  character(plain),
  sequence(literal('\\'), choice(...Array.from('"\\/bfnrt', literal))),
  sequence(
    literal('\\u'),
    choice(
      sequence(choice(byteRange(0x30, 0x39), ...Array.from('ABCEFabcef', literal)), hex, hex, hex),
      sequence(choice(literal('D'), literal('d')), byteRange(0x30, 0x37), hex, hex),
    ),
  ),
);
const digit = byteRange(0x30, 0x39);
const integer = sequence(
  optional(literal('-')),
  choice(literal('0'), sequence(byteRange(0x31, 0x39), repeat(digit, 0, 14))),
);
const number = sequence(
  integer,
  optional(sequence(literal('.'), repeat(digit, 1, 15))),
  optional(
    sequence(choice(literal('e'), literal('E')), optional(choice(literal('+'), literal('-'))), repeat(digit, 1, 2)),
  ),
);
// Between parts: nothing, a space, or a line with its indentation.
const space = optional(choice(literal(' '), sequence(literal('\n'), repeat(literal(' '), 0, 24))));

/**
 * The JSON texts that a schema allows.
 *
 * Supported: type (one or several), enum, const, anyOf, oneOf (as anyOf), allOf of objects, $ref within the document (also
 * recursive), properties in their order, required, additionalProperties for maps, items, prefixItems, minItems, maxItems,
 * minLength, maxLength (not with pattern), pattern, format (date, time, date-time, uuid, email, ipv4), bounds of integers.
 * Objects have their listed properties only.
 *
 * @throws naming any other keyword that says what is valid: none is ignored.
 */
export function jsonSchemaGrammar(root: unknown): Grammar {
  const refs = new Map<string, Grammar>();
  const fail = (where: string, what: string): never => {
    throw new Error(`JSON schema${where ? ` at ${where}` : ''}: ${what}`);
  };
  const isSchema = (value: unknown): value is Schema =>
    typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value));
  const check = (value: unknown, where: string): Schema =>
    isSchema(value) ? value : fail(where, `${JSON.stringify(value)} is no schema`);
  const count = (schema: Readonly<Record<string, unknown>>, name: string, standard: number, where: string): number => {
    const value = schema[name] ?? standard;
    const fits = value === Infinity || (Number.isInteger(value) && (value as number) >= 0);
    return fits ? (value as number) : fail(where, `${name} is ${JSON.stringify(value)}; needs a whole number from 0`);
  };

  const any: Grammar = rule(() =>
    choice(
      objectOf(sequence(stringOf(repeat(anyCharacter)), literal(':'), space, any), 0, Infinity),
      arrayOf([], any, 0, Infinity),
      stringOf(repeat(anyCharacter)),
      number,
      literal('true'),
      literal('false'),
      literal('null'),
    ),
  );
  const stringOf = (characters: Grammar): Grammar => sequence(literal('"'), characters, literal('"'));
  const comma = sequence(literal(','), space);
  const objectOf = (member: Grammar, least: number, most: number): Grammar =>
    sequence(literal('{'), space, listOf(member, least, most), space, literal('}'));
  const listOf = (one: Grammar, least: number, most: number): Grammar => {
    if (most <= 0) return nothing;
    const some = sequence(one, repeat(sequence(comma, one), Math.max(0, least - 1), most - 1));
    return least > 0 ? some : optional(some);
  };
  const arrayOf = (first: readonly Grammar[], rest: Grammar | null, least: number, most: number): Grammar => {
    // After the first ones, as many as are missing; each place once.
    const from = (i: number): Grammar => {
      if (i >= most) return nothing;
      const isListed = i < first.length;
      if (!isListed && !rest) return nothing;
      if (!isListed && i > 0) return repeat(sequence(comma, rest!), Math.max(0, least - i), most - i);
      if (!isListed) return listOf(rest!, least, most);
      const own = i ? sequence(comma, first[i]!) : first[i]!;
      const tail = sequence(own, from(i + 1));
      return i < least ? tail : optional(tail);
    };
    return sequence(literal('['), space, from(0), space, literal(']'));
  };

  const value = (given: unknown, where: string): Grammar => {
    const schema = check(given, where);
    if (schema === true) return any;
    if (schema === false) return fail(where, 'false allows nothing');
    const names = Object.keys(schema).filter((name) => !annotations.includes(name));
    const known = [...everywhere, ...Object.values(keywords).flat()];
    for (const name of names) if (!known.includes(name)) fail(where, `${name} is not supported`);
    if ('$ref' in schema) {
      if (names.length > 1)
        fail(where, `$ref stands beside ${names.filter((n) => n !== '$ref').join(', ')}, which isn't supported`);
      return reference(schema['$ref'], where);
    }
    if ('const' in schema || 'enum' in schema) {
      const beside = names.filter((name) => name !== 'type' && name !== ('const' in schema ? 'const' : 'enum'));
      if (beside.length) return fail(where, `${beside.join(', ')} beside enum or const is not supported`);
      const list = 'const' in schema ? [schema['const']] : schema['enum'];
      if (!Array.isArray(list) || !list.length) return fail(where, 'enum needs a list of values');
      const types = 'type' in schema ? ([schema['type']].flat() as string[]) : null;
      const kept = types ? list.filter((one: unknown) => types.some((type) => isOf(one, type))) : list;
      if (!kept.length) return fail(where, `no listed value is of type ${types!.join(' or ')}`);
      return choice(...kept.map((one) => literal(JSON.stringify(one))));
    }
    for (const name of ['anyOf', 'oneOf'] as const) {
      if (!(name in schema)) continue;
      const list = schema[name];
      if (!Array.isArray(list) || !list.length) return fail(where, `${name} needs a list of schemas`);
      const { [name]: _, ...beside } = schema;
      return choice(
        ...list.map((one: unknown, i) => {
          const own = check(one, `${where}/${name}/${i}`);
          return value(
            own === true ? beside : typeof own === 'object' ? merged([beside, own], where) : own,
            `${where}/${name}/${i}`,
          );
        }),
      );
    }
    if ('allOf' in schema) {
      const list = schema['allOf'];
      if (!Array.isArray(list) || !list.length) return fail(where, 'allOf needs a list of schemas');
      const { allOf: _, ...beside } = schema;
      return value(
        merged([beside, ...list.map((one: unknown, i) => resolved(one, `${where}/allOf/${i}`))], where),
        where,
      );
    }
    const types = [schema['type'] ?? guessed(schema)].flat() as string[];
    if (!types.length) return any;
    for (const type of types)
      if (!Object.hasOwn(keywords, type)) fail(where, `no type is called ${JSON.stringify(type)}`);
    // A bound beside integers would not hold for the other numbers.
    const mine = types
      .flatMap((type) => keywords[type]!)
      .filter((name) => !types.includes('number') || !keywords['integer']!.includes(name));
    for (const name of names)
      if (!everywhere.includes(name) && !mine.includes(name))
        fail(where, `${name} of ${types.join(' or ')} is not supported`);
    return choice(...types.map((type) => typed(type, schema, where)));
  };

  const typed = (type: string, schema: Readonly<Record<string, unknown>>, where: string): Grammar => {
    switch (type) {
      case 'object':
        return object(schema, where);
      case 'array': {
        const first = schema['prefixItems'] ?? [];
        if (!Array.isArray(first)) return fail(where, 'prefixItems needs a list of schemas');
        const items = schema['items'] ?? true;
        const [least, most] = [count(schema, 'minItems', 0, where), count(schema, 'maxItems', Infinity, where)];
        if (least > most || (items === false && least > first.length))
          return fail(where, `minItems ${least} is more than there can be`);
        return arrayOf(
          first.map((one: unknown, i) => rule(() => value(one, `${where}/prefixItems/${i}`))),
          items === false ? null : lazily(items, `${where}/items`),
          least,
          most,
        );
      }
      case 'string':
        return stringOf(characters(schema, where));
      case 'integer':
        return bounded(schema, where);
      case 'number':
        return number;
      case 'boolean':
        return choice(literal('true'), literal('false'));
      default:
        return literal('null');
    }
  };
  // Checked now, so that what isn't supported is said at once, but made when needed, as schemas may nest in themselves.
  const open = new Set<unknown>();
  const lazily = (schema: unknown, where: string): Grammar => {
    if (open.has(schema)) return rule(() => value(schema, where));
    open.add(schema);
    const made = value(schema, where);
    open.delete(schema);
    return made;
  };

  const object = (schema: Readonly<Record<string, unknown>>, where: string): Grammar => {
    const given = schema['properties'] ?? {};
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      return fail(where, 'properties needs schemas by name');
    const required = schema['required'] ?? [];
    if (!Array.isArray(required) || !required.every((name) => typeof name === 'string'))
      return fail(where, 'required needs a list of names');
    const [least, most] = [count(schema, 'minProperties', 0, where), count(schema, 'maxProperties', Infinity, where)];
    const others = schema['additionalProperties'] ?? true;
    const listed = Object.entries(given);
    const names = [...listed.map(([name]) => name), ...required.filter((name) => !Object.hasOwn(given, name))];
    if (!names.length) {
      if (others === false)
        return least
          ? fail(where, 'no property may be there, but minProperties asks for some')
          : objectOf(nothing, 0, 0);
      const member = sequence(
        stringOf(repeat(anyCharacter)),
        literal(':'),
        space,
        lazily(others, `${where}/additionalProperties`),
      );
      return objectOf(member, least, most);
    }
    if (least > required.length || most < names.length)
      return fail(where, 'minProperties and maxProperties beside properties are not supported');
    const byName = new Map<string, unknown>(listed);
    const members = names.map((name) => {
      if (!byName.has(name) && others === false)
        return fail(where, `${name} is required, but additionalProperties is false`);
      const own = byName.has(name) ? byName.get(name) : others;
      return sequence(literal(JSON.stringify(name)), literal(':'), space, lazily(own, `${where}/properties/${name}`));
    });
    const rules = new Map<string, Grammar>();
    const from = (i: number, needsComma: boolean): Grammar => {
      if (i === names.length) return nothing;
      const key = `${i}/${needsComma}`;
      const known = rules.get(key);
      if (known) return known;
      const made = rule(() => {
        const taken = sequence(...(needsComma ? [comma] : []), members[i]!, from(i + 1, true));
        return required.includes(names[i]!) ? taken : choice(taken, from(i + 1, needsComma));
      });
      rules.set(key, made);
      return made;
    };
    return sequence(literal('{'), space, from(0, false), space, literal('}'));
  };

  const characters = (schema: Readonly<Record<string, unknown>>, where: string): Grammar => {
    const [least, most] = [count(schema, 'minLength', 0, where), count(schema, 'maxLength', Infinity, where)];
    const { pattern, format } = schema;
    if (pattern === undefined && format === undefined) {
      if (least > most) return fail(where, `minLength ${least} is more than maxLength ${most}`);
      return repeat(anyCharacter, least, most);
    }
    if (pattern !== undefined && format !== undefined) return fail(where, 'pattern beside format is not supported');
    if ('minLength' in schema || 'maxLength' in schema)
      return fail(
        where,
        'minLength and maxLength beside pattern or format are not supported; write them into the pattern',
      );
    if (format !== undefined) {
      const own = formats[String(format)];
      return own
        ? parsed(own, inString).grammar
        : fail(
            where,
            `the format ${JSON.stringify(format)} is not supported; there are ${Object.keys(formats).join(', ')}`,
          );
    }
    if (typeof pattern !== 'string') return fail(where, 'pattern needs a regular expression');
    const { grammar, atStart, atEnd } = parsed(pattern, inString);
    // A pattern that isn't bound to an end may match anywhere.
    const free = repeat(inString(all));
    return sequence(...(atStart ? [] : [free]), grammar, ...(atEnd ? [] : [free]));
  };

  const bounded = (schema: Readonly<Record<string, unknown>>, where: string): Grammar => {
    const bound = (name: string): number | null => {
      const own = schema[name];
      if (own === undefined) return null;
      return typeof own === 'number' && Number.isFinite(own)
        ? own
        : fail(where, `${name} is ${JSON.stringify(own)}; needs a number`);
    };
    const [minimum, maximum, above, below] = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].map(bound);
    if ([minimum, maximum, above, below].every((one) => one === null)) return integer;
    const limit = 10 ** 15 - 1;
    const low = Math.max(-limit, Math.ceil(minimum ?? -limit), above === null ? -limit : Math.floor(above!) + 1);
    const high = Math.min(limit, Math.floor(maximum ?? limit), below === null ? limit : Math.ceil(below!) - 1);
    if (low > high) return fail(where, `no whole number is from ${low} to ${high}`);
    const parts: Grammar[] = [];
    if (low < 0) parts.push(sequence(literal('-'), upTo(Math.max(1, -high), -low)));
    if (high >= 0) parts.push(upTo(Math.max(0, low), high));
    return choice(...parts);
  };

  // Whole numbers from 0 on between two, by their digits.
  const upTo = (from: number, to: number): Grammar => {
    const parts: Grammar[] = [];
    for (let length = String(from).length; length <= String(to).length; length++) {
      const low = String(Math.max(from, length === 1 ? 0 : 10 ** (length - 1)));
      const high = String(Math.min(to, 10 ** length - 1));
      if (Number(low) <= Number(high)) parts.push(sameLength(low, high));
    }
    return choice(...parts);
  };
  const sameLength = (low: string, high: string): Grammar => {
    if (!low) return nothing;
    const [a, b] = [low.charCodeAt(0), high.charCodeAt(0)];
    const n = low.length - 1;
    const free = repeat(digit, n, n);
    if (a === b) return sequence(byteRange(a, a), sameLength(low.slice(1), high.slice(1)));
    return choice(
      sequence(byteRange(a, a), sameLength(low.slice(1), '9'.repeat(n))),
      ...(b - a > 1 ? [sequence(byteRange(a + 1, b - 1), free)] : []),
      sequence(byteRange(b, b), sameLength('0'.repeat(n), high.slice(1))),
    );
  };

  const lookUp = (ref: unknown, where: string): unknown => {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref))
      return fail(where, `$ref ${JSON.stringify(ref)} leads out of the document, which isn't supported`);
    let at: unknown = root;
    for (const part of ref.slice(2).split('/').filter(Boolean)) {
      const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      at = (at as Record<string, unknown> | null)?.[name];
      if (at === undefined) return fail(where, `$ref ${ref} leads nowhere`);
    }
    return at;
  };
  const reference = (ref: unknown, where: string): Grammar => {
    const target = lookUp(ref, where);
    const key = String(ref);
    const known = refs.get(key);
    if (known) return known;
    // The schema may refer to itself.
    const own: { grammar?: Grammar } = {};
    refs.set(
      key,
      rule(() => own.grammar!),
    );
    own.grammar = value(target, key);
    return own.grammar;
  };
  const resolved = (given: unknown, where: string): Schema => {
    const schema = check(given, where);
    return typeof schema === 'object' && '$ref' in schema ? resolved(lookUp(schema['$ref'], where), where) : schema;
  };
  // Several schemas as one: objects' properties together, other keywords only where they don't meet.
  const merged = (schemas: readonly Schema[], where: string): Schema => {
    const out: Record<string, unknown> = {};
    for (const schema of schemas) {
      if (schema === true) continue;
      if (schema === false) return fail(where, 'false allows nothing');
      for (const [name, own] of Object.entries(schema)) {
        if (annotations.includes(name)) continue;
        const before = out[name];
        if (before === undefined || JSON.stringify(before) === JSON.stringify(own)) out[name] = own;
        else if (name === 'required') out[name] = [...new Set([...(before as string[]), ...(own as string[])])];
        else if (name === 'properties') {
          const twice = Object.keys(own as object).find((key) => Object.hasOwn(before as object, key));
          if (twice !== undefined) fail(where, `the property ${twice} is described twice, which isn't supported`);
          out[name] = { ...(before as object), ...(own as object) };
        } else fail(where, `${name} is said twice, which isn't supported`);
      }
    }
    return out;
  };
  return value(root, '');
}

/** Whether a value is of a type, as JSON Schema names them. */
function isOf(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  return typeof value === type && (type !== 'object' || (value !== null && !Array.isArray(value)));
}

// What a schema without a type is about.
function guessed(schema: Readonly<Record<string, unknown>>): string[] {
  const found = Object.entries(keywords).find(
    ([type, names]) => type !== 'number' && names.some((name) => name in schema),
  );
  return found ? [found[0]] : [];
}
