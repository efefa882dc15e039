// What the optimizers' tests share: weights, gradients of fifty steps, and a run of an optimizer on them.
import { layout, type Part } from '../flat-store.ts';
import { decayGroups, type Optimizer, type OptimizerPart } from './optimizer.ts';

/** A matrix, a taller one, a bias, three matrices in one tensor, and a scalar. */
export const shapes: ReadonlyMap<string, readonly number[]> = new Map([
  ['wte.weight', [5, 3]],
  ['h.0.tall.weight', [7, 4]],
  ['h.0.bias', [6]],
  ['h.1.wide.weight', [3, 6]],
  ['h.1.conv.weight', [3, 2, 4]],
  ['scale', []],
]);
export const { parts, length }: { parts: readonly Part[]; length: number } = layout(shapes);

/** The weights that a run begins with. */
export const weight = (i: number): number => Math.cos(i) * 0.5;
/** The gradient of weight i at step t, as different in size as those of layers are. */
export const gradient = (t: number, i: number): number => Math.sin(0.7 * t + 1.3 * i) * 0.1 * 10 ** ((i % 5) - 3);

/** Runs fifty steps, the rate falling from `rate` to half of it. */
export async function fifty(
  optimizer: Optimizer,
  rate: number,
  groups: readonly OptimizerPart[] = decayGroups(parts),
): Promise<Float32Array> {
  const w = Float32Array.from({ length }, (_, i) => weight(i));
  for (let step = 1; step <= 50; step++) {
    const g = Float32Array.from({ length }, (_, i) => 4 * gradient(step, i));
    await optimizer.update(w, g, groups, { step, rate: rateAt(rate, step), scale: 0.25 });
  }
  return w;
}
export const rateAt = (rate: number, step: number): number => rate * (1 - step / 100);

/** How far the tensors of the parts are from those that `expected` gives for each, at most. */
export function farthest(w: Float32Array, expected: (part: Part) => readonly number[]): number {
  let most = 0;
  for (const part of parts) expected(part).forEach((x, i) => (most = Math.max(most, Math.abs(x - w[part.begin + i]!))));
  return most;
}
