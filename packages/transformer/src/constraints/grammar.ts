// Grammars over bytes, matched one byte at a time: expressions that may refer to each other, and so nest. What is left to
// match is a stack of expressions (Thompson, 1968, with a stack for each thread); stacks are shared, so that equal states
// are the same object and what follows from them is computed once.

/** An expression. */
export type Grammar =
  /** One byte of a set. */
  | { readonly kind: 'bytes'; readonly has: Uint8Array }
  | { readonly kind: 'sequence'; readonly parts: readonly Grammar[] }
  | { readonly kind: 'choice'; readonly parts: readonly Grammar[] }
  | { readonly kind: 'repeat'; readonly part: Grammar; readonly least: number; readonly most: number }
  /** Another expression, made when it is needed: this is how grammars nest. */
  | { readonly kind: 'rule'; readonly make: () => Grammar };

export const nothing: Grammar = { kind: 'sequence', parts: [] };
export const sequence = (...parts: Grammar[]): Grammar =>
  parts.length === 1 ? parts[0]! : { kind: 'sequence', parts };
export const choice = (...parts: Grammar[]): Grammar => (parts.length === 1 ? parts[0]! : { kind: 'choice', parts });
export const repeat = (part: Grammar, least: number = 0, most: number = Infinity): Grammar => ({
  kind: 'repeat',
  part,
  least,
  most,
});
export const optional = (part: Grammar): Grammar => repeat(part, 0, 1);
/** An expression that is made once, when it is first needed. */
export function rule(make: () => Grammar): Grammar {
  let made: Grammar | undefined;
  return { kind: 'rule', make: () => (made ??= make()) };
}
/** One byte between two, both included. */
export function byteRange(from: number, to: number): Grammar {
  const has = new Uint8Array(256);
  has.fill(1, from, to + 1);
  return { kind: 'bytes', has };
}
/** A text as it is. */
export const literal = (text: string): Grammar =>
  sequence(...Array.from(Buffer.from(text, 'utf8'), (byte) => byteRange(byte, byte)));

/** What is left to match, first part on top; null where nothing is. */
interface Stack {
  readonly id: number;
  readonly top: Grammar;
  readonly below: Stack | null;
}

/** What may come next, after some bytes. */
export class State {
  readonly id: number;
  /** Stacks with a set of bytes on top. */
  readonly threads: readonly Stack[];
  /** Whether what was read is a whole text of the grammar. */
  readonly isComplete: boolean;
  readonly after: Map<number, State | null> = new Map();
  constructor(id: number, threads: readonly Stack[], isComplete: boolean) {
    this.id = id;
    this.threads = threads;
    this.isComplete = isComplete;
  }
  /** Whether nothing can come any more. */
  get isEnd(): boolean {
    return this.isComplete && this.threads.length === 0;
  }
}

/** Reads bytes of a grammar's texts. */
export class Matcher {
  readonly start: State;
  readonly #stacks = new Map<string, Stack>();
  readonly #states = new Map<string, State>();
  readonly #numbers = new Map<Grammar, number>();
  // Repetitions with counts that were reached on the way.
  readonly #repeats = new Map<string, Grammar>();

  constructor(grammar: Grammar) {
    this.start = this.#state([this.#push(grammar, null)]);
  }

  /** The state after a byte; null where no text goes on with it. */
  next(state: State, byte: number): State | null {
    const known = state.after.get(byte);
    if (known !== undefined) return known;
    const left: (Stack | null)[] = [];
    for (const { top, below } of state.threads) if ((top as { has: Uint8Array }).has[byte]) left.push(below);
    const found = left.length ? this.#state(left) : null;
    state.after.set(byte, found);
    return found;
  }

  #push(top: Grammar, below: Stack | null): Stack {
    let number = this.#numbers.get(top);
    if (number === undefined) this.#numbers.set(top, (number = this.#numbers.size));
    const key = `${number}/${below?.id ?? -1}`;
    let stack = this.#stacks.get(key);
    if (!stack) this.#stacks.set(key, (stack = { id: this.#stacks.size, top, below }));
    return stack;
  }

  #again(part: Grammar, least: number, most: number): Grammar {
    let number = this.#numbers.get(part);
    if (number === undefined) this.#numbers.set(part, (number = this.#numbers.size));
    const key = `${number}/${least}/${most}`;
    let made = this.#repeats.get(key);
    if (!made) this.#repeats.set(key, (made = repeat(part, least, most)));
    return made;
  }

  // The state of stacks whose tops are unfolded until a byte is needed.
  #state(stacks: readonly (Stack | null)[]): State {
    const seen = new Set<Stack>();
    const threads: Stack[] = [];
    let isComplete = false;
    const waiting = [...stacks];
    while (waiting.length) {
      const stack = waiting.pop()!;
      if (stack === null) {
        isComplete = true;
        continue;
      }
      if (seen.has(stack)) continue;
      seen.add(stack);
      const { top, below } = stack;
      switch (top.kind) {
        case 'bytes':
          threads.push(stack);
          break;
        case 'sequence':
          waiting.push(top.parts.reduceRight((under: Stack | null, part) => this.#push(part, under), below));
          break;
        case 'choice':
          for (const part of top.parts) waiting.push(this.#push(part, below));
          break;
        case 'rule':
          waiting.push(this.#push(top.make(), below));
          break;
        case 'repeat': {
          const { part, least, most } = top;
          if (least === 0) waiting.push(below);
          if (most > 0) {
            const rest = this.#again(part, Math.max(0, least - 1), most - 1);
            waiting.push(this.#push(part, most > 1 ? this.#push(rest, below) : below));
          }
        }
      }
    }
    const key = `${isComplete} ${threads
      .map(({ id }) => id)
      .toSorted((a, b) => a - b)
      .join()}`;
    let state = this.#states.get(key);
    if (!state) this.#states.set(key, (state = new State(this.#states.size, threads, isComplete)));
    return state;
  }
}
