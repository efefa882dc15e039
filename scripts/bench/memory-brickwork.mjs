// One process of the memory benchmark: some steps of fine-tuning, the estimate before them, and the peak after.
// node scripts/bench/memory-brickwork.mjs '{"method": "full", "recompute": false, "layers": 4, …}'
import process from 'node:process';
import { initialize, random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { FineTuning, languageModelling, memoryStore } from '@brickwork/training';
import { architectures, buildNetwork, Model, readAdapterConfig } from '@brickwork/transformer';

const { method, recompute, layers, C, B, T, V } = JSON.parse(process.argv[2]);
const config = { model_type: 'gpt2', vocab_size: V, n_positions: T, n_layer: layers, n_embd: C, n_head: C / 64 };
const built = buildNetwork(config, architectures);
const weights = new Map();
for (const [name, { data, shape }] of initialize(built.network, 1)) weights.set(name, hostTensor(data, shape));
const model = new Model({ ...built, config, weights });
const draw = random(1);
const examples = Array.from({ length: B }, () => {
  const ids = Int32Array.from({ length: T }, () => draw.integer(V));
  return { input_ids: ids, labels: ids };
});
const task = languageModelling({ encode: () => ({ ids: [] }) }, { padId: 0, limit: T, endId: null });
const lora = { peft_type: 'LORA', r: 8, lora_alpha: 16, target_modules: ['attn.c_attn', 'attn.c_proj'] };
const tuning = new FineTuning(model, { method: method === 'lora' ? readAdapterConfig(lora) : 'full' });
const store = memoryStore(examples);
const options = { task, steps: 4, batchSize: B, rate: 1e-4, picture: false, evaluateEvery: 1e6, recompute };
const estimate = tuning.estimateMemory(store, options);
const times = [];
let last = performance.now();
for await (const event of tuning.train({ train: store }, options)) {
  if (event.type !== 'step') continue;
  const now = performance.now();
  if (event.step > 1) times.push(now - last);
  last = now;
}
process.stdout.write(`${JSON.stringify({ times, estimate, peak: process.resourceUsage().maxRSS * 1024 })}\n`);
process.exit(0);
