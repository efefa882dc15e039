// lm generate: continues a prompt, token by token, or several at once.
import { openAdapted } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { constraintOf } from '../lib/constraint-flags.ts';
import { decoderOptions } from '../lib/decoder-flags.ts';
import { engineOptions } from '../lib/engine-flags.ts';
import { askedSettings, generateFlags, tokensUnlessGiven, type GenerateArgs } from '../lib/generate-flags.ts';
import { generationOptions } from '../lib/generation-config.ts';
import { modelPath } from '../lib/open-model.ts';
import { readPrompts } from '../lib/read-texts.ts';
import { describeResult, showGeneration } from '../lib/show-generation.ts';

/** `lm generate`. */
export const generate: Command<GenerateArgs> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'prompts, each in quotes; stdin unless given' },
  },
  flags: generateFlags,
  examples: [
    ['generate "To be, or not to be"', 'with the model that ships'],
    ['generate "ROMEO:" -n 100 --temperature 0.8 --top-p 0.9 -s 7', 'the same text each time'],
    ['generate -m my-model --num-beams 4 --json < prompt.txt', 'the most probable text, as JSON'],
    ['generate "First" "Second" --greedy', 'two prompts in one batch'],
    ['generate -m gpt2 --adapter my-lora "Once"', 'with what lm finetune or PEFT left'],
    [
      'generate "Born on " --regex "\\d{4}-\\d{2}-\\d{2}" --no-echo',
      'a text of this form, whatever the model would say',
    ],
  ],
  async run(a, io) {
    const settings = askedSettings(a);
    const prompts = await readPrompts(a, io);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const started = performance.now();
    const { loadModel, generateText } = await import('@brickwork/transformer');
    const { loadTokenizer } = await import('@brickwork/tokenizer');
    // The tokenizer is built while the weights are read.
    const opened = openAdapted({ folder, adapter: a.adapter, signal });
    const [model, tokenizer] = await Promise.all([opened, loadTokenizer(folder)]);
    const decoder = model.decoder({ ...decoderOptions(a), hiddenStates: (a.penaltyAlpha ?? 0) > 0 });
    const draftFolder = a.draftModel === undefined ? null : await modelPath({ ...a, model: a.draftModel }, io, signal);
    const draft = draftFolder === null ? null : (await loadModel(draftFolder, { signal })).decoder(engineOptions(a));
    const constraint = await constraintOf(a, tokenizer);
    const options = generationOptions(settings, model.generationConfig, model.config);
    const loaded = performance.now();
    try {
      const { maxNewTokens = tokensUnlessGiven, numReturnSequences: each = 1 } = options;
      const chunks = generateText(decoder, tokenizer, prompts, {
        ...options,
        maxNewTokens,
        ...(draft && { draft }),
        ...(constraint && { constraint }),
        signal,
      });
      const show = { prompts, echo: a.echo, json: a.json, each };
      const { results, tokens, firstToken } = await showGeneration(chunks, show, io);
      const ended = performance.now();
      const first = (firstToken ?? ended) - loaded;
      const decoding = ended - (firstToken ?? ended);
      const speed = decoding > 0 ? (1000 * (tokens.length - results.length)) / decoding : 0;
      if (a.json)
        for (const result of results)
          await io.writeJson({
            model: a.model,
            ...describeResult(result, prompts, tokens, a.logprobs ?? 0),
            timings: {
              load_ms: round(loaded - started),
              first_token_ms: round(first),
              total_ms: round(ended - loaded),
              tokens_per_second: round(speed),
            },
          });
      if (a.verbose || (!a.json && io.stderr.isTTY))
        io.note(
          `${tokens.length} tokens: loaded in ${round(loaded - started)} ms, the first after ${round(first)} ms, then ${round(speed)} a second`,
        );
      const { contextLength } = decoder;
      const cut = results.some(
        ({ finishReason, promptLength, ids }) =>
          finishReason === 'length' && promptLength + ids.length >= contextLength && ids.length < maxNewTokens,
      );
      if (cut && !options.contextShift)
        io.note(`The context of ${contextLength} tokens is full; --context-shift goes on from its last half.`);
    } finally {
      await decoder.dispose();
      await draft?.dispose();
    }
  },
};

const round = (n: number): number => Math.round(10 * n) / 10;
