// Trains the encoder that ships in models/encoder: a ModernBERT of 3 million parameters, by masked language modelling.
//
//   node scripts/run.mjs node scripts/recipes/encoder.mjs OUT FILE…
//
// FILE: texts (.txt, .txt.gz), and labelled texts (.tsv: label, text) of which every fifth is left out. About 40 minutes on
// one core; STEPS in the environment ends it sooner. Interrupted, the same command goes on.
import process from 'node:process';
import { saveCheckpoint } from '@brickwork/runtime';
import { Tokenizer, tokenizerConfig, trainTokenizer } from '@brickwork/tokenizer';
import { FineTuning, maskedLanguageModelling, memoryStore, progressLine } from '@brickwork/training';
import { AutoModel } from '@brickwork/transformer';
import { labelled, paragraphs } from './texts.mjs';

const [out, ...files] = process.argv.slice(2);
if (!out || !files.length) {
  process.stderr.write('usage: node scripts/run.mjs node scripts/recipes/encoder.mjs OUT FILE…\n');
  process.exit(2);
}
const texts = [];
for (const file of files) {
  const own = file.endsWith('.tsv') ? (await labelled(file)).train.map(({ text }) => text) : paragraphs(file);
  texts.push(...own);
}
const json = await trainTokenizer(
  texts.map((text) => `${text}\n`),
  { type: 'wordpiece', vocabularySize: 6000 },
);
const tokenizer = new Tokenizer(json, tokenizerConfig(json));
const { pad, mask, cls, sep } = tokenizer.specialTokens;
const limit = 128;
const config = {
  model_type: 'modernbert',
  architectures: ['ModernBertForMaskedLM'],
  vocab_size: Math.ceil(tokenizer.vocabularySize / 8) * 8,
  hidden_size: 192,
  intermediate_size: 384,
  num_hidden_layers: 5,
  num_attention_heads: 4,
  max_position_embeddings: limit,
  local_attention: 32,
  global_attn_every_n_layers: 2,
  classifier_pooling: 'mean',
  classifier_dropout: 0.1,
  pad_token_id: pad.id,
  cls_token_id: cls.id,
  sep_token_id: sep.id,
  bos_token_id: cls.id,
  eos_token_id: sep.id,
};
const model = AutoModel.fromConfig(config, { seed: 1 });
const task = maskedLanguageModelling(tokenizer, {
  padId: pad.id,
  maskId: mask.id,
  vocabularySize: tokenizer.vocabularySize,
  limit,
  multiple: 32,
  share: 0.3,
});
const examples = texts.flatMap((text) => task.encode({ kind: 'text', text }));
const train = memoryStore(examples.filter((_, i) => i % 40 !== 7));
const validation = memoryStore(examples.filter((_, i) => i % 40 === 7).slice(0, 256));
const save = () =>
  saveCheckpoint(out, {
    config: { ...config, torch_dtype: 'float32' },
    tensors: tuning.weights,
    files: {
      'tokenizer.json': JSON.stringify(json),
      'tokenizer_config.json': `${JSON.stringify(tokenizerConfig(json), null, 2)}\n`,
    },
  });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const steps = Number(process.env['STEPS'] ?? 5000);
const line = progressLine({ steps });
const tuning = new FineTuning(model);
for await (const event of tuning.train(
  { train, validation },
  {
    task,
    batchSize: 32,
    steps,
    rate: 2e-3,
    warmup: Math.min(200, steps),
    floor: 0.02,
    betas: [0.9, 0.98],
    evaluateEvery: 250,
    seed: 1,
    folder: `${out}.run`,
    resume: true,
    signal: stop.signal,
  },
)) {
  if (event.type === 'step') line.show(event);
  if (event.type === 'evaluation') {
    line.clear();
    process.stderr.write(`step ${event.step}: ${event.loss.toFixed(4)} nats for each masked token\n`);
    if (event.best) await save();
  }
}
