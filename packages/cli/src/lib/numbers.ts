// Numbers on the command line: every one is checked, as '-n abc' would otherwise be NaN.
import { usage } from './errors.ts';

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** The lower bound itself isn't allowed. */
  readonly above?: number;
  readonly whole?: boolean;
}

/** A check for yargs' `coerce`: the number itself, or a usage error that says what is allowed. */
export function number(
  flag: string,
  { min, max, above, whole = false }: Range = {},
): (value: unknown) => number | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    const n = typeof value === 'number' ? value : Number(value);
    const allowed = [
      whole ? 'a whole number' : 'a number',
      ...(above === undefined ? [] : [`above ${above}`]),
      ...(min === undefined ? [] : [`from ${min}`]),
      ...(max === undefined ? [] : [`up to ${max}`]),
    ].join(' ');
    if (Array.isArray(value)) throw usage(`--${flag} was given more than once`);
    const fits =
      Number.isFinite(n) &&
      (!whole || Number.isSafeInteger(n)) &&
      !(n < (min ?? -Infinity)) &&
      !(n > (max ?? Infinity)) &&
      !(above !== undefined && n <= above);
    if (!fits)
      throw usage(
        `--${flag} is ${typeof value === 'number' && Number.isNaN(value) ? 'not a number' : String(value)}; needs ${allowed}`,
      );
    return n;
  };
}
