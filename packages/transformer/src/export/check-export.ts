// Runs an exported file beside the model that it came from, on random inputs: what they give has to be the same, as far as the
// file's type allows.
import { compile, hostTensor, usedBy, type HostTensor, type Program } from '@brickwork/runtime';
import { isCausalLM } from '../causal-lm.ts';
import type { Model } from '../model.ts';
import { isSeq2Seq } from '../seq2seq.ts';
import type { ExportType } from './export-model.ts';
import { sampleInputs } from './sample-inputs.ts';

/** How far apart a file and its model are. */
export interface ExportCheck {
  /** Largest difference of any output, as a share of the largest value of that output in float32. */
  readonly difference: number;
  /** What was allowed. */
  readonly tolerance: number;
}

/**
 * Shares of the largest value. float32: the engine orders sums differently where it fuses. float16 has 11 bits, and errors add up
 * through the layers. Few bits: what random weights, the hardest to quantize, stay below.
 */
export const exportTolerances: Readonly<Record<ExportType, number>> = { fp32: 1e-4, fp16: 0.02, int8: 0.1, int4: 0.5 };

type Values = Record<string, HostTensor>;

/**
 * @param files of the export, the encoder's first where there are two.
 * @throws where the two differ by more than the type's tolerance.
 */
export async function checkExport(
  model: Model,
  files: readonly string[],
  dtype: ExportType,
  signal?: AbortSignal,
): Promise<ExportCheck> {
  const options = signal ? { signal } : {};
  const programs: Program[] = [];
  try {
    for (const file of files) programs.push(await compile(file, options));
    // Weights that are inputs of the file.
    for (const program of programs) await program.bind(usedBy(program, model.weights));
    const { network } = model;
    const [first, second] = programs as [Program, Program?];
    const writes = isCausalLM(network) || isSeq2Seq(network);
    const wanted = first.inputs.map((x) => x.name);
    const inputs = sampleInputs(model, second ? [...wanted, 'decoder_input_ids'] : wanted);
    const names = writes ? ['logits'] : first.outputs.map((x) => x.name);
    const expected = await model.run(inputs, names, options);
    const found = second
      ? await translated(first, second, inputs)
      : isCausalLM(network)
        ? await inTwoSteps(first, inputs['input_ids']!)
        : await first.run(inputs);
    const tolerance = exportTolerances[dtype];
    const difference = Math.max(...names.map((name) => apart(found[name]!, expected[name]!)));
    if (!(difference <= tolerance))
      throw new Error(
        `exportModel: the ${dtype} file differs from ${model.className} by ${difference.toPrecision(2)} of the largest value; ${tolerance} is allowed. ${dtype === 'fp32' ? 'Please report this.' : 'Keep some layers in float32, or take a wider type.'}`,
      );
    return { difference, tolerance };
  } finally {
    for (const program of programs) await program.dispose();
  }
}

// The largest difference as a share of the largest value.
function apart({ data: found }: HostTensor, { data: expected }: HostTensor): number {
  let largest = 0;
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(Number(expected[i])));
    const one = Math.abs(Number(found[i]) - Number(expected[i]));
    if (!(one <= most)) most = Number.isNaN(one) ? Infinity : one;
  }
  return most / (largest || 1);
}

// The source through the encoder, then the target through the decoder.
async function translated(encoder: Program, decoder: Program, inputs: Values): Promise<Values> {
  const { input_ids: ids, attention_mask: mask, decoder_input_ids: targets } = inputs;
  const { last_hidden_state: hidden } = await encoder.run({ input_ids: ids!, attention_mask: mask! });
  return await inTwoSteps(decoder, targets!, { encoder_hidden_states: hidden!, encoder_attention_mask: mask! });
}

// All tokens but the last, then that one with the cache of the others: the logits of all.
async function inTwoSteps(program: Program, ids: HostTensor, source: Values = {}): Promise<Values> {
  const [B, T] = ids.shape as [number, number];
  const V = Number(program.outputs.find((o) => o.name === 'logits')!.shape[2]);
  const logits = new Float32Array(B * T * V);
  let cache: Values = {};
  for (const { name, shape, dtype } of program.inputs)
    if (name.startsWith('past_key_values.'))
      cache[name] = hostTensor(
        dtype === 'float16' ? new Uint16Array(0) : new Float32Array(0),
        [B, Number(shape[1]), 0, Number(shape[3])],
        dtype,
      );
  for (const [first, end] of T > 1 ? [[0, T - 1] as const, [T - 1, T] as const] : [[0, T] as const]) {
    const n = end - first;
    const part = (of: (row: number, t: number) => bigint, width = n, from = first): HostTensor =>
      hostTensor(
        BigInt64Array.from({ length: B * width }, (_, i) => of(Math.floor(i / width), from + (i % width))),
        [B, width],
      );
    const feeds: Values = {
      ...cache,
      ...source,
      input_ids: part((row, t) => (ids.data as BigInt64Array)[row * T + t]!),
      position_ids: part((_, t) => BigInt(t)),
      attention_mask: part(() => 1n, end, 0),
    };
    const out = await program.run(usedBy(program, feeds));
    for (let row = 0; row < B; row++)
      logits.set((out['logits']!.data as Float32Array).subarray(row * n * V, (row + 1) * n * V), (row * T + first) * V);
    cache = Object.fromEntries(
      Object.keys(cache).map((name) => [name, out[name.replace('past_key_values', 'present')]!]),
    );
  }
  return { logits: hostTensor(logits, [B, T, V]) };
}
