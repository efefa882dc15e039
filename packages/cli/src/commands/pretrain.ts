// lm pretrain: trains a GPT on text files, from nothing.
import { existsSync } from 'node:fs';
import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';
import { CliError, usage } from '../lib/errors.ts';
import { interruptible, note, write, writeJson } from '../lib/io.ts';
import { number } from '../lib/numbers.ts';
import { progressLine } from '../lib/progress.ts';

interface Args {
  files: string[];
  out: string;
  tokenizer: string;
  layers: number;
  heads: number;
  width: number;
  context: number;
  dropout: number;
  maxSteps: number;
  batchSize: number;
  gradientAccumulation: number;
  learningRate: number;
  lrScheduler: 'constant' | 'cosine' | 'linear' | 'plateau';
  warmupSteps: number;
  minLr: number;
  optimizer: 'adamw' | 'sgd';
  weightDecay: number;
  beta2: number;
  maxGradNorm: number;
  evalSteps: number;
  validation: number;
  resume: boolean;
  seed: number;
  threads?: number;
  json: boolean;
}
const positive = { min: 1, whole: true };

/** `lm pretrain`. */
export const pretrain: CommandModule<object, Args> = {
  command: 'pretrain <files..>',
  describe: 'Train a GPT on your own text files',
  builder: (y: Argv) =>
    y
      .positional('files', { type: 'string', array: true, describe: 'text files, in UTF-8' })
      .option('out', {
        alias: 'o',
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'folder for the model; its run goes to OUT.run',
      })
      .option('tokenizer', {
        type: 'string',
        default: 'char',
        requiresArg: true,
        describe: "'char', or a folder with a tokenizer.json",
        group: 'Model:',
      })
      .option('layers', {
        type: 'number',
        default: 4,
        requiresArg: true,
        coerce: number('layers', positive),
        describe: 'blocks',
        group: 'Model:',
      })
      .option('heads', {
        type: 'number',
        default: 4,
        requiresArg: true,
        coerce: number('heads', positive),
        describe: 'attention heads of a block',
        group: 'Model:',
      })
      .option('width', {
        type: 'number',
        default: 128,
        requiresArg: true,
        coerce: number('width', positive),
        describe: 'width of a token’s vector',
        group: 'Model:',
      })
      .option('context', {
        alias: 'c',
        type: 'number',
        default: 64,
        requiresArg: true,
        coerce: number('context', positive),
        describe: 'tokens that the model sees',
        group: 'Model:',
      })
      .option('dropout', {
        type: 'number',
        default: 0,
        requiresArg: true,
        coerce: number('dropout', { min: 0, max: 0.99 }),
        describe: 'share of values dropped while training',
        group: 'Model:',
      })
      .option('max-steps', {
        type: 'number',
        default: 2000,
        requiresArg: true,
        coerce: number('max-steps', positive),
        describe: 'updates',
        group: 'Training:',
      })
      .option('batch-size', {
        alias: 'b',
        type: 'number',
        default: 12,
        requiresArg: true,
        coerce: number('batch-size', positive),
        describe: 'windows of text in a batch',
        group: 'Training:',
      })
      .option('gradient-accumulation', {
        type: 'number',
        default: 1,
        requiresArg: true,
        coerce: number('gradient-accumulation', positive),
        describe: 'batches in an update',
        group: 'Training:',
      })
      .option('learning-rate', {
        alias: 'lr',
        type: 'number',
        default: 1e-3,
        requiresArg: true,
        coerce: number('learning-rate', { above: 0 }),
        describe: 'step size at its highest',
        group: 'Training:',
      })
      .option('lr-scheduler', {
        choices: ['constant', 'cosine', 'linear', 'plateau'] as const,
        default: 'cosine',
        requiresArg: true,
        describe: "how the step size falls; 'plateau' halves it when validation stops improving",
        group: 'Training:',
      })
      .option('warmup-steps', {
        type: 'number',
        default: 100,
        requiresArg: true,
        coerce: number('warmup-steps', { min: 0, whole: true }),
        describe: 'updates over which the step size rises',
        group: 'Training:',
      })
      .option('min-lr', {
        type: 'number',
        default: 0.1,
        requiresArg: true,
        coerce: number('min-lr', { min: 0, max: 1 }),
        describe: 'share of the step size at the end',
        group: 'Training:',
      })
      .option('optimizer', {
        choices: ['adamw', 'sgd'] as const,
        default: 'adamw',
        requiresArg: true,
        describe: 'how weights are updated',
        group: 'Training:',
      })
      .option('weight-decay', {
        type: 'number',
        default: 0.1,
        requiresArg: true,
        coerce: number('weight-decay', { min: 0 }),
        describe: 'decay of matrices',
        group: 'Training:',
      })
      .option('beta2', {
        type: 'number',
        default: 0.99,
        requiresArg: true,
        coerce: number('beta2', { min: 0, max: 0.99999 }),
        describe: "AdamW's second decay rate",
        group: 'Training:',
      })
      .option('max-grad-norm', {
        type: 'number',
        default: 1,
        requiresArg: true,
        coerce: number('max-grad-norm', { min: 0 }),
        describe: 'longer gradients are scaled down to it; 0 for never',
        group: 'Training:',
      })
      .option('eval-steps', {
        type: 'number',
        default: 250,
        requiresArg: true,
        coerce: number('eval-steps', positive),
        describe: 'updates between evaluations and checkpoints',
        group: 'Training:',
      })
      .option('validation', {
        type: 'number',
        default: 0.1,
        requiresArg: true,
        coerce: number('validation', { min: 0, max: 0.9 }),
        describe: 'last share of the text, held out',
        group: 'Training:',
      })
      .option('seed', {
        alias: 's',
        type: 'number',
        default: 1337,
        requiresArg: true,
        coerce: number('seed', { min: 0, whole: true }),
        describe: 'decides every random choice',
        group: 'Training:',
      })
      .option('resume', {
        type: 'boolean',
        default: false,
        describe: 'go on from the last checkpoint in OUT.run',
        group: 'Training:',
      })
      .option('threads', {
        alias: 't',
        type: 'number',
        requiresArg: true,
        coerce: number('threads', positive),
        describe: 'threads; one per core unless given',
        group: 'Training:',
      })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'one JSON line per event on stdout',
        group: 'Output:',
      })
      .example('$0 pretrain my-text.txt --out my-model', 'a small GPT in two minutes')
      .example('$0 pretrain my-text.txt --out my-model --resume', 'go on after Ctrl-C') as unknown as Argv<Args>,
  handler: run,
};

