// lm classify: the class of each text, and how sure the model is of it.
import type { HostTensor } from '@brickwork/runtime';
import { openAdapted } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { readLines, type TextArgs } from '../lib/read-texts.ts';
import { table } from '../lib/table.ts';
import { classFor, labelNames, readConfig, taskOf } from '../lib/task-names.ts';

interface Args extends EngineArgs, ModelArgs, TextArgs {
  readonly adapter?: string;
  readonly topK: number;
  readonly pairSeparator?: string;
  readonly batchSize: number;
  readonly maxLength?: number;
  readonly json: boolean;
}

/** `lm classify`. */
export const classify: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; lines of stdin unless given' },
  },
  flags: {
    ...modelFlags(),
    ...flags('Model', { adapter: { type: 'text', describe: 'folder of an adapter in PEFT’s format' } }),
    ...flags('Flags', {
      file: { type: 'texts', alias: 'f', describe: 'a file with a text on each line' },
      'top-k': { type: 'number', alias: 'k', min: 1, whole: true, default: 1, describe: 'classes for each text' },
      'pair-separator': {
        type: 'text',
        describe: 'what stands between the two texts of a pair: "|", or "\\t" for a tab',
      },
      'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 16, describe: 'texts at a time' },
      'max-length': {
        type: 'number',
        min: 2,
        whole: true,
        describe: 'most tokens of a text; what the model sees unless given',
      },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each text' },
    }),
    ...engineFlags,
  },
  examples: [
    ['classify -m models/spam "You have won a prize!"', 'its class and the probability'],
    ['classify -m topics -k 3 --json < texts.txt', 'the three most probable classes of each line'],
    ['classify -m sts --pair-separator "|" "A dog runs.|A dog is running."', 'a pair of texts'],
  ],
  async run(a, io) {
    const texts = await readLines(a, io);
    const { hostTensor } = await import('@brickwork/runtime');
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const className = await classFor('classification', await readConfig(folder));
    const model = await openAdapted({ folder, adapter: a.adapter, className, signal, compile: engineOptions(a) });
    try {
      const tokenizer = await model.tokenizer();
      const task = taskOf({ ...model.config, architectures: [className] });
      const names = labelNames(model.config) ?? [];
      const sees = model.network.longest?.['T'];
      if (a.maxLength !== undefined && sees !== undefined && a.maxLength > sees)
        throw usage(`--max-length ${a.maxLength}, but the model sees ${sees} tokens`, `--max-length ${sees}`);
      const maxLength = a.maxLength ?? sees ?? 512;
      const pad = tokenizer.specialTokens.pad?.id ?? Number(model.config['pad_token_id'] ?? 0);
      const separator = a.pairSeparator?.replaceAll('\\t', '\t');
      const encoded = texts.map((text) => {
        const at = separator ? text.indexOf(separator) : -1;
        if (separator && at < 0)
          throw usage(`${JSON.stringify(text.slice(0, 60))} has no ${JSON.stringify(separator)}`);
        return at < 0
          ? tokenizer.encode(text, { maxLength })
          : tokenizer.encode(text.slice(0, at).trim(), {
              textPair: text.slice(at + separator!.length).trim(),
              maxLength,
            });
      });
      for (let first = 0; first < texts.length; first += a.batchSize) {
        const some = encoded.slice(first, first + a.batchSize);
        const longest = Math.max(1, ...some.map(({ ids }) => ids.length));
        const filled = (of: (one: (typeof some)[number]) => readonly number[], value: number): HostTensor => {
          const data = new BigInt64Array(some.length * longest).fill(BigInt(value));
          some.forEach((one, row) => of(one).forEach((v, t) => (data[row * longest + t] = BigInt(v))));
          return hostTensor(data, [some.length, longest]);
        };
        const inputs = {
          input_ids: filled(({ ids }) => ids, pad),
          attention_mask: filled(({ ids }) => ids.map(() => 1), 0),
          ...('token_type_ids' in model.network.inputs && { token_type_ids: filled(({ typeIds }) => typeIds, 0) }),
        };
        const { logits } = await model.run(inputs, ['logits'], { signal });
        const width = logits!.shape.at(-1)!;
        for (let row = 0; row < some.length; row++) {
          const values = Array.from((logits!.data as Float32Array).subarray(row * width, (row + 1) * width));
          const scores =
            task === 'regression' ? values : task === 'multi-label' ? values.map(sigmoid) : softmax(values);
          const labels = scores
            .map((score, i) => ({ label: names[i] ?? `LABEL_${i}`, score }))
            .toSorted((x, y) => y.score - x.score)
            .slice(0, a.topK);
          const text = texts[first + row]!;
          if (a.json) await io.writeJson({ text, labels });
          else {
            const rows = labels.map(({ label, score }) => [score.toFixed(4), label]);
            // Several texts are told apart by what they are.
            await io.write(table(texts.length > 1 ? rows.map((one) => [...one, text.slice(0, 60)]) : rows));
          }
        }
      }
    } finally {
      await model.dispose();
    }
  },
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
function softmax(values: readonly number[]): number[] {
  const most = Math.max(...values);
  const powers = values.map((v) => Math.exp(v - most));
  const sum = powers.reduce((x, y) => x + y, 0);
  return powers.map((p) => p / sum);
}
