// A class and the language model that speaks for it, opened by folder or name.
import type { CompileOptions } from '@brickwork/runtime';
import { Scorer, type Scored, type ScoreOptions } from '@brickwork/transformer';

/** What gives the likelihood of texts; a `Scorer`, or anything that scores as it does. */
export interface TextScorer {
  score(
    texts: readonly string[],
    options?: Pick<ScoreOptions, 'batchSize' | 'signal' | 'onProgress'>,
  ): Promise<Scored[]>;
  dispose?(): Promise<void>;
}

/** A class and its language model. */
export interface ClassMember {
  readonly label: string;
  readonly scorer: TextScorer;
  /** Share of the class before a text is seen; the same for all unless given. */
  readonly prior?: number;
}

/** Opens models as classes. @throws where one can't be read; then none stays open. */
export async function openAll(
  classes: readonly { readonly label: string; readonly folder: string; readonly prior?: number }[],
  o: { readonly signal?: AbortSignal; readonly compile?: CompileOptions },
): Promise<ClassMember[]> {
  const members: ClassMember[] = [];
  try {
    for (const { label, folder, prior } of classes) {
      const scorer = await Scorer.load(folder, o);
      members.push({ label, scorer, ...(prior !== undefined && { prior }) });
    }
  } catch (error) {
    for (const { scorer } of members) await scorer.dispose?.();
    throw error;
  }
  return members;
}
