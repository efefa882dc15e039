// One process of the fine-tuning benchmark: whole steps at GPT-2's size, timed.
// node scripts/bench/finetune-brickwork.mjs full|lora STEPS WARMUP
import process from 'node:process';
import { initialize, random } from '@brickwork/nn';
import { hostTensor } from '@brickwork/runtime';
import { FineTuning, languageModelling, memoryStore } from '@brickwork/training';
import { architectures, buildNetwork, Model, readAdapterConfig } from '@brickwork/transformer';

const [method, steps, warmup] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const [B, T, V] = [4, 128, 50257];
const config = { model_type: 'gpt2', embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
const built = buildNetwork(config, architectures);
const weights = new Map();
for (const [name, { data, shape }] of initialize(built.network, 1)) weights.set(name, hostTensor(data, shape));
const model = new Model({ ...built, config, weights });
const draw = random(1);
const ids = () => Int32Array.from({ length: T }, () => draw.integer(V));
const examples = Array.from({ length: B }, () => {
  const own = ids();
  return { input_ids: own, labels: own };
});
const task = languageModelling({ encode: () => ({ ids: [] }) }, { padId: 0, limit: T, endId: null });
const lora = { peft_type: 'LORA', r: 8, lora_alpha: 16, target_modules: ['attn.c_attn', 'attn.c_proj'] };
const tuning = new FineTuning(model, { method: method === 'lora' ? readAdapterConfig(lora) : 'full' });
const options = { task, steps: steps + warmup, batchSize: B, rate: 1e-4, picture: false, evaluateEvery: 1e6 };
const times = [];
let last = performance.now();
for await (const event of tuning.train({ train: memoryStore(examples) }, options)) {
  if (event.type !== 'step') continue;
  const now = performance.now();
  if (event.step > warmup) times.push(now - last);
  last = now;
}
process.stdout.write(`${JSON.stringify({ times, peak: process.resourceUsage().maxRSS / 1024 })}\n`);
process.exit(0);
