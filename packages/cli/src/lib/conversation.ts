// A conversation with a model: its turns, how they are written, and how they are made to fit the context.
import { readFile } from 'node:fs/promises';
import { renderChat, type ChatMessage, type Tokenizer } from '@brickwork/tokenizer';
import { usage } from './errors.ts';
import { utf8 } from './io.ts';

/** One turn. */
export interface Turn extends ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** How a conversation is written, and what ends an answer besides the model's end token. */
export interface ChatFormat {
  render(turns: readonly Turn[], addGenerationPrompt: boolean): string;
  /** Whether the tokenizer puts its own special tokens around the text. */
  readonly addSpecialTokens: boolean;
  readonly stop: readonly string[];
}

const chatML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const names = { system: 'System', user: 'User', assistant: 'Assistant' };

/**
 * The format that a flag names: `chatml`, `plain` (for models that weren't made to chat), or a file with a Jinja template;
 * the model's own unless given.
 *
 * @throws where the model has none and none is given.
 */
export async function chatFormat(tokenizer: Tokenizer, given: string | undefined, model: string): Promise<ChatFormat> {
  if (given === 'plain')
    return {
      addSpecialTokens: true,
      stop: ['\nUser:'],
      render: (turns, addGenerationPrompt) =>
        turns.map(({ role, content }) => `${names[role]}: ${content}\n`).join('') +
        (addGenerationPrompt ? 'Assistant:' : ''),
    };
  if (given === undefined && !Object.keys(tokenizer.chatTemplates).length)
    throw usage(
      `${model} has no chat template; it wasn't made to chat`,
      '--template plain, --template chatml, or --template FILE with a Jinja template',
    );
  const templates = given === undefined ? tokenizer.chatTemplates : { default: await templateOf(given) };
  const { specialTokens } = tokenizer;
  // ChatML's end of a turn, where the vocabulary knows it as text only.
  const ends = given === 'chatml' && tokenizer.tokenToId('<|im_end|>') === undefined ? ['<|im_end|>'] : [];
  return {
    addSpecialTokens: false,
    stop: ends,
    render: (turns, addGenerationPrompt) => renderChat(templates, specialTokens, turns, { addGenerationPrompt }),
  };
}

async function templateOf(given: string): Promise<string> {
  if (given === 'chatml') return chatML;
  const content = await readFile(given).catch((error: NodeJS.ErrnoException) => {
    throw usage(
      `--template ${given}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
      'plain, chatml, or a file with a Jinja template',
    );
  });
  return utf8(content, given);
}

/** The turns as ids, with as many of the oldest left out (but never the system's) as don't fit. */
export function fitted(
  turns: readonly Turn[],
  { format, tokenizer, room }: { readonly format: ChatFormat; readonly tokenizer: Tokenizer; readonly room: number },
): { readonly ids: readonly number[]; readonly dropped: number } {
  const system = turns.filter(({ role }) => role === 'system');
  let rest = turns.filter(({ role }) => role !== 'system');
  const all = rest.length;
  for (;;) {
    const text = format.render([...system, ...rest], true);
    const { ids } = tokenizer.encode(text, { addSpecialTokens: format.addSpecialTokens });
    if (ids.length <= room) return { ids, dropped: all - rest.length };
    // A question goes with its answer.
    const next = rest.findIndex(({ role }, i) => i > 0 && role === 'user');
    if (next < 0)
      throw usage(
        `the message has ${ids.length} tokens as the model reads it, but only ${Math.max(0, room)} fit`,
        'a shorter message, a shorter --system, or a smaller --max-new-tokens',
      );
    rest = rest.slice(next);
  }
}
