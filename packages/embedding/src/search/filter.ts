// Conditions on what a record says about itself, as data, in the words of document stores (MongoDB's, which vector stores took over).

/** A value of a record's metadata. */
export type MetadataValue = string | number | boolean | null | readonly (string | number | boolean | null)[];
/** What a record says about itself. */
export type Metadata = Readonly<Record<string, MetadataValue>>;

/** What a field's value is to be. */
export interface FieldCondition {
  readonly $eq?: MetadataValue;
  readonly $ne?: MetadataValue;
  /** Numbers with numbers, strings (ISO dates, say) with strings; of other types nothing is more or less. */
  readonly $gt?: number | string;
  readonly $gte?: number | string;
  readonly $lt?: number | string;
  readonly $lte?: number | string;
  readonly $in?: readonly MetadataValue[];
  readonly $nin?: readonly MetadataValue[];
  /** A list that has the value, or a string that has the part. */
  readonly $contains?: string | number | boolean | null;
  readonly $exists?: boolean;
}

/** All fields' conditions hold, and all of `$and`, some of `$or`, not `$not`. A plain value is `$eq`. */
export type Filter = {
  readonly $and?: readonly Filter[];
  readonly $or?: readonly Filter[];
  readonly $not?: Filter;
} & { readonly [field: string]: MetadataValue | FieldCondition | readonly Filter[] | Filter | undefined };

/** Whether a record counts. */
export type Test = (metadata: Metadata) => boolean;

type Compare = (value: MetadataValue | undefined, wanted: never) => boolean;

const same = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((x, i) => x === b[i]) : a === b;
const ordered = (order: (a: number | string, b: number | string) => boolean): Compare =>
  ((value: MetadataValue | undefined, wanted: number | string) =>
    (typeof value === 'number' || typeof value === 'string') &&
    typeof value === typeof wanted &&
    order(value, wanted)) as Compare;

const operators: Readonly<Record<string, Compare>> = {
  $eq: (value, wanted) => same(value, wanted),
  $ne: (value, wanted) => !same(value, wanted),
  $gt: ordered((a, b) => a > b),
  $gte: ordered((a, b) => a >= b),
  $lt: ordered((a, b) => a < b),
  $lte: ordered((a, b) => a <= b),
  $in: (value, wanted: readonly MetadataValue[]) => wanted.some((one) => same(value, one)),
  $nin: (value, wanted: readonly MetadataValue[]) => !wanted.some((one) => same(value, one)),
  $contains: (value, wanted: string) =>
    typeof value === 'string'
      ? typeof wanted === 'string' && value.includes(wanted)
      : Array.isArray(value) && value.includes(wanted),
  $exists: (value, wanted: boolean) => (value !== undefined) === wanted,
};

const needs: Readonly<Record<string, readonly [string, (wanted: unknown) => boolean]>> = {
  ...Object.fromEntries(
    ['$gt', '$gte', '$lt', '$lte'].map((name) => [
      name,
      ['a number or a string', (w: unknown) => typeof w === 'string' || (typeof w === 'number' && !Number.isNaN(w))],
    ]),
  ),
  $in: ['a list', Array.isArray],
  $nin: ['a list', Array.isArray],
  $exists: ['true or false', (w) => typeof w === 'boolean'],
};

/** Makes a test of a filter. @throws where it has an operator that isn't known, or one a value that it can't have. */
export function compileFilter(filter: Filter): Test {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw new Error(`filter: ${JSON.stringify(filter)}; needs an object, such as { author: 'Doyle' }`);
  const tests = Object.entries(filter).map(([name, condition]): Test => {
    if (name === '$and' || name === '$or') {
      if (!Array.isArray(condition))
        throw new Error(`filter: ${name} is ${JSON.stringify(condition)}; needs a list of filters`);
      const all = (condition as readonly Filter[]).map(compileFilter);
      return name === '$and' ? (m) => all.every((test) => test(m)) : (m) => all.some((test) => test(m));
    }
    if (name === '$not') {
      const test = compileFilter(condition as Filter);
      return (m) => !test(m);
    }
    if (name.startsWith('$'))
      throw new Error(
        `filter: there is no operator ${name}; there are $and, $or, $not, and for fields ${Object.keys(operators).join(', ')}`,
      );
    return fieldTest(name, condition);
  });
  return (m) => tests.every((test) => test(m));
}

function fieldTest(field: string, condition: unknown): Test {
  const valueOf = (m: Metadata): MetadataValue | undefined => (Object.hasOwn(m, field) ? m[field] : undefined);
  if (condition === undefined) throw new Error(`filter: ${field} is undefined; needs a value or a condition`);
  if (typeof condition !== 'object' || condition === null || Array.isArray(condition))
    return (m) => same(valueOf(m), condition);
  const parts = Object.entries(condition);
  if (!parts.length) throw new Error(`filter: the condition of ${field} is empty`);
  const tests = parts.map(([name, wanted]): Test => {
    if (!Object.hasOwn(operators, name))
      throw new Error(`filter: ${field} has no operator ${name}; there are ${Object.keys(operators).join(', ')}`);
    const need = needs[name];
    if (need && !need[1](wanted))
      throw new Error(`filter: ${name} of ${field} is ${JSON.stringify(wanted)}; needs ${need[0]}`);
    const compare = operators[name]!;
    return (m) => compare(valueOf(m), wanted as never);
  });
  return (m) => tests.every((test) => test(m));
}
