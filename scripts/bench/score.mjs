// npm run bench -- score [--json] [--rounds N] [--tokens N]: log-probabilities of a text under a vocabulary of 50257, with
// GPT-2's smallest architecture and random weights: by the Scorer, whose graph ends in each token's log-probability; and with
// the logits returned and reduced in JavaScript. The same model, in one process, in turn; medians are compared. The head alone
// (hidden states to log-probabilities) is measured, too: what is before it is the same work on both sides.
import process from 'node:process';
import { input, matmul, softmax, gatherElements, log, unsqueeze } from '@brickwork/graph';
import { random } from '@brickwork/nn';
import { compile, hostTensor } from '@brickwork/runtime';
import { AutoModel, labelledLogProbs } from '@brickwork/transformer';
import { median } from './processes.mjs';

const note = (line) => process.stderr.write(`${line}\n`);

// ln softmax(row)[label] of each row, as one writes it in JavaScript.
function reduce(logits, labels, V) {
  return labels.map((label, t) => {
    const row = logits.subarray(t * V, (t + 1) * V);
    let most = -Infinity;
    for (let i = 0; i < V; i++) if (row[i] > most) most = row[i];
    let sum = 0;
    for (let i = 0; i < V; i++) sum += Math.exp(row[i] - most);
    return row[label] - most - Math.log(sum);
  });
}

export default async function score(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', '7'));
  const [T, V, C] = [Number(option('--tokens', '512')), 50257, 768];
  const draw = random(1);
  const ids = Array.from({ length: T }, () => draw.integer(V));
  const results = {};
  const compare = async (name, ours, theirs) => {
    const times = [[], []];
    const [a, b] = [await ours(), await theirs()];
    const apart = Math.max(...a.map((x, i) => Math.abs(x - b[i])));
    if (!(apart < 1e-3)) throw new Error(`${name}: the two differ by ${apart}`);
    for (let round = 0; round < rounds; round++)
      for (const [side, run] of [ours, theirs].entries()) {
        const began = performance.now();
        await run();
        times[side].push(performance.now() - began);
      }
    const [inGraph, inJavaScript] = times.map(median);
    results[name] = { inGraph, inJavaScript, ratio: inJavaScript / inGraph, apart };
    note(
      `${name}: ${inGraph.toFixed(0)} ms in the graph, ${inJavaScript.toFixed(0)} ms with logits returned, ${(inJavaScript / inGraph).toFixed(2)} times`,
    );
  };

  // The head alone: (T, C) hidden states, (V, C) table.
  const w = hostTensor(
    Float32Array.from({ length: V * C }, () => 0.02 * draw.normal()),
    [V, C],
  );
  const x = hostTensor(
    Float32Array.from({ length: T * C }, () => draw.normal()),
    [T, C],
  );
  const labels = hostTensor(BigInt64Array.from(ids, BigInt), [T]);
  const logits = matmul(input('x', [T, C]), input('w', [V, C]), { transB: true });
  const picked = log(gatherElements(softmax(logits), unsqueeze(input('labels', [T], 'int64'), 1), 1));
  const [whole, head] = [await compile({ logits }), await compile({ picked })];
  await whole.bind({ w });
  await head.bind({ w });
  await compare(
    'head',
    async () => [...(await head.run({ x, labels })).picked.data],
    async () => reduce((await whole.run({ x })).logits.data, ids, V),
  );
  await whole.dispose();
  await head.dispose();

  const config = { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], vocab_size: V };
  const model = AutoModel.fromConfig(config, { seed: 1 });
  const row = { ids, labels: ids.map((id, t) => (t ? id : -100)) };
  const input_ids = hostTensor(BigInt64Array.from(ids, BigInt), [1, T]);
  await compare(
    'GPT-2 124M',
    async () => (await labelledLogProbs(model, [row]))[0].slice(1),
    async () => {
      const out = await model.run({ input_ids }, ['logits']);
      return reduce(out.logits.data.subarray(0, (T - 1) * V), ids.slice(1), V);
    },
  );
  await model.dispose();
  process.stdout.write(
    `${JSON.stringify({ tokens: T, vocabulary: V, ...results }, null, argv.includes('--json') ? 0 : 2)}\n`,
  );
}
