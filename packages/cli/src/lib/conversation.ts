// A conversation with a model: its turns, how they are written, and how they are made to fit the context.
import { readFile } from 'node:fs/promises';
import { chatFormat, type ChatFormat, type ChatMessage, type Tokenizer } from '@brickwork/tokenizer';
import { usage } from './errors.ts';
import { utf8 } from './io.ts';

/** One turn. */
export interface Turn extends ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/**
 * The format that a flag names: `chatml`, `plain` (for models that weren't made to chat), or a file with a Jinja template;
 * the model's own unless given.
 *
 * @throws where the model has none and none is given.
 */
export async function formatOf(tokenizer: Tokenizer, given: string | undefined, model: string): Promise<ChatFormat> {
  if (given === 'plain' || given === 'chatml') return chatFormat(tokenizer, given);
  if (given !== undefined) return chatFormat(tokenizer, { jinja: await templateOf(given) });
  if (!Object.keys(tokenizer.chatTemplates).length)
    throw usage(
      `${model} has no chat template; it wasn't made to chat`,
      '--template plain, --template chatml, or --template FILE with a Jinja template',
    );
  return chatFormat(tokenizer);
}

async function templateOf(given: string): Promise<string> {
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
