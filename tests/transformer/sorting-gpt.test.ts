// A trained GPT of three layers that sorts six digits (the one that llm-viz draws), with every value of one pass as
// PyTorch had it: read from its JSON, saved as a GPT-2, and opened like any other model.
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { input, matmul, softmax, type Tensor } from '../../packages/graph/src/index.ts';
import { activation, evaluating } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, saveCheckpoint, type HostTensor } from '../../packages/runtime/src/index.ts';
import { AutoModel, GPT2LMHeadModel } from '../../packages/transformer/src/index.ts';
import { sharedPath } from '../fixtures.ts';

const folder = sharedPath('data/gpt_nano_sort');
const scratch = await mkdtemp(join(tmpdir(), 'brickwork-sorting-'));
afterAll(() => rm(scratch, { recursive: true }));

interface Stored {
  shape: number[];
  data: string;
}
type File = Record<string, Stored> & { config: Record<string, number> };
const read = (name: string): File => JSON.parse(readFileSync(join(folder, name), 'utf8')) as File;
const tensorOf = ({ shape, data }: Stored): HostTensor => {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  return hostTensor(new Float32Array(bytes.buffer), shape);
};
// minGPT's layers hold (out, in), GPT-2's (in, out).
function transposed({ data, shape }: HostTensor): HostTensor {
  const [rows, columns] = shape as [number, number];
  return hostTensor(
    Float32Array.from({ length: data.length }, (_, i) => Number(data[(i % rows) * columns + Math.floor(i / rows)])),
    [columns, rows],
  );
}

async function sorter(): Promise<Awaited<ReturnType<typeof AutoModel.fromPretrained>>> {
  const { config, ...stored } = read('gpt-nano-sort-model.json');
  const weights = new Map(
    Object.entries(stored).map(([name, value]) => {
      const tensor = tensorOf(value as Stored);
      return [name, /(c_attn|c_proj|c_fc)\.weight$/.test(name) ? transposed(tensor) : tensor];
    }),
  );
  const { n_layer, n_head, n_embd, vocab_size, block_size: n_positions } = config;
  const fields = { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], n_layer, n_head, n_embd, vocab_size };
  await saveCheckpoint(join(scratch, 'sorter'), {
    config: { ...fields, n_positions, tie_word_embeddings: false, activation_function: 'gelu_new' },
    tensors: weights,
  });
  return AutoModel.fromPretrained(join(scratch, 'sorter'));
}

function largest(actual: HostTensor, expected: HostTensor): number {
  expect(actual.data.length).toBe(expected.data.length);
  let most = 0;
  for (let i = 0; i < expected.data.length; i++)
    if (Number.isFinite(Number(expected.data[i])))
      most = Math.max(most, Math.abs(Number(actual.data[i]) - Number(expected.data[i])));
  return most;
}

