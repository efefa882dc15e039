// lm chat: a conversation with a model, its answers as they are written.
import { createInterface } from 'node:readline';
import { writeFileAtomic } from '@brickwork/runtime';
import { adapterFlag, openAdapted } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { formatOf, fitted, type Turn } from '../lib/conversation.ts';
import { decoderFlags, decoderOptions } from '../lib/decoder-flags.ts';
import { engineFlags } from '../lib/engine-flags.ts';
import { CliError, usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { askedSettings, samplingFlags, tokensUnlessGiven, type GenerateArgs } from '../lib/generate-flags.ts';
import { generationOptions } from '../lib/generation-config.ts';
import type { Io } from '../lib/io.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';

interface Args extends GenerateArgs, ModelArgs {
  readonly system?: string;
  readonly template?: string;
}

const help = `/reset        forget the conversation, but not the system's message
/system TEXT  another message of the system, from now on
/save FILE    write the conversation as JSON
/exit         end (as Ctrl-D)
Ctrl-C stops an answer; where there is none, it ends the program.`;

/** `lm chat`. */
export const chat: Command<Args> = {
  flags: {
    ...modelFlags(),
    ...adapterFlag,
    ...flags('Chat', {
      system: { type: 'text', describe: 'what the model is told before the conversation' },
      template: {
        type: 'text',
        describe: "how turns are written: chatml, plain, or a file with a Jinja template; the model's own unless given",
      },
    }),
    ...Object.fromEntries(Object.entries(samplingFlags).filter(([name]) => name !== 'num-return-sequences')),
    ...flags('Output', {
      json: { type: 'switch', default: false, describe: 'a line of JSON for each turn' },
      verbose: { type: 'switch', alias: 'v', default: false, describe: 'tell times on stderr' },
    }),
    ...engineFlags,
    ...decoderFlags,
  },
  examples: [
    ['chat -m HuggingFaceTB/SmolLM2-135M-Instruct', 'type a message; /help lists what else there is'],
    ['chat -m my-model --system "Answer in rhymes." --temperature 0.7', 'with a message of the system'],
    ['chat -m my-model --json < questions.txt', 'a turn for each line'],
  ],
  async run(a, io) {
    if (a.rest.length) throw usage(`chat takes no words (${a.rest[0]}); messages are typed, or come on stdin`);
    const settings = askedSettings(a);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const { generateText } = await import('@brickwork/transformer');
    const model = await openAdapted({ folder, adapter: a.adapter, signal });
    const tokenizer = await model.tokenizer();
    const format = await formatOf(tokenizer, a.template, a.model);
    const decoder = model.decoder(decoderOptions(a));
    const { maxNewTokens = tokensUnlessGiven, ...options } = generationOptions(
      settings,
      model.generationConfig,
      model.config,
    );
    let turns: Turn[] = a.system === undefined ? [] : [{ role: 'system', content: a.system }];
    const isTyped = io.stdin.isTTY === true;
    if (isTyped) io.note('Type a message. /help lists commands, Ctrl-D ends.');

    const reply = async (message: string): Promise<void> => {
      const asked: Turn[] = [...turns, { role: 'user', content: message }];
      const room = decoder.contextLength - Math.min(maxNewTokens, Math.ceil(decoder.contextLength / 4));
      const { ids, dropped } = fitted(asked, { format, tokenizer, room });
      if (dropped) io.note(`(the oldest ${dropped} messages no longer fit and are left out)`);
      const stop = new AbortController();
      const restore = io.onInterrupt(() => stop.abort());
      let text = '';
      try {
        const codec = { encode: () => ({ ids }), decodeStream: () => tokenizer.decodeStream() };
        const chunks = generateText(decoder, codec, '', {
          ...options,
          maxNewTokens,
          stop: [...format.stop, ...(a.stop ?? [])],
          signal: AbortSignal.any([stop.signal, signal]),
        });
        for (;;) {
          const next = await chunks.next();
          if (next.done) {
            const [result] = next.value;
            const rest = result!.text.slice(text.length);
            if (!a.json) await io.write(`${rest}\n`);
            ({ text } = result!);
            if (a.json)
              await io.writeJson({
                role: 'assistant',
                content: text.trim(),
                finish_reason: result!.finishReason,
                prompt_tokens: ids.length,
                completion_tokens: result!.ids.length,
              });
            else if (result!.finishReason === 'aborted') io.note('(stopped)');
            break;
          }
          const piece = text ? next.value.text : next.value.text.trimStart();
          if (!a.json) await io.write(piece);
          text += next.value.text;
        }
      } finally {
        restore();
      }
      turns = [...asked, { role: 'assistant', content: text.trim() }];
    };

    try {
      for await (const line of linesOf(io, isTyped, signal)) {
        const message = line.trim();
        if (!message) continue;
        const [word, ...words] = message.split(/\s+/);
        if (!message.startsWith('/')) await reply(message);
        else if (word === '/exit' || word === '/quit') break;
        else if (word === '/help') io.note(help);
        else if (word === '/reset') {
          turns = turns.filter(({ role }) => role === 'system');
          io.note('(forgotten)');
        } else if (word === '/system') {
          const content = words.join(' ');
          const rest = turns.filter(({ role }) => role !== 'system');
          turns = content ? [{ role: 'system', content }, ...rest] : rest;
        } else if (word === '/save' && words.length) {
          const path = words.join(' ');
          await writeFileAtomic(path, `${JSON.stringify({ model: a.model, messages: turns }, null, 2)}\n`).then(
            () => io.note(`(saved in ${path})`),
            (error: Error) => io.note(`(not saved: ${error.message})`),
          );
        } else if (isTyped) io.note(`no command ${word}; there are /reset, /system, /save FILE, /exit and /help`);
        else throw new CliError(`no command ${word}; there are /reset, /system, /save FILE, /exit and /help`);
        if (signal.aborted) break;
      }
    } finally {
      await decoder.dispose();
      await model.dispose();
    }
  },
};

/** Lines as they are typed, with a prompt on stderr, or as they come on stdin. */
async function* linesOf(io: Io, isTyped: boolean, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const lines = createInterface({
    input: io.stdin,
    ...(isTyped && { output: io.stderr, terminal: true, prompt: '> ' }),
    crlfDelay: Infinity,
  });
  const close = (): void => lines.close();
  signal.addEventListener('abort', close);
  // A terminal in which lines are edited hands Ctrl-C over as a key.
  lines.on('SIGINT', () => io.interrupt());
  try {
    if (isTyped) lines.prompt();
    for await (const line of lines) {
      yield line;
      if (isTyped) lines.prompt();
    }
  } finally {
    signal.removeEventListener('abort', close);
    lines.close();
  }
}
