// Flags as tables: each value is checked where it is read, so that `-n abc` is an error and not NaN.
import type { Options } from 'yargs';
import { usage } from './errors.ts';
import { nearest } from './nearest.ts';

interface Common {
  readonly describe: string;
  readonly alias?: string | readonly string[];
}
/** A flag with a number. */
export interface NumberFlag extends Common {
  readonly type: 'number';
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  /** Bounds that aren't allowed themselves. */
  readonly above?: number;
  readonly below?: number;
  readonly whole?: boolean;
}
/** A flag with a text. */
export interface TextFlag extends Common {
  readonly type: 'text';
  readonly default?: string;
  readonly required?: boolean;
}
/** A flag that may be given several times. */
export interface TextsFlag extends Common {
  readonly type: 'texts';
}
/** A flag with one of some words. */
export interface ChoiceFlag extends Common {
  readonly type: 'choice';
  readonly choices: readonly string[];
  readonly default?: string;
}
/** A flag that is on or off: `--echo`, `--no-echo`. */
export interface SwitchFlag extends Common {
  readonly type: 'switch';
  readonly default?: boolean;
}
/** One flag. */
export type Flag = NumberFlag | TextFlag | TextsFlag | ChoiceFlag | SwitchFlag;

/** The flags of a group for yargs' `options`, by name in kebab-case. */
export function flags(group: string, table: Readonly<Record<string, Flag>>): Record<string, Options> {
  return Object.fromEntries(
    Object.entries(table).map(([name, flag]): [string, Options] => {
      const { describe, alias = [] } = flag;
      const standard = flag.type === 'texts' || flag.default === undefined ? {} : { default: flag.default };
      const option: Options = { describe, alias, group: `${group}:`, ...standard };
      if (flag.type === 'switch') return [name, { ...option, type: 'boolean', coerce: one(name) }];
      // Without a type yargs hands the value over as it was written (main.ts switches its own reading of numbers off).
      const value: Options = { ...option, requiresArg: true, nargs: 1 };
      if (flag.type === 'number') return [name, { ...value, coerce: number(name, flag) }];
      if (flag.type === 'choice')
        return [name, { ...value, describe: `${describe}: ${flag.choices.join(', ')}`, coerce: choice(name, flag) }];
      if (flag.type === 'texts') return [name, { ...value, type: 'string', array: true }];
      return [name, { ...value, type: 'string', demandOption: flag.required ?? false, coerce: one(name) }];
    }),
  );
}

const one =
  (name: string) =>
  <T>(value: T): T => {
    if (Array.isArray(value)) throw usage(`--${name} was given more than once`);
    return value;
  };

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Reads a number. The result is within the flag's range, or there is an error that says what that is. */
export function number(
  name: string,
  flag: Omit<NumberFlag, 'describe' | 'type'>,
): (value: unknown) => number | undefined {
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity, whole = false } = flag;
  const range = [
    ...(above > -Infinity ? [`above ${above}`] : []),
    ...(min > -Infinity ? [`from ${min}`] : []),
    ...(below < Infinity ? [`below ${below}`] : []),
    ...(max < Infinity ? [`to ${max}`] : []),
  ];
  const needs = [whole ? 'a whole number' : 'a number', ...range].join(' ');
  return (value) => {
    if (value === undefined) return undefined;
    one(name)(value);
    const text = String(value).trim();
    const n = decimal.test(text) ? Number(text) : NaN;
    const fits = Number.isFinite(n) && n >= min && n <= max && n > above && n < below;
    if (!fits || (whole && !Number.isSafeInteger(n))) throw usage(`--${name} is '${text}'; needs ${needs}`);
    return n;
  };
}

function choice(name: string, { choices }: ChoiceFlag): (value: unknown) => string | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    one(name)(value);
    const text = String(value);
    if (choices.includes(text)) return text;
    const meant = nearest(text, choices);
    throw usage(`--${name} is '${text}'; needs one of ${choices.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`);
  };
}
