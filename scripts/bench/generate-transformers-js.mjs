// One process of the benchmark of generation: transformers.js with an exported folder. The last of two runs counts.
import process from 'node:process';
import { AutoModelForCausalLM, BaseStreamer, Tensor } from '@huggingface/transformers';

const { folder, dtype, threads, tokens, prompts } = JSON.parse(process.argv[2]);
const model = await AutoModelForCausalLM.from_pretrained(folder, {
  dtype: dtype === 'int4' ? 'q4' : dtype,
  local_files_only: true,
  session_options: { intraOpNumThreads: threads },
});
const T = prompts[0].length;
const int64 = (of) => new Tensor('int64', BigInt64Array.from(prompts.flat(), of), [prompts.length, T]);
class Clock extends BaseStreamer {
  times = [];
  put() {
    this.times.push(performance.now());
  }
  end() {}
}
async function once() {
  const clock = new Clock();
  const start = performance.now();
  await model.generate({
    inputs: int64(BigInt),
    attention_mask: int64(() => 1n),
    max_new_tokens: tokens,
    min_new_tokens: tokens,
    do_sample: false,
    ...(prompts.length === 1 && { streamer: clock }),
  });
  const end = performance.now();
  if (prompts.length > 1) return end - start;
  // The first call is of the prompt.
  const [, first] = clock.times;
  return { first: first - start, rate: (clock.times.length - 2) / ((clock.times.at(-1) - first) / 1000) };
}
await once();
let found = await once();
if (prompts.length > 1) {
  // It streams one text at a time; how long the prompts take is measured apart.
  const whole = found;
  const start = performance.now();
  await model.generate({ inputs: int64(BigInt), attention_mask: int64(() => 1n), max_new_tokens: 1, do_sample: false });
  const first = performance.now() - start;
  found = { first, rate: ((tokens - 1) * prompts.length) / ((whole - first) / 1000) };
}
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0);
