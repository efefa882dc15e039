// Generation by encoder-decoders: the compiled graphs, the cache and the loop together, against PyTorch and against the
// plain graph that computes all tokens anew.
import { describe, expect, test } from 'vitest';
import { initialize } from '../../packages/nn/src/index.ts';
import { hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import {
  architectures,
  beamSearch,
  buildNetwork,
  collect,
  generateFrom,
  generateTokens,
  generateTokensFrom,
  isSeq2Seq,
  loadModel,
  Model,
  seq2seqDecoder,
  Seq2SeqDecoder,
  type Seq2Seq,
} from '../../packages/transformer/src/index.ts';
import { loadTokenizer } from '../../packages/tokenizer/src/index.ts';
import { fixture, hasShared, sharedPath } from '../fixtures.ts';

/** Reference checkpoints, which are skipped where ../shared isn't there, and networks that begin with random weights. */
const folders = hasShared ? ['t5', 'bart', 'marian'] : [];
const built = ['the Transformer', 'UMT5'];
// Of different lengths, two of them equal.
const sources = [[26, 10, 39, 95, 49, 75, 9, 60, 27, 11], [3, 9, 2], [50], [3, 9, 2], [41, 5, 61, 7, 8, 90, 2]];

async function open(name: string, generationConfig: Readonly<Record<string, unknown>> = {}): Promise<Model> {
  if (folders.includes(name)) {
    const model = await loadModel((await fixture(name)).folder);
    return new Model({ ...model, generationConfig: { ...model.generationConfig, ...generationConfig } });
  }
  const sizes = { vocab_size: 97, d_model: 32, d_ff: 64, num_layers: 2, num_decoder_layers: 3, num_heads: 4 };
  const buckets = { d_kv: 6, relative_attention_num_buckets: 8, relative_attention_max_distance: 16 };
  const config =
    name === 'UMT5'
      ? { ...sizes, ...buckets, model_type: 'umt5', decoder_start_token_id: 0 }
      : { ...sizes, model_type: 'transformer', max_position_embeddings: 40, decoder_start_token_id: 0 };
  const network = buildNetwork(config, architectures);
  return new Model({ ...network, weights: initialize(network.network, 3), config, generationConfig });
}

function decoderOf(model: Model): Seq2SeqDecoder {
  if (!isSeq2Seq(model.network)) throw new Error('not an encoder-decoder');
  return new Seq2SeqDecoder(model.network, model.weights);
}

/** Logits after the last token of `target`, from the whole pass. */
async function whole(model: Model, source: readonly number[], target: readonly number[]): Promise<Float32Array> {
  const ids = (row: readonly number[]): HostTensor => hostTensor(BigInt64Array.from(row, BigInt), [1, row.length]);
  const { logits } = await model.run({ input_ids: ids(source), decoder_input_ids: ids(target) }, ['logits']);
  return (logits!.data as Float32Array).slice(-logits!.shape[2]!);
}

function farthest(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe.skipIf(!hasShared).each(folders)('%s (needs ../shared)', (name) => {
  test('greedy tokens are PyTorch’s', async () => {
    const { json } = await fixture(name);
    const model = await open(name);
    const decoder = decoderOf(model);
    const { prompt, tokens, max_new_tokens: maxNewTokens } = json.generate;
    decoder.read(prompt.input_ids);
    const found = await collect(generateTokens(decoder, [tokens[0]!.slice(0, 1)], { maxNewTokens }));
    expect([tokens[0]![0], ...found[0]!.ids]).toEqual(tokens[0]);
    await decoder.dispose();
    await model.dispose();
  });

  test('the files’ own start token gives the same', async () => {
    const { json } = await fixture(name);
    const decoder = seq2seqDecoder(await open(name));
    const { prompt, tokens, max_new_tokens: maxNewTokens } = json.generate;
    const [found] = await collect(generateTokensFrom(decoder, prompt.input_ids, { maxNewTokens, eosTokenIds: [] }));
    expect([...decoder.defaults.startIds!, ...found!.ids]).toEqual(tokens[0]);
    await decoder.dispose();
  });
});

describe.each([...folders, ...built])('%s', (name) => {
  test('each step’s logits are those of the whole pass, for sources and targets of different lengths in one batch', async () => {
    const model = await open(name);
    const decoder = decoderOf(model);
    const V = decoder.vocabularySize;
    decoder.read(sources);
    const targets = [[2], [0, 7, 9], [5, 5], [0], [2, 61, 33, 8]];
    let logits = await decoder.prefill(targets);
    for (let step = 0; step < 5; step++) {
      for (const [row, target] of targets.entries()) {
        const alone = await whole(model, sources[row]!, target);
        expect(farthest(logits.subarray(row * V, (row + 1) * V), alone), `${step} ${row}`).toBeLessThan(1e-5);
      }
      const next = targets.map((_, row) => (17 * step + 31 * row + 5) % V);
      next.forEach((id, row) => targets[row]!.push(id));
      logits = await decoder.step(next);
    }
    await decoder.dispose();
    await model.dispose();
  });

  test('rows go on from where others were, with their sources', async () => {
    const model = await open(name);
    const decoder = decoderOf(model);
    const V = decoder.vocabularySize;
    decoder.read(sources.slice(0, 3));
    await decoder.prefill([[2], [2], [2]]);
    let rows = [0, 1, 2].map((s) => ({ source: sources[s]!, target: [2] }));
    const push = async (next: readonly number[]): Promise<void> => {
      rows.forEach(({ target }, i) => target.push(next[i]!));
      const logits = await decoder.step(next);
      for (const [i, { source, target }] of rows.entries()) {
        const alone = await whole(model, source, target);
        expect(farthest(logits.subarray(i * V, (i + 1) * V), alone), String(i)).toBeLessThan(1e-5);
      }
    };
    const reorder = (order: readonly number[]): void => {
      decoder.reorder(order);
      rows = order.map((i) => ({ source: rows[i]!.source, target: [...rows[i]!.target] }));
    };
    await push([4, 5, 6]);
    reorder([0, 0, 1, 1, 2, 2]);
    await push([10, 11, 12, 13, 14, 15]);
    reorder([1, 0, 3, 3, 4, 5]);
    await push([20, 21, 22, 23, 24, 25]);
    reorder([5, 2]);
    await push([30, 31]);
    expect(() => decoder.reorder([2])).toThrow('row 2 of 2');
    await decoder.dispose();
    await model.dispose();
  });

  test('beam search finds what a plain search over whole passes finds', async () => {
    const model = await open(name);
    const decoder = decoderOf(model);
    const settings = { numBeams: 3, maxNewTokens: 6, eosTokenIds: [19, 69, 2], lengthPenalty: 0.6 };
    const chosen = sources.slice(0, 2);
    decoder.read(chosen);
    const found = await beamSearch(decoder, [[0], [0]], settings);
    for (const [s, source] of chosen.entries()) {
      const expected = await plainSearch((target) => whole(model, source, target), settings);
      expect(found[s]!.ids).toEqual(expected.ids);
      expect(found[s]!.score).toBeCloseTo(expected.score, 4);
    }
    await decoder.dispose();
    await model.dispose();
  });
});

interface Found {
  readonly ids: readonly number[];
  readonly score: number;
}

/** Beam search written down plainly, in float64, without a cache. */
async function plainSearch(
  score: (target: readonly number[]) => Promise<Float32Array>,
  o: { numBeams: number; maxNewTokens: number; eosTokenIds: readonly number[]; lengthPenalty: number },
): Promise<Found> {
  let beams: { ids: number[]; sum: number }[] = [{ ids: [], sum: 0 }];
  let ended: Found[] = [];
  const keep = (ids: readonly number[], sum: number): void => {
    ended.push({ ids, score: sum / ids.length ** o.lengthPenalty });
    ended = ended.toSorted((a, b) => b.score - a.score).slice(0, o.numBeams);
  };
  for (let step = 0; step < o.maxNewTokens; step++) {
    const candidates: { ids: number[]; sum: number }[] = [];
    for (const { ids, sum } of beams) {
      const logits = Array.from(await score([0, ...ids]));
      const largest = Math.max(...logits);
      const total = Math.log(logits.reduce((t, x) => t + Math.exp(x - largest), 0)) + largest;
      logits.forEach((x, id) => candidates.push({ ids: [...ids, id], sum: sum + x - total }));
    }
    candidates.sort((a, b) => b.sum - a.sum);
    const best = candidates[0]!.sum;
    beams = [];
    for (const [rank, { ids, sum }] of candidates.entries()) {
      if (beams.length === o.numBeams) break;
      const isEnd = o.eosTokenIds.includes(ids.at(-1)!);
      if (!isEnd) beams.push({ ids, sum });
      else if (rank < o.numBeams) keep([...ids.slice(0, -1), o.eosTokenIds[0]!], sum);
    }
    if (ended.length === o.numBeams && ended.at(-1)!.score >= best / (step + 1) ** o.lengthPenalty) return ended[0]!;
  }
  for (const { ids, sum } of beams) keep(ids, sum);
  return ended[0]!;
}

describe('generateFrom', () => {
  const ids = (found: readonly { readonly ids: readonly number[] }[]): (readonly number[])[] => found.map((f) => f.ids);

  test.each([...folders, ...built])('%s: sources in a batch give the tokens that each gives alone', async (name) => {
    const decoder = seq2seqDecoder(await open(name));
    for (const options of [{}, { numBeams: 3 }, { temperature: 1.5, seed: 3, numReturnSequences: 2 }]) {
      const asked = { ...options, maxNewTokens: 9, eosTokenIds: [3, 19, 40] };
      const together = await collect(generateTokensFrom(decoder, sources, asked));
      const alone = [];
      for (const source of sources) alone.push(...(await collect(generateTokensFrom(decoder, [source], asked))));
      expect(ids(together)).toEqual(ids(alone));
      expect(together.map((f) => f.finishReason)).toEqual(alone.map((f) => f.finishReason));
    }
    await decoder.dispose();
  });

  test('T5’s positions have no end: a target longer than any table goes on as the whole pass does', async () => {
    const model = await open('UMT5');
    const decoder = seq2seqDecoder(model);
    expect(decoder.contextLength).toBe(Infinity);
    const [found] = await collect(
      generateTokensFrom(decoder, [sources[0]!], { maxNewTokens: 150, temperature: 2, seed: 5, eosTokenIds: [] }),
    );
    expect(found!.ids.length).toBe(150);
    const target = [0, ...found!.ids];
    const V = decoder.vocabularySize;
    decoder.read([sources[0]!]);
    let logits = await decoder.prefill([target.slice(0, 1)]);
    for (const id of found!.ids) logits = await decoder.step([id]);
    expect(farthest(logits.subarray(0, V), await whole(model, sources[0]!, target))).toBeLessThan(1e-4);
    await decoder.dispose();
  });

  test('targets end where the positions do', async () => {
    const decoder = seq2seqDecoder(await open('the Transformer'));
    const [found] = await collect(generateTokensFrom(decoder, [sources[0]!], { maxNewTokens: 100, eosTokenIds: [] }));
    expect(found).toMatchObject({ finishReason: 'length' });
    expect(found!.ids.length).toBe(39);
    await decoder.dispose();
  });

  test('what generation_config.json says counts where the caller says nothing', async () => {
    const free = seq2seqDecoder(await open('the Transformer'));
    const [long] = await collect(generateTokensFrom(free, [sources[0]!], { maxNewTokens: 7, eosTokenIds: [] }));
    const end = long!.ids[2]!;
    const at = long!.ids.indexOf(end);
    const decoder = seq2seqDecoder(await open('the Transformer', { max_new_tokens: 5, eos_token_id: [96, end] }));
    const [first] = await collect(generateTokensFrom(decoder, [sources[0]!]));
    expect(first).toMatchObject({ ids: long!.ids.slice(0, at + 1), finishReason: 'eos' });
    const asked = { eosTokenIds: [], maxNewTokens: 6 };
    const [second] = await collect(generateTokensFrom(decoder, [sources[0]!], asked));
    expect(second!.ids).toEqual(long!.ids.slice(0, 6));
    await free.dispose();
    await decoder.dispose();
  });

  test('forced first and last tokens, bad words, repeated n-grams and least lengths hold, greedily and in beams', async () => {
    const model = await open('the Transformer');
    const free = seq2seqDecoder(model);
    const [usual] = await collect(generateTokensFrom(free, [sources[0]!], { maxNewTokens: 8, eosTokenIds: [] }));
    const bad = usual!.ids[1]!;
    const first = bad === 7 ? 8 : 7;
    const rules = {
      forced_bos_token_id: first,
      forced_eos_token_id: 2,
      bad_words_ids: [[bad], [12, 13]],
      no_repeat_ngram_size: 2,
      eos_token_id: 2,
      min_length: 6,
      renormalize_logits: true,
    };
    const decoder = seq2seqDecoder(await open('the Transformer', rules));
    for (const numBeams of [1, 3]) {
      const [found] = await collect(generateTokensFrom(decoder, [sources[0]!], { numBeams, maxNewTokens: 8 }));
      expect(found!.ids[0]).toBe(first);
      expect(found!.ids).not.toContain(bad);
      expect(found!.ids.slice(0, 5)).not.toContain(2);
      expect(found!.ids.at(-1)).toBe(2);
      const pairs = found!.ids.slice(1).map((id, i) => `${found!.ids[i]} ${id}`);
      expect(new Set(pairs).size).toBe(pairs.length);
    }
    await decoder.dispose();
    await free.dispose();
  });

  test('text in, text out: chunks are the words of the target', async () => {
    const decoder = seq2seqDecoder(await open('the Transformer'));
    const options = { maxNewTokens: 9, eosTokenIds: [], temperature: 3, seed: 11 };
    const [plain] = await collect(generateTokensFrom(decoder, [sources[0]!], options));
    const words = plain!.ids.map(String);
    const codec = {
      encode: (text: string) => ({ ids: text.split(' ').map(Number) }),
      decodeStream: () => {
        let first = true;
        const push = (id: number): string => {
          if (id === 0) return ''; // the special token that starts a target
          const text = first ? String(id) : ` ${id}`;
          first = false;
          return text;
        };
        return { push, end: () => '' };
      },
    };
    const texts: string[] = [];
    const [found] = await collect(generateFrom(decoder, codec, sources[0]!.join(' '), options), ({ text }) =>
      texts.push(text),
    );
    expect(found).toMatchObject({ text: words.join(' '), finishReason: 'length' });
    expect(texts).toEqual(words.map((word, i) => (i ? ` ${word}` : word)));
    const stop = ` ${words[4]}`;
    const [cut] = await collect(generateFrom(decoder, codec, [sources[0]!.join(' ')], { ...options, stop }));
    expect(cut).toMatchObject({ text: words.join(' ').split(stop)[0], finishReason: 'stop' });
    await decoder.dispose();
  });

  test.skipIf(!hasShared)(
    'T5’s own tokenizer ends the source, and the chunks join to the target’s text (needs ../shared)',
    async () => {
      const tokenizer = await loadTokenizer(sharedPath('data/tok_t5'));
      const sizes = { vocab_size: tokenizer.vocabularySize, d_model: 8, d_kv: 4, d_ff: 8, num_layers: 1, num_heads: 2 };
      const config = { ...sizes, model_type: 't5', decoder_start_token_id: 0 };
      const { network } = buildNetwork(config, architectures);
      const decoder = new Seq2SeqDecoder(network as Seq2Seq, initialize(network, 1));
      const seen: (readonly number[])[] = [];
      const codec = {
        encode: (text: string) => {
          const { ids } = tokenizer.encode(text);
          seen.push(ids);
          return { ids };
        },
        decodeStream: () => tokenizer.decodeStream(),
      };
      const texts: string[] = [];
      const asked = { maxNewTokens: 12, temperature: 1, seed: 2 };
      const [found] = await collect(generateFrom(decoder, codec, 'A dog runs.', asked), ({ text }) => texts.push(text));
      expect(seen[0]!.at(-1)).toBe(1);
      expect(texts.join('')).toBe(found!.text);
      expect(found!.text).toBe(tokenizer.decode([...found!.ids]));
      expect(found!.text).not.toMatch(/^ |<pad>|<\/s>/);
      await decoder.dispose();
    },
  );

  test('an abort between two tokens ends it and keeps what there is', async () => {
    const decoder = seq2seqDecoder(await open('UMT5'));
    const stop = new AbortController();
    const found = await collect(
      generateTokensFrom(decoder, sources, { maxNewTokens: 50, eosTokenIds: [], signal: stop.signal }),
      ({ step, row }) => {
        if (step === 3 && row === 4) stop.abort();
      },
    );
    expect(found.map((f) => [f.ids.length, f.finishReason])).toEqual(sources.map(() => [4, 'aborted']));
    // It goes on as if nothing had been.
    expect((await collect(generateTokensFrom(decoder, [[50]], { maxNewTokens: 2 })))[0]!.ids.length).toBe(2);
    await decoder.dispose();
  });

  test.each([...built, ...folders])('%s: a draft changes no greedy token', async (name) => {
    const model = await open(name);
    const decoder = seq2seqDecoder(model);
    const other = buildNetwork(model.config, architectures);
    const guesses = seq2seqDecoder(
      new Model({ ...other, weights: initialize(other.network, 4), config: model.config }),
    );
    for (const source of [sources[0]!, sources[2]!]) {
      const options = { maxNewTokens: 20, eosTokenIds: [] };
      const [plain] = await collect(generateTokensFrom(decoder, [source], options));
      for (const draft of [guesses, seq2seqDecoder(model)]) {
        const [helped] = await collect(generateTokensFrom(decoder, [source], { ...options, draft }));
        expect(helped!.ids).toEqual(plain!.ids);
      }
    }
    expect(() => generateTokensFrom(decoder, [[1], [2]], { draft: guesses })).toThrow('2 sources with a draft');
    await decoder.dispose();
  });

  test.each([...built, ...folders])('%s: hidden states kept by steps are those of the whole pass', async (name) => {
    const model = await open(name);
    const decoder = seq2seqDecoder(model, { hiddenStates: true });
    const source = sources[0]!;
    decoder.read([source]);
    await decoder.prefill([[0, 5]]);
    await decoder.step([7]);
    await decoder.stepMany([[9, 11, 13]]);
    decoder.truncate([5]);
    await decoder.step([12]);
    const ids = (row: readonly number[]): HostTensor => hostTensor(BigInt64Array.from(row, BigInt), [1, row.length]);
    const last = `decoder_hidden_states.${(model.network as Seq2Seq).layers}`;
    const inputs = { input_ids: ids(source), decoder_input_ids: ids([0, 5, 7, 9, 11, 12]) };
    const whole = (await model.run(inputs, [last]))[last]!.data as Float32Array;
    const kept = Float32Array.from(decoder.hiddenStates(0).flatMap((state) => [...state]));
    // The order of sums differs between one token and several.
    expect(farthest(kept, whole)).toBeLessThan(1e-5);
    await decoder.dispose();
  });

  test('contrastive search writes what its definition says', async () => {
    const model = await open('UMT5');
    const decoder = seq2seqDecoder(model, { hiddenStates: true });
    const [greedy] = await collect(generateTokensFrom(decoder, [sources[0]!], { maxNewTokens: 12, eosTokenIds: [] }));
    const options = { maxNewTokens: 12, eosTokenIds: [], penaltyAlpha: 0.6, topK: 4 };
    const [found] = await collect(generateTokensFrom(decoder, [sources[0]!], options));
    const source = sources[0]!;
    const ids = (row: readonly number[]): HostTensor => hostTensor(BigInt64Array.from(row, BigInt), [1, row.length]);
    const last = `decoder_hidden_states.${(model.network as Seq2Seq).layers}`;
    const target = [0];
    for (const id of found!.ids) {
      const inputs = (own: readonly number[]) => ({ input_ids: ids(source), decoder_input_ids: ids(own) });
      const states = async (own: readonly number[]): Promise<number[][]> => {
        const { data, shape } = (await model.run(inputs(own), [last]))[last]!;
        const C = shape[2]!;
        return own.map((_, t) => [...(data as Float32Array).subarray(t * C, (t + 1) * C)]);
      };
      const logits = [...(await whole(model, source, target))];
      const total = logits.reduce((sum, l) => sum + Math.exp(l), 0);
      const best = logits
        .map((_, i) => i)
        .toSorted((a, b) => logits[b]! - logits[a]!)
        .slice(0, 4);
      const scores: number[] = [];
      for (const one of best) {
        const all = await states([...target, one]);
        const own = all.pop()!;
        const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
        const like = all.map((h) => dot(h, own) / Math.sqrt(dot(h, h) * dot(own, own)));
        scores.push((0.4 * Math.exp(logits[one]!)) / total - 0.6 * Math.max(...like));
      }
      expect(id).toBe(best[scores.indexOf(Math.max(...scores))]);
      target.push(id);
    }
    expect(found!.ids).not.toEqual(greedy!.ids);
    const plain = seq2seqDecoder(model);
    expect(() => generateTokensFrom(plain, [[1], [2]], options)).toThrow('2 sources with penaltyAlpha');
    await expect(collect(generateTokensFrom(plain, [[1]], options))).rejects.toThrow('keeps hidden states');
    await decoder.dispose();
    await plain.dispose();
  });

  test('what can’t be done is refused before any work', async () => {
    const decoder = seq2seqDecoder(await open('the Transformer'));
    expect(() => generateTokensFrom(decoder, [[1]], { contextShift: true })).toThrow('contextShift is true');
    expect(() => generateTokensFrom(decoder, [])).toThrow('no sources');
    expect(() => generateTokensFrom(decoder, [[]])).toThrow('source 0 is empty');
    expect(() => generateTokensFrom(decoder, [[97]])).toThrow('source 0 holds id 97');
    expect(() => generateTokensFrom(decoder, [Array.from({ length: 41 }, () => 3)])).toThrow('shorten it by 1 or more');
    expect(() => generateTokensFrom(decoder, [[1]], { startIds: [] })).toThrow('decoder_start_token_id');
    await expect(decoder.prefill([[2]])).rejects.toThrow('no sources');
    await expect(decoder.step([2])).rejects.toThrow('step before prefill');
    const model = await open('the Transformer', { num_beam_groups: 2 });
    expect(() => seq2seqDecoder(model)).toThrow('num_beam_groups is 2; needs 1');
    const silent = seq2seqDecoder(await open('UMT5', { decoder_start_token_id: null }));
    expect(() => generateTokensFrom(silent, [[1]])).toThrow('decoder_start_token_id');
    const gpt2 = { model_type: 'gpt2', vocab_size: 9, n_positions: 4, n_embd: 4, n_layer: 1, n_head: 1 };
    const causal = new Model({ ...buildNetwork(gpt2, architectures), weights: new Map(), config: gpt2 });
    expect(() => seq2seqDecoder(causal)).toThrow('GPT2LMHeadModel is not an encoder-decoder');
    await decoder.dispose();
    await silent.dispose();
  });
});
