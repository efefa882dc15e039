// Trains the spam classifier that ships in models/spam: the encoder of models/encoder with a new head.
//
//   node scripts/run.mjs node scripts/recipes/spam.mjs MESSAGES OUT [ENCODER]
//
// MESSAGES: lines of label, tab, text, as the SMS Spam Collection has them. Every fifth is held out, and measured at the
// end. About two minutes; STEPS in the environment ends it sooner.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { saveCheckpoint } from '@brickwork/runtime';
import { classification, FineTuning, labelSet, memoryStore, progressLine } from '@brickwork/training';
import { AutoModel, Model } from '@brickwork/transformer';
import { labelled } from './texts.mjs';

const [messages, out, encoder = fileURLToPath(new URL('../../models/encoder', import.meta.url))] =
  process.argv.slice(2);
if (!messages || !out) {
  process.stderr.write('usage: node scripts/run.mjs node scripts/recipes/spam.mjs MESSAGES OUT [ENCODER]\n');
  process.exit(2);
}
const { train, held } = await labelled(messages);
const labels = await labelSet(train);
const id2label = Object.fromEntries(labels.names.map((name, i) => [i, name]));
const label2id = Object.fromEntries(labels.names.map((name, i) => [name, i]));
const model = await AutoModel.fromPretrained(encoder, {
  class: 'ModernBertForSequenceClassification',
  config: { id2label, label2id, problem_type: labels.problem, classifier_pooling: 'mean', classifier_dropout: 0.1 },
  missing: 'initialize',
  seed: 1,
});
const tokenizer = await model.tokenizer();
const task = classification(tokenizer, { labels, padId: tokenizer.specialTokens.pad.id, limit: 128, multiple: 32 });
const encode = (some) => some.flatMap((example) => task.encode(example));
const tuning = new FineTuning(model);
const batchSize = 32;
const steps = Number(process.env['STEPS'] ?? 3 * Math.ceil(train.length / batchSize));
const line = progressLine({ steps });
for await (const event of tuning.train(
  { train: memoryStore(encode(train)) },
  { task, batchSize, steps, rate: 5e-4, warmup: Math.round(steps / 10), schedule: 'linear', floor: 0, seed: 1 },
))
  if (event.type === 'step') line.show(event);
line.clear();

// The held-out messages; spam is what is to be found.
const tuned = new Model({ ...model, weights: tuning.weights });
const spam = labels.names.indexOf('spam');
const counts = { truePositives: 0, falsePositives: 0, falseNegatives: 0, right: 0 };
const examples = encode(held);
for (let first = 0; first < examples.length; first += batchSize) {
  const some = examples.slice(first, first + batchSize);
  const { labels: truth, ...inputs } = task.collate(some).batch;
  const { logits } = await tuned.run(inputs, ['logits']);
  some.forEach((_, row) => {
    const own = logits.data.subarray(row * labels.names.length, (row + 1) * labels.names.length);
    const [found, expected] = [own.indexOf(Math.max(...own)), Number(truth.data[row])];
    if (found === expected) counts.right++;
    if (found === spam && expected === spam) counts.truePositives++;
    else if (found === spam) counts.falsePositives++;
    else if (expected === spam) counts.falseNegatives++;
  });
}
const { truePositives: tp, falsePositives, falseNegatives, right } = counts;
const f1 = (2 * tp) / (2 * tp + falsePositives + falseNegatives);
const result = { messages: held.length, accuracy: right / held.length, f1, ...counts };
process.stdout.write(`${JSON.stringify(result)}\n`);
const files = {};
for (const name of ['tokenizer.json', 'tokenizer_config.json']) files[name] = await readFile(join(encoder, name));
await saveCheckpoint(out, {
  config: { ...model.config, architectures: [model.className] },
  tensors: tuning.weights,
  files,
});
