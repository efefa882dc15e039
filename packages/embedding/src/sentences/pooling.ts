// Pooling: one vector for each text from those of its tokens, in one or several ways side by side, as sentence-transformers'
// module of this name does it.
import {
  cast,
  concat,
  constant,
  cumsum,
  div,
  equal,
  max,
  maximum,
  mul,
  slice,
  sqrt,
  squeeze,
  sum,
  unsqueeze,
  where,
  expandLike,
  type Tensor,
} from '@brickwork/graph';
import { checkKeys, sizeOfKey, switchOf, type Features, type SentenceModule } from './sentence-module.ts';

/** A way of pooling, by the end of its key in 1_Pooling/config.json (`pooling_mode_…`). */
export type PoolingMode =
  | 'cls_token'
  | 'max_tokens'
  | 'mean_tokens'
  | 'mean_sqrt_len_tokens'
  | 'weightedmean_tokens'
  | 'lasttoken';

/** The order in which several ways are put side by side. */
export const poolingModes: readonly PoolingMode[] = [
  'cls_token',
  'max_tokens',
  'mean_tokens',
  'mean_sqrt_len_tokens',
  'weightedmean_tokens',
  'lasttoken',
];

const float = (mask: Tensor): Tensor => unsqueeze(cast(mask, 'float32'), 2); // (B, T, 1)
const least = 1e-9;

// How many tokens there are up to each that counts: 1, 2, 3, …; (B, T, 1).
const places = (mask: Tensor): Tensor => cumsum(expandLike(constant(Float32Array.of(1), [1, 1, 1]), float(mask)), 1);

/** Pools states (B, T, C), of which those count where `mask`, int64 (B, T), is 1: (B, C). */
export function poolTokens(tokens: Tensor, mask: Tensor, mode: PoolingMode): Tensor {
  const weight = float(mask);
  switch (mode) {
    case 'cls_token':
      return squeeze(slice(tokens, 1, 0, 1), 1);
    case 'max_tokens':
      // A text without tokens has zeros, and not what hides its padding.
      return mul(max(where(equal(weight, constant(Float32Array.of(0), [])), -1e9, tokens), [1]), max(weight, [1]));
    case 'mean_tokens':
      return div(sum(mul(tokens, weight), [1]), maximum(sum(weight, [1]), least));
    case 'mean_sqrt_len_tokens':
      return div(sum(mul(tokens, weight), [1]), sqrt(maximum(sum(weight, [1]), least)));
    case 'weightedmean_tokens': {
      const growing = mul(places(mask), weight);
      return div(sum(mul(tokens, growing), [1]), maximum(sum(growing, [1]), least));
    }
    case 'lasttoken': {
      const growing = mul(places(mask), weight);
      const isLast = cast(equal(growing, max(growing, [1], true)), 'float32'); // (B, T, 1)
      return sum(mul(tokens, mul(isLast, weight)), [1]);
    }
  }
}

/** The module. Its settings are `word_embedding_dimension`, `pooling_mode_…` and `include_prompt`. */
export class Pooling implements SentenceModule {
  readonly kind = 'Pooling';
  readonly modes: readonly PoolingMode[];
  readonly inputWidth: number;
  /** Whether the prompt's tokens count. */
  readonly includePrompt: boolean;
  constructor(
    width: number,
    modes: readonly PoolingMode[] = ['mean_tokens'],
    { includePrompt = true }: { readonly includePrompt?: boolean } = {},
  ) {
    if (!modes.length) throw new Error(`Pooling: no way of pooling; there are ${poolingModes.join(', ')}`);
    for (const mode of modes)
      if (!poolingModes.includes(mode))
        throw new Error(`Pooling: no way ${JSON.stringify(mode)}; there are ${poolingModes.join(', ')}`);
    this.inputWidth = width;
    this.modes = poolingModes.filter((mode) => modes.includes(mode));
    this.includePrompt = includePrompt;
  }
  get width(): number {
    return this.inputWidth * this.modes.length;
  }
  get config(): Readonly<Record<string, unknown>> {
    return {
      word_embedding_dimension: this.inputWidth,
      ...Object.fromEntries(
        ['cls_token', 'mean_tokens', 'max_tokens', 'mean_sqrt_len_tokens', 'weightedmean_tokens', 'lasttoken'].map(
          (mode) => [`pooling_mode_${mode}`, this.modes.includes(mode as PoolingMode)],
        ),
      ),
      include_prompt: this.includePrompt,
    };
  }
  forward({ tokens, mask }: Features): Features {
    const ways = this.modes.map((mode) => poolTokens(tokens, mask, mode));
    return { tokens, mask, sentence: ways.length > 1 ? concat(ways, 1) : ways[0]! };
  }
}

const keyOf = (mode: PoolingMode): string => `pooling_mode_${mode}`;
// Newer files name the ways in one key.
const shortNames: Readonly<Record<string, PoolingMode>> = {
  cls: 'cls_token',
  max: 'max_tokens',
  mean: 'mean_tokens',
  mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  weightedmean: 'weightedmean_tokens',
  lasttoken: 'lasttoken',
};

/** Reads 1_Pooling/config.json. @throws where it isn't one, or the body's states have another width. */
export function readPooling(config: Readonly<Record<string, unknown>>, width: number, who: string): Pooling {
  const widthKey = 'embedding_dimension' in config ? 'embedding_dimension' : 'word_embedding_dimension';
  checkKeys(who, config, [widthKey, 'pooling_mode', 'include_prompt', ...poolingModes.map(keyOf)]);
  const said = sizeOfKey(who, config, widthKey);
  if (said !== width)
    throw new Error(`${who}: ${widthKey} is ${said}, but the token states before it have ${width} axes`);
  const named = config['pooling_mode'];
  const modes =
    named === undefined || named === null
      ? poolingModes.filter((mode) => switchOf(who, config, keyOf(mode), false))
      : [named].flat().map((name: unknown) => {
          const mode = typeof name === 'string' && Object.hasOwn(shortNames, name) ? shortNames[name] : undefined;
          if (!mode)
            throw new Error(
              `${who}: pooling_mode is ${JSON.stringify(named)}; needs one or several of ${Object.keys(shortNames).join(', ')}`,
            );
          return mode;
        });
  if (!modes.length) throw new Error(`${who}: no way of pooling is on; set ${keyOf('mean_tokens')}: true`);
  return new Pooling(width, modes, { includePrompt: switchOf(who, config, 'include_prompt', true) });
}
