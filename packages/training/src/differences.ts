// What differs between two plain values, leaf by leaf, to say in an error which option was changed.

/** Lines such as 'config.n_layer was 4, is 6'; none where the two are the same. */
export function differences(before: unknown, now: unknown, path = ''): string[] {
  if (Object.is(before, now)) return [];
  if (!isObject(before) || !isObject(now) || Array.isArray(before) !== Array.isArray(now))
    return [`${path || 'the value'} was ${show(before)}, is ${show(now)}`];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return keys.flatMap((key) => differences(before[key], now[key], path ? `${path}.${key}` : key));
}

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null;
const show = (x: unknown): string => (x === undefined ? 'not set' : JSON.stringify(x));
