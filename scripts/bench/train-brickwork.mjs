// One process of the training benchmark: whole steps (forward, backward, clipping, AdamW) of a GPT of one size, timed.
// node scripts/bench/train-brickwork.mjs '{"layers":4,…}' steps warmup
import process from 'node:process';
import { GPT2LMHeadModel } from '../../packages/transformer/dist/index.js';
import { benchmarkStep } from '../../packages/training/dist/index.js';

const [size, steps, warmup] = process.argv.slice(2).map((a) => JSON.parse(a));
const model = new GPT2LMHeadModel({
  vocab_size: size.V,
  n_positions: size.block,
  n_embd: size.C,
  n_layer: size.layers,
  n_head: size.heads,
  embd_pdrop: 0,
  resid_pdrop: 0,
  attn_pdrop: 0,
});
const times = await benchmarkStep(model, { B: size.B, T: size.T, steps, warmup, rate: 3e-4 });
process.stdout.write(`${JSON.stringify({ times, peak: process.resourceUsage().maxRSS / 1024 })}\n`);
process.exit(0);
