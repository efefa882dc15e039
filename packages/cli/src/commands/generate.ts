// lm generate: continues a prompt, token by token.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';
import { CliError, usage } from '../lib/errors.ts';
import { interruptible, note, readStdin, write, writeJson } from '../lib/io.ts';
import { modelFolder } from '../lib/model-folder.ts';
import { number } from '../lib/numbers.ts';

interface Args {
  text?: string[];
  prompt?: string[];
  file?: string;
  model: string;
  maxNewTokens: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  numBeams?: number;
  lengthPenalty?: number;
  numReturnSequences?: number;
  stop?: string[];
  seed?: number;
  threads?: number;
  provider?: string;
  echo: boolean;
  logprobs?: number;
  json: boolean;
}

/** `lm generate`. */
export const generate: CommandModule<object, Args> = {
  command: 'generate [text..]',
  describe: 'Continue a prompt',
  builder: (y: Argv) => {
    const value = (
      flag: string,
      describe: string,
      range: Parameters<typeof number>[1],
      group: string,
      extra: object = {},
    ) => ({ type: 'number', requiresArg: true, coerce: number(flag, range), describe, group, ...extra }) as const;
    const sampling = 'Sampling:';
    return y
      .positional('text', {
        type: 'string',
        array: true,
        describe: 'the prompt; stdin unless given here, by -p or by --file',
      })
      .option('prompt', {
        alias: 'p',
        type: 'string',
        array: true,
        nargs: 1,
        requiresArg: true,
        describe: 'a prompt; several times for several',
      })
      .option('file', { alias: 'f', type: 'string', requiresArg: true, describe: 'a file with the prompt' })
      .option('model', {
        alias: 'm',
        type: 'string',
        default: 'models/shakespeare',
        requiresArg: true,
        describe: 'model folder',
      })
      .option(
        'max-new-tokens',
        value('max-new-tokens', 'most tokens to add', { min: 0, whole: true }, sampling, {
          alias: ['n', 'n-predict'],
          default: 200,
        }),
      )
      .option(
        'temperature',
        value(
          'temperature',
          'below 1 bolder choices are rarer; 0 always takes the most probable token',
          { min: 0 },
          sampling,
          { alias: 'temp' },
        ),
      )
      .option('top-k', value('top-k', 'only the k most probable tokens; 0 for all', { min: 0, whole: true }, sampling))
      .option(
        'top-p',
        value('top-p', 'only the most probable tokens that together reach p', { above: 0, max: 1 }, sampling),
      )
      .option(
        'min-p',
        value('min-p', 'only tokens with at least p times the largest probability', { min: 0, max: 1 }, sampling),
      )
      .option(
        'repetition-penalty',
        value('repetition-penalty', 'above 1 makes tokens so far less probable', { above: 0 }, sampling, {
          alias: 'repeat-penalty',
        }),
      )
      .option(
        'presence-penalty',
        value('presence-penalty', 'taken off the logit of tokens generated before', {}, sampling),
      )
      .option(
        'frequency-penalty',
        value('frequency-penalty', 'taken off for each time they were generated', {}, sampling),
      )
      .option(
        'num-beams',
        value(
          'num-beams',
          'searches for the most probable text with that many beams',
          { min: 1, whole: true },
          sampling,
        ),
      )
      .option('length-penalty', value('length-penalty', 'of beam search: above 0 favours long texts', {}, sampling))
      .option(
        'num-return-sequences',
        value('num-return-sequences', 'texts for each prompt', { min: 1, whole: true }, sampling),
      )
      .option('stop', {
        type: 'string',
        array: true,
        nargs: 1,
        requiresArg: true,
        describe: 'text that ends the answer; several times for several',
        group: sampling,
      })
      .option(
        'seed',
        value('seed', 'the same seed gives the same text; random unless given', { min: 0, whole: true }, sampling, {
          alias: 's',
        }),
      )
      .option(
        'threads',
        value('threads', 'threads; one per core unless given', { min: 1, whole: true }, 'Engine:', { alias: 't' }),
      )
      .option('provider', {
        alias: 'device',
        choices: ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'],
        default: 'cpu',
        requiresArg: true,
        describe: 'where it runs',
        group: 'Engine:',
      })
      .option('echo', { type: 'boolean', default: true, describe: 'print the prompt first', group: 'Output:' })
      .option(
        'logprobs',
        value('logprobs', 'with --json: that many alternatives of each token', { min: 0, whole: true }, 'Output:'),
      )
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'one JSON object, with ids and log-probabilities',
        group: 'Output:',
      })
      .example('$0 generate "To be, or not to be"', '')
      .example('$0 generate -p "ROMEO:" -n 100 --temperature 0.8 --top-p 0.9 -s 7', 'the same text each time')
      .example('$0 generate "JULIET:" --num-beams 4 -n 50 --json', '') as unknown as Argv<Args>;
  },
  handler: run,
};

