// Marian (Junczys-Dowmunt et al., 2018): the translators of OPUS-MT, the Transformer of 2017 with sinusoidal positions.
import { constant, gather, mul, range, sizeOf, type Tensor } from '@brickwork/graph';
import { dropout, Embedding, normal, parameter } from '@brickwork/nn';
import type { Context, Network, NetworkInput, Outputs } from '@brickwork/nn';
import type { Architecture, Config } from '../architecture.ts';
import type { Past } from '../attention.ts';
import { checkIds } from '../check-ids.ts';
import { readConfig } from '../config.ts';
import type { Encoded } from '../heads/encoder-outputs.ts';
import { readLayerDrop } from '../layer-drop.ts';
import { causalMask, paddingMask } from '../mask.ts';
import { HeadedEncoderDecoder } from '../seq2seq-head.ts';
import { encoderDecoderInputs, encoderDecoderOutputs, seq2seqInputs, seq2seqOutputs } from '../seq2seq-outputs.ts';
import { targetsOf } from '../seq2seq-outputs.ts';
import type { DecodeOptions, Decoded, EncoderDecoder, Memory, Seq2Seq } from '../seq2seq.ts';
import { specialId } from '../special-id.ts';
import { throughDecoder, throughEncoder } from '../through-layers.ts';
import { BartDecoderLayer, BartEncoderLayer, type LayerConfig } from './bart.ts';

/** The fields of config.json that change the computation, with Hugging Face's defaults. */
export interface MarianConfig extends LayerConfig {
  readonly vocab_size: number;
  /** Of targets; as `vocab_size` where null. */
  readonly decoder_vocab_size: number | null;
  /** Whether sources and targets share one table of embeddings. */
  readonly share_encoder_decoder_embeddings: boolean;
}
const defaults = {
  vocab_size: 58101,
  decoder_vocab_size: null as number | null,
  max_position_embeddings: 1024,
  d_model: 1024,
  encoder_layers: 12,
  encoder_ffn_dim: 4096,
  encoder_attention_heads: 16,
  decoder_layers: 12,
  decoder_ffn_dim: 4096,
  decoder_attention_heads: 16,
  activation_function: 'gelu',
  dropout: 0.1,
  attention_dropout: 0,
  activation_dropout: 0,
  init_std: 0.02,
  scale_embedding: false,
  tie_word_embeddings: true,
  share_encoder_decoder_embeddings: true,
};

function readMarian(config: Config): MarianConfig {
  const c = readConfig('marian', config, defaults, {
    aliases: { d_model: 'hidden_size', encoder_attention_heads: 'num_attention_heads' },
    // The first versions of config.json had fields for variants that no longer exist.
    refuse: {
      tie_encoder_decoder: true,
      is_decoder: true,
      normalize_before: true,
      normalize_embedding: true,
      add_final_layer_norm: true,
      static_position_embeddings: false,
    },
  });
  for (const field of ['encoder_attention_heads', 'decoder_attention_heads'] as const)
    if (c.d_model % c[field])
      throw new Error(`marian config: d_model ${c.d_model} doesn't divide into ${c[field]} heads (${field})`);
  const { share_encoder_decoder_embeddings: shared, vocab_size: V, decoder_vocab_size: own } = c;
  if (shared && own !== null && own !== V)
    throw new Error(
      `marian config: decoder_vocab_size is ${own} and vocab_size ${V}, but share_encoder_decoder_embeddings is true; needs equal sizes, or false`,
    );
  const id = (field: string, vocabulary: number, standard = 58100): number | null =>
    specialId('marian', config, field, { standard: vocabulary > standard ? standard : null, vocabulary });
  return {
    ...c,
    ...readLayerDrop('marian', config),
    pad_token_id: id('pad_token_id', V),
    eos_token_id: id('eos_token_id', V, 0),
    decoder_start_token_id: id('decoder_start_token_id', own ?? V),
    forced_eos_token_id: id('forced_eos_token_id', own ?? V, 0),
  };
}

/** Sines of all frequencies, then cosines of all: (T, C). */
export function marianPositions(T: number, C: number): Tensor {
  const data = new Float32Array(T * C);
  const half = Math.ceil(C / 2);
  for (let t = 0; t < T; t++)
    for (let i = 0; i < C; i++) {
      const angle = t / 10000 ** ((2 * Math.floor(i / 2)) / C);
      data[t * C + (i % 2 ? half : 0) + Math.floor(i / 2)] = i % 2 ? Math.cos(angle) : Math.sin(angle);
    }
  return constant(data, [T, C]);
}

class Half<Layer> {
  /** A table of its own, where the halves share none. */
  readonly embed_tokens: Embedding | null;
  readonly layers: readonly Layer[];
  readonly #c: MarianConfig;
  constructor(c: MarianConfig, o: { tokens: Embedding | null; layers: number; build: () => Layer }) {
    this.#c = c;
    this.embed_tokens = o.tokens;
    this.layers = Array.from({ length: o.layers }, o.build);
  }
  /** Embedded tokens at their positions, which are counted from 0 unless given: (B, T) to (B, T, C). */
  embed(table: Embedding, ids: Tensor, ctx: Context, positions?: Tensor): Tensor {
    const { d_model: C, max_position_embeddings: most, scale_embedding, dropout: p } = this.#c;
    checkIds('marian', ids, most);
    const T = ids.shape[1]!;
    const at =
      positions || typeof T === 'string'
        ? gather(marianPositions(most, C), positions ?? range(sizeOf(ids, 1), T)) // (B, T, C), or (T, C)
        : marianPositions(T, C);
    const tokens = table.forward(ids);
    return dropout((scale_embedding ? mul(tokens, Math.sqrt(C)) : tokens).add(at), p, ctx);
  }
}