describe.skipIf(!existsSync(folder))('the GPT that sorts (needs ../shared)', () => {
  test('sorts all 729 sequences of six digits', async () => {
    const model = await sorter();
    const decoder = model.decoder();
    const all = Array.from({ length: 729 }, (_, n) => Array.from({ length: 6 }, (_, i) => Math.floor(n / 3 ** i) % 3));
    const pick = (logits: Float32Array): number[] =>
      all.map((_, row) => {
        const scores = [...logits.subarray(3 * row, 3 * row + 3)];
        return scores.indexOf(Math.max(...scores));
      });
    const columns = [pick(await decoder.prefill(all))];
    while (columns.length < 6) columns.push(pick(await decoder.step(columns.at(-1)!)));
    const right = all.filter((digits, row) =>
      digits.toSorted((a, b) => a - b).every((digit, i) => columns[i]![row] === digit),
    );
    expect(right.length).toBe(729);
    await decoder.dispose();
  });

  test('every value of a pass is PyTorch’s', async () => {
    const { config, ...stored } = read('gpt-nano-sort-t0-partials.json');
    const expected = new Map(Object.entries(stored).map(([name, value]) => [name, tensorOf(value as Stored)]));
    const idx = expected.get('idx')!;
    const ids = hostTensor(
      BigInt64Array.from(idx.data as Float32Array, (id) => BigInt(id)),
      idx.shape,
    );
    const model = await sorter();
    const given = ['logits', 'attentions.0', ...[0, 1, 2, 3].map((i) => `hidden_states.${i}`)];
    const out = await model.run({ input_ids: ids }, given);
    // The bricks of the first block, one after the other.
    const network = model.network as GPT2LMHeadModel;
    const [B, T, C, H] = [config['B']!, 11, 48, 3];
    const { ln_1, attn, ln_2, mlp } = network.transformer.h[0]!;
    const ctx = evaluating();
    const x = input('x', [B, T, C], 'float32');
    const weights = input('weights', [B, H, T, T], 'float32');
    const ln1 = ln_1.forward(x);
    const qkv = attn.c_attn.forward(ln1);
    const [q, k, v] = [0, 1, 2].map((i): Tensor => {
      const part = input(`part.${i}`, [B, T, C], 'float32');
      return part.reshape([B, T, H, C / H]).permute([0, 2, 1, 3]);
    }) as [Tensor, Tensor, Tensor];
    const att = matmul(q, k.permute([0, 1, 3, 2])).mul((C / H) ** -0.5);
    const y = matmul(weights, v).permute([0, 2, 1, 3]).reshape([B, T, C]);
    const yProj = attn.c_proj.forward(y);
    const attnResid = x.add(yProj);
    const ln2 = ln_2.forward(attnResid);
    const fc = mlp.c_fc.forward(ln2);
    const last = input('last', [B, T, 3], 'float32');
    const { wte, wpe, ln_f } = network.transformer;
    const tok_emb = wte.forward(input('ids', [B, T], 'int64'));
    const pos_emb = wpe.forward(input('positions', [1, T], 'int64'));
    // What comes before the last norm has no name among the outputs: PyTorch's, normed, is compared.
    const afterBlock2 = ln_f.forward(input('block2', [B, T, C], 'float32'));
    const run = async (
      outputs: Record<string, Tensor>,
      feeds: Record<string, HostTensor>,
    ): Promise<Record<string, HostTensor>> => {
      const program = await compile(outputs);
      const needed = program.inputs.map(({ name }) => [name, feeds[name] ?? model.weights.get(name)!] as const);
      const results = await program.run(Object.fromEntries(needed));
      await program.dispose();
      return results;
    };
    const first = await run({ ln1, qkv }, { x: out['hidden_states.0']! });
    const parts = [0, 1, 2].map((i) => {
      const all = first['qkv']!.data as Float32Array;
      const data = Float32Array.from(
        { length: B * T * C },
        (_, n) => all[Math.floor(n / C) * 3 * C + i * C + (n % C)]!,
      );
      return [`part.${i}`, hostTensor(data, [B, T, C])] as const;
    });
    const mlpOut = mlp.forward(ln2, ctx);
    const second = await run(
      {
        ...{ tok_emb, pos_emb, afterBlock2, q, k, v, att, y, yProj, attnResid, ln2, fc },
        ...{ gelu: activation('gelu_new')(fc), mlp: mlpOut, mlpResid: attnResid.add(mlpOut), probs: softmax(last) },
      },
      {
        ids,
        positions: hostTensor(
          BigInt64Array.from({ length: T }, (_, i) => BigInt(i)),
          [1, T],
        ),
        block2: expected.get('block2')!,
        x: out['hidden_states.0']!,
        weights: out['attentions.0']!,
        last: out['logits']!,
        ...Object.fromEntries(parts),
      },
    );
    const { afterBlock2: normed, ...named } = second;
    expect(largest(normed!, expected.get('ln_f')!)).toBeLessThan(1e-4);
    const actual: Record<string, HostTensor> = {
      ...first,
      ...named,
      x: out['hidden_states.0']!,
      attSm: out['attentions.0']!,
      block0: out['hidden_states.1']!,
      block1: out['hidden_states.2']!,
      ln_f: out['hidden_states.3']!,
      lm_head: out['logits']!,
    };
    for (const [name, value] of Object.entries(actual)) {
      const reference = expected.get(name);
      expect(reference, name).toBeDefined();
      expect(largest(value, reference!), name).toBeLessThan(1e-4);
    }
    const unseen = [...expected.keys()].filter((name) => !Object.hasOwn(actual, name));
    expect(unseen).toEqual(['idx', 'block2']);
    await model.dispose();
  });
});
