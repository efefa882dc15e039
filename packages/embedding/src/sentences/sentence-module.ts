// What stands behind a body's token states in a sentence encoder: modules, as sentence-transformers calls them (Reimers and
// Gurevych, 2019). Each takes what came so far, and gives it on, changed.
import type { Tensor } from '@brickwork/graph';
import type { Context } from '@brickwork/nn';

/** What passes from module to module. */
export interface Features {
  /** States of the tokens, (B, T, C). */
  readonly tokens: Tensor;
  /** int64 (B, T), 1 for the tokens that count. */
  readonly mask: Tensor;
  /** One vector for each text, (B, D); null before they are pooled. */
  readonly sentence: Tensor | null;
}

/** One module; its parameters are its properties, by the names that its file of weights has. */
export interface SentenceModule {
  /** The last part of its class in modules.json: 'Pooling', 'Dense', …. */
  readonly kind: string;
  /** Axes of the vectors that it gives. */
  readonly width: number;
  /** What its config.json holds; null where it has none. */
  readonly config: Readonly<Record<string, unknown>> | null;
  forward(features: Features, ctx: Context): Features;
}

/** Makes a module of its config.json and the width of what goes in. @throws where a setting isn't known. */
export type ModuleBuilder = (config: Readonly<Record<string, unknown>>, width: number, who: string) => SentenceModule;

/** The texts' vectors. @throws where nothing has pooled them yet. */
export function sentenceOf({ sentence }: Features, kind: string): Tensor {
  if (!sentence) throw new Error(`${kind}: no module before it gives texts a vector; a Pooling has to come first`);
  return sentence;
}

/** @throws where a config.json has a key that isn't known, or that has another value than the one implemented. */
export function checkKeys(
  who: string,
  config: Readonly<Record<string, unknown>>,
  known: readonly string[],
  only: Readonly<Record<string, readonly unknown[]>> = {},
): void {
  for (const [key, value] of Object.entries(config)) {
    if (Object.hasOwn(only, key)) {
      if (!only[key]!.some((one) => JSON.stringify(one) === JSON.stringify(value)))
        throw new Error(
          `${who}: ${key} is ${JSON.stringify(value)}, which isn't implemented; needs ${only[key]!.map((one) => JSON.stringify(one)).join(' or ')}`,
        );
    } else if (!known.includes(key))
      throw new Error(
        `${who}: the setting ${key} isn't known; known are ${[...known, ...Object.keys(only)].join(', ')}`,
      );
  }
}

/** A whole number above 0 of a config.json. */
export function sizeOfKey(who: string, config: Readonly<Record<string, unknown>>, key: string): number {
  const value = config[key];
  if (!(Number.isSafeInteger(value) && (value as number) > 0))
    throw new Error(`${who}: ${key} is ${JSON.stringify(value)}; needs a whole number above 0`);
  return value as number;
}

/** A switch of a config.json. */
export function switchOf(
  who: string,
  config: Readonly<Record<string, unknown>>,
  key: string,
  standard: boolean,
): boolean {
  const value = config[key] ?? standard;
  if (typeof value !== 'boolean') throw new Error(`${who}: ${key} is ${JSON.stringify(value)}; needs true or false`);
  return value;
}
