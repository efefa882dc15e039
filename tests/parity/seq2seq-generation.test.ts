// Generation by encoder-decoders: the compiled graphs, the cache and the loop together, against PyTorch and against the
// plain graph that computes all tokens anew.
import { describe, expect, test } from 'vitest';
import { hostTensor } from '../../packages/runtime/src/index.ts';
import {
  beamSearch,
  collect,
  generateTokens,
  isSeq2Seq,
  loadModel,
  Seq2SeqDecoder,
  type Model,
} from '../../packages/transformer/src/index.ts';
import { fixture, hasShared } from '../fixtures.ts';

const folders = ['t5', 'bart', 'marian'];
// Of different lengths, two of them equal.
const sources = [[26, 10, 39, 95, 49, 75, 9, 60, 27, 11], [3, 9, 2], [50], [3, 9, 2], [41, 5, 61, 7, 8, 90, 2]];

function decoderOf(model: Model): Seq2SeqDecoder {
  if (!isSeq2Seq(model.network)) throw new Error('not an encoder-decoder');
  return new Seq2SeqDecoder(model.network, model.weights);
}

/** Logits after the last token of `target`, from the whole pass. */
async function whole(model: Model, source: readonly number[], target: readonly number[]): Promise<Float32Array> {
  const ids = (row: readonly number[]) => hostTensor(BigInt64Array.from(row, BigInt), [1, row.length]);
  const { logits } = await model.run({ input_ids: ids(source), decoder_input_ids: ids(target) }, ['logits']);
  return (logits!.data as Float32Array).slice(-logits!.shape[2]!);
}

function farthest(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe.skipIf(!hasShared).each(folders)('%s (needs ../shared)', (name) => {
  test('greedy tokens are PyTorch’s', async () => {
    const f = await fixture(name);
    const model = await loadModel(f.folder);
    const decoder = decoderOf(model);
    const { prompt, tokens, max_new_tokens: maxNewTokens } = f.json.generate;
    decoder.read(prompt.input_ids);
    const found = await collect(generateTokens(decoder, [tokens[0]!.slice(0, 1)], { maxNewTokens }));
    expect([tokens[0]![0], ...found[0]!.ids]).toEqual(tokens[0]);
    await decoder.dispose();
    await model.dispose();
  });

  test('each step’s logits are those of the whole pass, for sources and targets of different lengths in one batch', async () => {
    const f = await fixture(name);
    const model = await loadModel(f.folder);
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
    const f = await fixture(name);
    const model = await loadModel(f.folder);
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
    const f = await fixture(name);
    const model = await loadModel(f.folder);
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