async function run(a: ArgumentsCamelCase<Args>): Promise<void> {
  for (const file of a.files) if (!existsSync(file)) throw usage(`no file ${file}`);
  if (a.width % a.heads) throw usage(`--width ${a.width} doesn't divide into --heads ${a.heads}`);
  const [{ createHash }, { readFile }, { join }] = await Promise.all([
    import('node:crypto'),
    import('node:fs/promises'),
    import('node:path'),
  ]);
  const { loadTokenizer, Tokenizer, trainCharacters } = await import('@brickwork/tokenizer');
  const { architectureOf } = await import('@brickwork/transformer');
  const { encodeText, pretrain: train } = await import('@brickwork/training');
  const { saveCheckpoint } = await import('@brickwork/runtime');
  const text = (await Promise.all(a.files.map((f) => readFile(f, 'utf8')))).join('');
  const tokenizer =
    a.tokenizer === 'char' ? new Tokenizer(await trainCharacters([text])) : await loadTokenizer(a.tokenizer);
  const data = encodeText(text, tokenizer, a.validation);
  const config = {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    vocab_size: tokenizer.vocabularySize,
    n_positions: a.context,
    n_embd: a.width,
    n_layer: a.layers,
    n_head: a.heads,
    n_inner: null,
    embd_pdrop: a.dropout,
    resid_pdrop: a.dropout,
    attn_pdrop: 0,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: null,
    torch_dtype: 'float32',
  };
  const files = {
    'tokenizer.json': JSON.stringify(tokenizer.json),
    'tokenizer_config.json': '{}\n',
    'generation_config.json': '{}\n',
  };
  const fingerprint = createHash('sha256').update(text).update(files['tokenizer.json']).digest('hex');
  const model = architectureOf(config).build(config);
  const stop = interruptible();
  const line = progressLine();
  const folder = `${a.out.replace(/[/\\]+$/, '')}.run`;
  let aborted = false;
  try {
    for await (const event of train(model, data, {
      steps: a.maxSteps,
      batchSize: a.batchSize,
      accumulate: a.gradientAccumulation,
      rate: a.learningRate,
      schedule: a.lrScheduler,
      warmup: Math.min(a.warmupSteps, a.maxSteps),
      floor: a.minLr,
      optimizer: a.optimizer,
      weightDecay: a.weightDecay,
      betas: [0.9, a.beta2],
      clip: a.maxGradNorm,
      evaluateEvery: a.evalSteps,
      seed: a.seed,
      folder,
      resume: a.resume,
      identity: { config, fingerprint, files: a.files },
      signal: stop.signal,
      ...(a.threads ? { compile: { threads: a.threads } } : {}),
    })) {
      if (a.json) {
        const { weights: _, ...plain } = event as typeof event & { weights?: unknown };
        await writeJson(plain);
      }
      if (event.type === 'start')
        note(
          `${event.parameters.toLocaleString('en')} parameters, ${data.train.length.toLocaleString('en')} tokens to train on, ${data.validation.length.toLocaleString('en')} held out${event.step ? `; going on from step ${event.step}` : ''}`,
        );
      else if (event.type === 'step') line.show(event, a.maxSteps);
      else if (event.type === 'evaluation') {
        line.clear();
        note(
          `step ${event.step}: validation ${event.loss.toFixed(4)} nats a token, ${event.lossPerCharacter.toFixed(4)} a character${event.best ? ', the best so far' : ''}`,
        );
        if (event.best) await saveCheckpoint(a.out, { config, tensors: event.weights, files });
      } else if (event.type === 'end') {
        line.clear();
        aborted = event.aborted;
        if (!aborted && !data.validation.length)
          throw new Error('pretrain: nothing was held out to choose the best weights by; use --validation above 0');
        if (!a.json && !aborted) await write(`${join(a.out, 'model.safetensors')}\n`);
      }
    }
  } finally {
    stop.dispose();
  }
  if (aborted)
    throw new CliError(`stopped; the checkpoint is in ${folder}`, {
      exitCode: 130,
      hint: 'the same command with --resume',
    });
}