/** Marian without a head, in Hugging Face's weight names. */
export class MarianModel implements Network, EncoderDecoder {
  readonly config: MarianConfig;
  /** Null where each half has its own. */
  readonly shared: Embedding | null;
  readonly encoder: Half<BartEncoderLayer>;
  readonly decoder: Half<BartDecoderLayer>;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    const c = readMarian(config);
    const { vocab_size: V, share_encoder_decoder_embeddings: isShared, pad_token_id: padding } = c;
    const table = (count: number): Embedding =>
      new Embedding(count, c.d_model, normal(c.init_std), {
        padding: padding !== null && padding < count ? padding : null,
      });
    this.config = c;
    this.inputs = encoderDecoderInputs(V, c.decoder_vocab_size ?? V);
    this.shared = isShared ? table(V) : null;
    this.encoder = new Half(c, {
      tokens: isShared ? null : table(V),
      layers: c.encoder_layers,
      build: () => new BartEncoderLayer(c),
    });
    this.decoder = new Half(c, {
      tokens: isShared ? null : table(c.decoder_vocab_size ?? V),
      layers: c.decoder_layers,
      build: () => new BartDecoderLayer(c),
    });
  }
  /** The embeddings of targets, to which the head is tied. */
  get targetTable(): Embedding {
    return this.shared ?? this.decoder.embed_tokens!;
  }
  get sourceLength(): number {
    return this.config.max_position_embeddings;
  }
  get contextLength(): number {
    return this.config.max_position_embeddings;
  }
  get longest(): Readonly<Record<string, number>> {
    return { S: this.sourceLength, T: this.contextLength };
  }
  get layers(): number {
    return this.config.decoder_layers;
  }
  get cacheHeads(): number {
    return this.config.decoder_attention_heads;
  }
  get headWidth(): number {
    return this.config.d_model / this.config.decoder_attention_heads;
  }

  encode(ids: Tensor, ctx: Context, attentionMask?: Tensor): Encoded {
    const mask = attentionMask ? paddingMask(attentionMask) : null;
    const x = this.encoder.embed(this.shared ?? this.encoder.embed_tokens!, ids, ctx); // (B, S, C)
    return throughEncoder(x, this.encoder.layers, (layer, input) => layer.forward(input, ctx, mask));
  }

  remember(encoded: Tensor, ctx: Context): readonly Past[] {
    return this.decoder.layers.map((layer) => layer.encoder_attn.remember(encoded, ctx));
  }

  decode(ids: Tensor, ctx: Context, memory: Memory, o: DecodeOptions = {}): Decoded {
    let mask = o.mask ?? causalMask(ids, 1);
    if (o.attentionMask) mask = mask.add(paddingMask(o.attentionMask));
    const x = this.decoder.embed(this.targetTable, ids, ctx, o.positions); // (B, T, C)
    return throughDecoder(x, this.decoder.layers, (layer, input, i) =>
      layer.forward(input, ctx, { mask, past: o.past?.[i] ?? null }, memory.layers[i]!, memory.mask),
    );
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return encoderDecoderOutputs(this, inputs, inputs['decoder_input_ids'], ctx);
  }
}

/** Marian that translates. */
export class MarianMTModel extends HeadedEncoderDecoder<MarianModel> implements Seq2Seq {
  readonly config: MarianConfig;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  constructor(config: Config) {
    const model = new MarianModel(config);
    const { d_model: C, init_std, tie_word_embeddings: tied, vocab_size, decoder_vocab_size: own } = model.config;
    super(model, tied ? model.targetTable.weight : parameter([own ?? vocab_size, C], normal(init_std)));
    this.config = model.config;
    this.inputs = seq2seqInputs(this.sourceVocabulary, this.vocabularySize);
  }
  get sourceVocabulary(): number {
    return this.config.vocab_size;
  }
  get vocabularySize(): number {
    return this.config.decoder_vocab_size ?? this.config.vocab_size;
  }
  get startId(): number | null {
    return this.config.decoder_start_token_id;
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { decoder_start_token_id: start, pad_token_id: pad } = this.config;
    const { labels, decoder_input_ids: given } = inputs;
    const targets = given ?? (labels && targetsOf(labels, 'marian', { start, pad }));
    return seq2seqOutputs(this, inputs, targets, ctx);
  }
}

/** Marian's checkpoints. */
export const marian: Architecture = {
  classes: {
    MarianMTModel: (config) => new MarianMTModel(config),
    MarianModel: (config) => new MarianModel(config),
  },
  prefix: 'model.',
  // Older checkpoints carry the sines.
  sanitize: (name) => (/\bembed_positions\.weight$/.test(name) ? null : name),
  tied: [
    'model.encoder.embed_tokens.weight',
    'model.decoder.embed_tokens.weight',
    'lm_head.weight',
    // Without a head nothing is added to its logits.
    'final_logits_bias',
  ],
};
