// What the fields of transforms may be, and what several of them do.
import type { Random } from '@brickwork/nn';

/** One size for both sides, or height and width. */
export type SizeField = number | readonly [height: number, width: number];

export const sides = (size: SizeField): { height: number; width: number } =>
  typeof size === 'number' ? { height: size, width: size } : { height: size[0], width: size[1] };

export const sizeProblem = (size: unknown): string | null =>
  [size].flat().every((s) => Number.isSafeInteger(s) && (s as number) > 0 && (s as number) <= 2 ** 14) &&
  (!Array.isArray(size) || size.length === 2)
    ? null
    : `size is ${JSON.stringify(size)}; needs a whole number from 1 to ${2 ** 14}, or two: height and width`;

export const shareProblem = (name: string, value: number): string | null =>
  value >= 0 && value <= 1 ? null : `${name} is ${value}; needs a number from 0 to 1`;

export const rangeProblem = (
  name: string,
  value: readonly number[],
  { least = -Infinity, most = Infinity }: { least?: number; most?: number } = {},
): string | null =>
  Array.isArray(value) &&
  value.length === 2 &&
  value.every(Number.isFinite) &&
  value[0]! <= value[1]! &&
  value[0]! >= least &&
  value[1]! <= most
    ? null
    : `${name} is ${JSON.stringify(value)}; needs two numbers, the smaller first${Number.isFinite(least) ? `, from ${least} on` : ''}${Number.isFinite(most) ? `, to ${most} at most` : ''}`;

export const firstOf = (...problems: readonly (string | null)[]): string | null => problems.find(Boolean) ?? null;

/** The values in random order (Fisher and Yates). */
export function shuffled<T>(values: readonly T[], draw: Random): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = draw.integer(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** A value of 8 bits. */
export const clip8 = (x: number): number => (x <= 0 ? 0 : x >= 255 ? 255 : Math.round(x));
