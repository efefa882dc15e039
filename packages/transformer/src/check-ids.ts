// Token ids that a network can't take, said while tracing.
import { show, type Tensor } from '@brickwork/graph';

/** @throws where ids are not (B, T), or T is known and more than the `most` positions that there are. */
export function checkIds(who: string, ids: Tensor, most: number = Infinity): void {
  if (ids.rank !== 2) throw new Error(`${who}: ids ${show(ids.shape)}; needs (B, T)`);
  const T = ids.shape[1]!;
  if (typeof T === 'number' && T > most)
    throw new Error(
      `${who}: a sequence of ${T} tokens, but max_position_embeddings is ${most}; cut it or train with more positions`,
    );
}
