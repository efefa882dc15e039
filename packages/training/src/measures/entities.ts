// How well named spans are found (CoNLL-2000's scorer, as seqeval has it): a span is right where its type and both ends are.
import { classReport, type ClassReport, type Hits } from './classification.ts';

/** A span of tokens of one type, `[start, end)`. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The spans of tags in IOB2: 'B-PER' begins one, 'I-PER' goes on with it, 'O' is none. As in the original scorer an 'I-' after
 * another type, or after none, begins one as well.
 */
export function entities(tags: readonly string[]): Entity[] {
  const found: { type: string; start: number; end: number }[] = [];
  let before: string | null = null;
  tags.forEach((tag, i) => {
    const [prefix, ...rest] = tag.split('-');
    const type = prefix === 'O' ? null : rest.join('-') || '_';
    if (type !== null) {
      if (prefix === 'B' || type !== before) found.push({ type, start: i, end: i + 1 });
      else found.at(-1)!.end = i + 1;
    }
    before = type;
  });
  return found;
}

/** The scores of each type, by name in the order of the alphabet, and of all. */
export function entityReport(
  predicted: readonly (readonly string[])[],
  actual: readonly (readonly string[])[],
): ClassReport & { readonly types: readonly string[] } {
  if (predicted.length !== actual.length)
    throw new Error(`entityReport: ${predicted.length} predictions for ${actual.length} texts; needs one for each`);
  const counts = new Map<string, { hits: number; wrong: number; missed: number }>();
  const of = (type: string) => {
    const known = counts.get(type) ?? { hits: 0, wrong: 0, missed: 0 };
    counts.set(type, known);
    return known;
  };
  predicted.forEach((tags, i) => {
    const key = ({ type, start, end }: Entity): string => `${start} ${end} ${type}`;
    const truth = entities(actual[i]!);
    const left = new Set(truth.map(key));
    for (const entity of truth) of(entity.type).missed++;
    for (const entity of entities(tags)) {
      const own = of(entity.type);
      if (left.delete(key(entity))) {
        own.hits++;
        own.missed--;
      } else own.wrong++;
    }
  });
  const types = [...counts.keys()].toSorted();
  return { ...classReport(types.map((type): Hits => counts.get(type)!)), types };
}

/** Whether class names are tags of spans: all 'O', 'B-…' or 'I-…', and some of them begin one. */
export const areTags = (names: readonly string[]): boolean =>
  names.every((name) => /^(?:O|[BI]-.+)$/.test(name)) && names.some((name) => name.startsWith('B-'));
