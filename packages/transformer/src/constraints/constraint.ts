// Constrained decoding (Willard and Louf, 2023): at every place only tokens that can still lead to a whole text of a grammar.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { LogitsProcessor } from '../samplers/logits-processor.ts';
import { Matcher, type Grammar, type State } from './grammar.ts';
import { jsonSchemaGrammar } from './json-schema.ts';
import { regularExpression } from './regular-expression.ts';
import { tokenBytes } from './token-bytes.ts';

/** What a generated text must be. */
export interface Constraint {
  /**
   * Removes tokens that lead nowhere, and end tokens until the text is whole.
   *
   * @throws where no token of the vocabulary goes on.
   */
  process: (eosTokenIds: readonly number[]) => LogitsProcessor;
  /** Whether new tokens are a whole text that nothing can follow. */
  isEnd(ids: readonly number[]): boolean;
  /** Whether new tokens are a whole text. */
  isComplete(ids: readonly number[]): boolean;
}

/** Tokens by their bytes. */
interface Trie {
  readonly ids: number[];
  readonly next: Map<number, Trie>;
}

/** A text that a regular expression matches as a whole (JavaScript's, flag `u`). */
export const regexConstraint = (tokenizer: Tokenizer, pattern: string): Constraint =>
  constraintOf(tokenizer, regularExpression(pattern));

/** A JSON document that a JSON Schema (2020-12) allows; `{}` for any. See {@link jsonSchemaGrammar} for what is supported. */
export const jsonSchemaConstraint = (tokenizer: Tokenizer, schema: unknown): Constraint =>
  constraintOf(tokenizer, jsonSchemaGrammar(schema));

const tries = new WeakMap<Tokenizer, { root: Trie; bytes: (Uint8Array | null)[] }>();
function vocabulary(tokenizer: Tokenizer): { root: Trie; bytes: (Uint8Array | null)[] } {
  const known = tries.get(tokenizer);
  if (known) return known;
  const bytes = tokenBytes(tokenizer);
  const root: Trie = { ids: [], next: new Map() };
  bytes.forEach((own, id) => {
    if (!own?.length) return;
    let node = root;
    for (const byte of own) {
      let next = node.next.get(byte);
      if (!next) node.next.set(byte, (next = { ids: [], next: new Map() }));
      node = next;
    }
    node.ids.push(id);
  });
  const made = { root, bytes };
  tries.set(tokenizer, made);
  return made;
}

/** A constraint by a grammar. */
export function constraintOf(tokenizer: Tokenizer, grammar: Grammar): Constraint {
  const { root, bytes } = vocabulary(tokenizer);
  const matcher = new Matcher(grammar);
  const allowed = new Map<State, Uint8Array>();

  // Which tokens may follow, found by walking the trie of all tokens and the grammar together.
  const allowedAfter = (state: State): Uint8Array => {
    const known = allowed.get(state);
    if (known) return known;
    const found = new Uint8Array(bytes.length);
    const walk = (node: Trie, at: State): void => {
      for (const id of node.ids) found[id] = 1;
      for (const [byte, next] of node.next) {
        const after = matcher.next(at, byte);
        if (after) walk(next, after);
      }
    };
    walk(root, state);
    allowed.set(state, found);
    return found;
  };
  const advance = (state: State | null, id: number): State | null => {
    let at = state;
    for (const byte of bytes[id] ?? []) at = at && matcher.next(at, byte);
    return bytes[id] ? at : null;
  };
  const after = (ids: readonly number[]): State | null =>
    ids.reduce((state: State | null, id) => advance(state, id), matcher.start);

  return {
    process:
      (eosTokenIds) =>
      (logits, { ids, promptLength }) => {
        const state = after(ids.slice(promptLength));
        // A beam that was filled up with what may not be; it never wins.
        if (!state) return void logits.fill(-Infinity);
        const may = allowedAfter(state);
        let left = 0;
        for (let id = 0; id < logits.length; id++) {
          const keep = eosTokenIds.includes(id) ? state.isComplete : may[id] === 1;
          if (!keep) logits[id] = -Infinity;
          else if (logits[id]! > -Infinity) left++;
        }
        if (!left)
          throw new Error(
            state.isComplete
              ? 'constraint: the text is whole, and there is no end token; give eosTokenIds'
              : 'constraint: no token of the vocabulary goes on from here',
          );
      },
    isEnd: (ids) => after(ids)?.isEnd ?? false,
    isComplete: (ids) => after(ids)?.isComplete ?? false,
  };
}
