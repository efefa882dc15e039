// Fields of config.json that only image networks have.
import type { Config } from '@brickwork/transformer';
import type { Size } from './patch-projection.ts';

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** A size in pixels: one number for both sides, or height and width. */
export function readSize(architecture: string, config: Config, field: string, standard: number): Size {
  const value = config[field] ?? standard;
  const both: unknown = typeof value === 'number' ? [value, value] : value;
  if (!Array.isArray(both) || both.length !== 2 || !both.every(isWhole))
    throw new Error(
      `${architecture} config: ${field} is ${JSON.stringify(value)}; needs a whole number above 0, or two: height and width`,
    );
  return both as unknown as Size;
}

/** A list of whole numbers above 0. */
export function readNumbers(
  architecture: string,
  config: Config,
  field: string,
  standard: readonly number[],
): readonly number[] {
  const value = config[field] ?? standard;
  if (!Array.isArray(value) || !value.length || !value.every(isWhole))
    throw new Error(
      `${architecture} config: ${field} is ${JSON.stringify(value)}; needs a list of whole numbers above 0`,
    );
  return value;
}

/** That a patch fits in an image. */
export function checkPatches(
  architecture: string,
  { image, patch }: { readonly image: Size; readonly patch: Size },
): void {
  if (patch.some((p, i) => p > image[i]!))
    throw new Error(
      `${architecture} config: patches of ${patch.join(' by ')} (patch_size) are larger than images of ${image.join(' by ')} (image_size)`,
    );
}

/** That a width divides into heads. */
export function checkHeads(architecture: string, width: number, heads: number): void {
  if (width % heads)
    throw new Error(`${architecture} config: the width ${width} (hidden_size) doesn't divide into ${heads} heads`);
}
