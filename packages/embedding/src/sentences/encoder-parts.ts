// What a sentence encoder is made of: a body with its weights, modules with theirs, and how texts become ids.
import type { Network } from '@brickwork/nn';
import type { HostTensor } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import { Model, type ModelOptions } from '@brickwork/transformer';
import { buildModules, type EncoderSettings, type ModuleSpec } from './module-folder.ts';
import { SentenceNetwork, stateWidth } from './sentence-network.ts';
import { StaticEmbedding } from './static-embedding.ts';

/** A body: a Transformer, or one vector for each token. */
export type EncoderBody =
  | { readonly kind: 'transformer'; readonly model: Model }
  | {
      readonly kind: 'static';
      readonly weights: ReadonlyMap<string, HostTensor>;
      /** The share of tokens' values dropped while training; none unless given. */
      readonly dropout?: number;
    };

/** What a {@link SentenceEncoder} is made of. */
export interface EncoderParts {
  readonly body: EncoderBody;
  /** What stands behind it, a Pooling first. */
  readonly modules: readonly ModuleSpec[];
  readonly tokenizer: Tokenizer;
  readonly settings: EncoderSettings;
}

const bodyOf = (body: EncoderBody): Network => {
  if (body.kind === 'transformer') {
    const { architecture, className, config } = body.model;
    return architecture.classes[className]!(config);
  }
  const table = body.weights.get('embedding.weight');
  if (table?.shape.length !== 2)
    throw new Error(
      `StaticEmbedding: embedding.weight is ${table ? `(${table.shape.join(', ')})` : 'missing'}; needs a vector for each token: two axes`,
    );
  return new StaticEmbedding(table.shape[0]!, table.shape[1]!, body.dropout);
};

/** The network of an encoder, made anew. */
export function buildEncoder({ body, modules }: Pick<EncoderParts, 'body' | 'modules'>): SentenceNetwork {
  const network = bodyOf(body);
  return new SentenceNetwork(network, buildModules(modules, stateWidth(network)));
}

/** The weights of all parts by their names in the network. */
export function weightsOf({ body, modules }: Pick<EncoderParts, 'body' | 'modules'>): Map<string, HostTensor> {
  const own = body.kind === 'transformer' ? body.model.weights : body.weights;
  return new Map([
    ...[...own].map(([name, tensor]) => [`transformer.${name}`, tensor] as const),
    ...modules.flatMap(({ weights }, i) =>
      [...weights].map(([name, tensor]) => [`modules.${i}.${name}`, tensor] as const),
    ),
  ]);
}

/** The same parts with other values, by their names in the network. @throws where one is missing. */
export function withWeights(parts: EncoderParts, weights: ReadonlyMap<string, HostTensor>): EncoderParts {
  const pick = (own: ReadonlyMap<string, HostTensor>, prefix: string): Map<string, HostTensor> =>
    new Map(
      [...own.keys()].map((name) => {
        const found = weights.get(prefix + name);
        if (!found) throw new Error(`SentenceEncoder: no values for ${prefix}${name}`);
        return [name, found];
      }),
    );
  const { body, modules } = parts;
  return {
    ...parts,
    body:
      body.kind === 'transformer'
        ? { kind: 'transformer', model: reweighted(body.model, pick(body.model.weights, 'transformer.')) }
        : { ...body, weights: pick(body.weights, 'transformer.') },
    modules: modules.map((spec, i) => ({ ...spec, weights: pick(spec.weights, `modules.${i}.`) })),
  };
}

const reweighted = (m: Model, weights: ReadonlyMap<string, HostTensor>): Model =>
  new Model(
    {
      // A network's parameters can't stand in two; this one only has to be what its config says.
      network: m.network,
      architecture: m.architecture,
      className: m.className,
      weights,
      config: m.config,
      generationConfig: m.generationConfig,
      folder: m.folder,
    },
    m.compileOptions,
  );

/** The encoder as a model of one class, which runs and is fine-tuned as any other. */
export function encoderModel(parts: EncoderParts, compile: ModelOptions = {}): Model {
  const { body, modules } = parts;
  const config = {
    model_type: 'sentence-transformers',
    body: body.kind === 'transformer' ? body.model.config : 'StaticEmbedding',
    modules: modules.map(({ kind, config: own }) => ({ kind, ...own })),
  };
  const architecture = { classes: { SentenceTransformer: () => buildEncoder(parts) }, prefix: 'transformer.' };
  const given = {
    network: buildEncoder(parts),
    architecture,
    className: 'SentenceTransformer',
    weights: weightsOf(parts),
    config,
  };
  return new Model(given, compile);
}
