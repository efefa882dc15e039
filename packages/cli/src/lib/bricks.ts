// Weights gathered by the brick that they belong to; bricks that repeat from layer to layer are one row.

/** A weight. */
export interface WeightShape {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** A brick, and how often it occurs. */
export interface BrickRow {
  /** Its path, with `*` for the number of a layer. */
  readonly brick: string;
  readonly copies: number;
  /** Of one copy: `weight (128, 384), bias (384)`. */
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Of all copies together. */
  readonly parameters: number;
}

/** How many numbers a weight has. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The bricks in the order of their weights. Layers are one row only where all of their weights have the same shapes. */
export function brickRows(weights: Iterable<WeightShape>): BrickRow[] {
  const bricks = new Map<string, { name: string; shape: readonly number[] }[]>();
  for (const { name, shape } of weights) {
    const at = name.lastIndexOf('.');
    const path = name.slice(0, Math.max(0, at));
    const own = bricks.get(path) ?? [];
    own.push({ name: name.slice(at + 1), shape });
    bricks.set(path, own);
  }
  const rows = new Map<string, { -readonly [K in keyof BrickRow]: BrickRow[K] }>();
  for (const [path, own] of bricks) {
    const brick = path.replace(/(?<=^|\.)\d+(?=\.|$)/g, '*');
    const parameters = own.reduce((n, { shape }) => n + sizeOf(shape), 0);
    const key = JSON.stringify([brick, own]);
    const row = rows.get(key);
    if (row) {
      row.copies++;
      row.parameters += parameters;
    } else rows.set(key, { brick, copies: 1, weights: own, parameters });
  }
  // A row for one layer only says which.
  return [...rows.values()];
}