async function prompts(a: ArgumentsCamelCase<Args>): Promise<string[]> {
  const ways = [
    a.text?.length ? [a.text.join(' ')] : null,
    a.prompt ?? null,
    a.file === undefined ? null : [read(a.file)],
  ].filter((w) => w !== null);
  if (ways.length > 1)
    throw usage('the prompt was given in more than one way', 'one of: the words themselves, -p, --file');
  const given = ways[0] ?? (process.stdin.isTTY ? [] : [await readStdin()]);
  if (!given.length || given.some((p) => p === '')) throw usage('no prompt', 'lm generate "To be, or not to be"');
  return given;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw usage(`--file ${path}: ${(cause as Error).message}`);
  }
}

interface Token {
  readonly id: number;
  readonly text: string;
  readonly logprob: number;
}

async function run(a: ArgumentsCamelCase<Args>): Promise<void> {
  const texts = await prompts(a);
  const folder = modelFolder(a.model);
  const { loadModel, streamText } = await import('@brickwork/transformer');
  const lm = await loadModel(folder);
  const tokenizer = await lm.tokenizer();
  const decoder = lm.decoder({ providers: [a.provider as 'cpu'], ...(a.threads ? { threads: a.threads } : {}) });
  const stop = interruptible();
  const results: { prompt: string; text: string; tokens: Token[]; finish: string }[] = [];
  let first = 0;
  const started = performance.now();
  try {
    for (const [i, prompt] of texts.entries()) {
      if (!a.json && a.echo) await write(prompt);
      const tokens: Token[] = [];
      const stream = streamText(decoder, tokenizer, prompt, {
        maxNewTokens: a.maxNewTokens,
        temperature: a.temperature,
        topK: a.topK,
        topP: a.topP,
        minP: a.minP,
        repetitionPenalty: a.repetitionPenalty,
        presencePenalty: a.presencePenalty,
        frequencyPenalty: a.frequencyPenalty,
        seed: a.seed,
        stop: a.stop,
        signal: stop.signal,
      });
      let finish = 'length';
      for (;;) {
        const next = await stream.next();
        if (next.done) {
          finish = next.value;
          break;
        }
        first ||= performance.now() - started;
        tokens.push(next.value);
        if (!a.json) await write(next.value.text);
      }
      results.push({ prompt, text: tokens.map((t) => t.text).join(''), tokens, finish });
      if (!a.json) await write(i + 1 < texts.length ? '\n\n' : '\n');
      if (stop.signal.aborted) break;
    }
  } finally {
    stop.dispose();
    await decoder.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  const count = results.reduce((n, r) => n + r.tokens.length, 0);
  if (a.json)
    await writeJson({
      model: a.model,
      results,
      timing: { firstTokenSeconds: first / 1000, seconds, tokensPerSecond: count / seconds },
    });
  else if (process.stderr.isTTY)
    note(`${count} tokens in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} tokens/s`);
  if (stop.signal.aborted) throw new CliError('interrupted', { exitCode: 130 });
}
