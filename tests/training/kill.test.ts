// A training process killed with SIGKILL at moments that nobody chose, and resumed until it is done, writes the bytes of
// one that was left alone. Checkpoints are written at every step, so that kills hit those too.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'brickwork-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const built = (name: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../packages/${name}/dist/index.js`, import.meta.url)));

const end = `for await (const e of run) if (e.type === 'end') process.exit(e.aborted ? 3 : 0);`;
const pretraining = (folder: string): string => `
  const { GPT2LMHeadModel } = await import(${built('transformer')});
  const { memoryTokens, pretrain } = await import(${built('training')});
  const ids = Int32Array.from({ length: 500 }, (_, i) => (i * i) % 13);
  const data = { train: memoryTokens(ids.subarray(0, 400)), validation: memoryTokens(ids.subarray(400)), charactersPerToken: 1, fingerprint: 'squares' };
  const model = new GPT2LMHeadModel({ vocab_size: 13, n_positions: 8, n_embd: 16, n_layer: 1, n_head: 2 });
  console.log('ready');
  const run = pretrain(model, data, {
    steps: 60, batchSize: 2, accumulate: 2, rate: 1e-2, evaluateEvery: 7, saveEvery: 1, keepBest: true, schedule: 'plateau',
    folder: ${JSON.stringify(folder)}, resume: true, picture: false, measurePeak: false, compile: { threads: 1 },
  });
  ${end}
`;
// Labelled data in batches of similar length, of which an epoch has seven and a rest; dropout; and what the case adds.
const fineTuning =
  (config: object, field: string, method: string, task: string, options: string) =>
  (folder: string): string =>
    `
  const { AutoModel, readAdapterConfig } = await import(${built('transformer')});
  const training = await import(${built('training')});
  const model = AutoModel.fromConfig(${JSON.stringify(config)}, { seed: 1 });
  const examples = Array.from({ length: 15 }, (_, i) => {
    const input_ids = Int32Array.from({ length: 4 + (i % 5) }, (_, t) => 5 + ((i * t + i) % 12));
    return { input_ids, ${field} };
  });
  const tokenizer = { encode: () => ({ ids: [] }) };
  const task = training.${task};
  const store = training.memoryStore(examples);
  const tuning = new training.FineTuning(model, { method: ${method}, seed: 3 });
  console.log('ready');
  const run = tuning.train({ train: store, validation: store }, {
    task, batchSize: 2, accumulate: 2, steps: 40, rate: 1e-2, evaluateEvery: 7, saveEvery: 1, keepBest: true,
    folder: ${JSON.stringify(folder)}, resume: true, picture: false, compile: { threads: 1 }, ${options}
  });
  ${end}
`;
const sizes = { hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32, vocab_size: 17 };
const gpt2 = { model_type: 'gpt2', vocab_size: 17, n_positions: 16, n_embd: 16, n_layer: 2, n_head: 2 };
const bert = { model_type: 'bert', architectures: ['BertForMaskedLM'], max_position_embeddings: 16, ...sizes };
const cases: readonly (readonly [string, (folder: string) => string])[] = [
  ['pretraining', pretraining],
  [
    'a LoRA with dropout, weights averaged',
    fineTuning(
      gpt2,
      'labels: input_ids',
      `readAdapterConfig({ peft_type: 'LORA', r: 2, lora_dropout: 0.2, target_modules: ['c_attn'], task_type: 'CAUSAL_LM' })`,
      'languageModelling(tokenizer, { padId: 0, limit: 16, endId: null })',
      `ema: 0.9, optimizer: 'lion'`,
    ),
  ],
  [
    'masking anew at every step, activations checkpointed',
    fineTuning(
      bert,
      'words: input_ids.map((_, t) => t)',
      `'full'`,
      'maskedLanguageModelling(tokenizer, { padId: 0, maskId: 1, vocabularySize: 17, limit: 16 })',
      `recompute: true, optimizer: 'adafactor'`,
    ),
  ],
];

/** Runs to the end, or for so many milliseconds after it has loaded; true where it came to the end. */
async function run(script: string, milliseconds = Infinity): Promise<boolean> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (d: Buffer) => (errors += d.toString()));
  child.stdout.once('data', () => milliseconds < Infinity && setTimeout(() => child.kill('SIGKILL'), milliseconds));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(errors);
  return code === 0;
}

test.each(cases)(
  '%s: killed at any moment and resumed, all files are bit for bit the same',
  async (name, script) => {
    const [whole, killed] = [join(root, name, 'whole'), join(root, name, 'killed')];
    expect(await run(script(whole))).toBe(true);
    let kills = 0;
    for (let i = 0; i < 40; i++) {
      // From 40 ms on; up to 290, later more, so that a slow machine comes to an end too.
      if (await run(script(killed), i < 8 ? 40 + ((i * 97) % 251) : Infinity)) break;
      kills++;
    }
    expect(kills).toBeGreaterThan(2);
    expect(readdirSync(killed).toSorted()).toEqual(readdirSync(whole).toSorted());
    for (const file of readdirSync(whole))
      expect(readFileSync(join(killed, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
  },
  120_000,
);
