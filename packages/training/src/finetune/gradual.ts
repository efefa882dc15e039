// Gradual unfreezing (Howard and Ruder, 2018, section 3.3): the head is trained first, then with it the last block, the one
// below, and so on down to the embeddings.
import { trainable, type Network } from '@brickwork/nn';
import type { Part } from '../flat-store.ts';
import type { Optimizer, OptimizerPart, Update } from '../optimizers/optimizer.ts';

const block = /^(.*?(?:^|\.)(?:layers?|h|blocks?)\.)(\d+)\./;

/**
 * In which stage each parameter thaws, from 0: what comes after the last block; then the blocks from the last to the first,
 * of an encoder-decoder the decoder's before the encoder's, each with what stands behind it; then what is below all of
 * them.
 *
 * @throws where the network has no numbered blocks.
 */
export function thawStages(network: Network): Map<string, number> {
  const names = [...trainable(network).keys()];
  const blockOf = (name: string): string | null => block.exec(name)?.slice(1, 3).join('') ?? null;
  const blocks = [...new Set(names.flatMap((name) => blockOf(name) ?? []))];
  if (!blocks.length) throw new Error('fine-tuning: the network has no numbered blocks to thaw one after another');
  const last = names.findLastIndex((name) => blockOf(name) !== null);
  const stages = new Map<string, number>();
  let below: string | null = null;
  names.forEach((name, i) => {
    below = blockOf(name) ?? below;
    stages.set(name, i > last ? 0 : below === null ? blocks.length + 1 : blocks.length - blocks.indexOf(below));
  });
  // Where nothing comes after the blocks, the last one is the first stage.
  const used = [...new Set(stages.values())].toSorted((a, b) => a - b);
  return new Map([...stages].map(([name, stage]) => [name, used.indexOf(stage)]));
}

/** Which parameters are trained at each step. */
export interface Thawing {
  /** The names of those that are thawed at a step, counted from 1; the same set for the same stage. */
  at(step: number): ReadonlySet<string>;
  /** An optimizer that leaves the others alone, and for which each one's first step is its first. */
  wrap(optimizer: Optimizer): Optimizer;
}

/** Thaws one stage more every so many steps. */
export function thawing(stages: ReadonlyMap<string, number>, parts: readonly Part[], every: number): Thawing {
  if (!(Number.isInteger(every) && every > 0))
    throw new Error(`fine-tuning: a stage of ${every} steps; needs a whole number above 0`);
  const count = 1 + Math.max(...stages.values());
  const stageAt = (step: number): number => Math.min(count - 1, Math.floor((step - 1) / every));
  const sets = Array.from(
    { length: count },
    (_, stage) => new Set([...stages].filter(([, own]) => own <= stage).map(([name]) => name)),
  );
  const stageOf = new Map(parts.map(({ name, begin }) => [begin, stages.get(name)!]));
  return {
    at: (step) => sets[stageAt(step)]!,
    wrap: (optimizer) => ({
      ...optimizer,
      update(weights: Float32Array, grads: Float32Array, all: readonly OptimizerPart[], update: Update) {
        let done: Promise<void> | undefined;
        for (let stage = 0; stage <= stageAt(update.step); stage++) {
          const own = all.filter(({ begin }) => stageOf.get(begin) === stage);
          if (!own.length) continue;
          const now = { ...update, step: update.step - stage * every };
          const go = (): void | Promise<void> => optimizer.update(weights, grads, own, now);
          done = done ? done.then(go) : (go() ?? undefined);
        }
        return done;
      },
    }),
  };
}
