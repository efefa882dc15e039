// How a conversation is written for a model: by its own template, as ChatML, or plainly for models that weren't made to chat.
import { renderChat, type ChatMessage } from './chat-template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A way to write conversations, and what ends an answer besides the model's end token. */
export interface ChatFormat {
  /** @param addGenerationPrompt ends with what stands before an answer. */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string;
  /** Whether the tokenizer puts its own special tokens around the text. */
  readonly addSpecialTokens: boolean;
  readonly stop: readonly string[];
}

const chatML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const names: Readonly<Record<string, string>> = { system: 'System', user: 'User', assistant: 'Assistant' };

/**
 * The format of a tokenizer's own template; `plain` (User: …, Assistant: …), `chatml`, or that of a Jinja template in its place.
 *
 * @throws where it has none and none is given.
 */
export function chatFormat(
  tokenizer: Pick<Tokenizer, 'chatTemplates' | 'specialTokens' | 'tokenToId'>,
  given?: 'plain' | 'chatml' | { readonly jinja: string },
): ChatFormat {
  if (given === 'plain')
    return {
      addSpecialTokens: true,
      stop: ['\nUser:'],
      render: (messages, addGenerationPrompt) =>
        messages.map(({ role, content }) => `${names[role] ?? role}: ${String(content)}\n`).join('') +
        (addGenerationPrompt ? 'Assistant:' : ''),
    };
  const own = tokenizer.chatTemplates;
  if (given === undefined && !Object.keys(own).length)
    throw new Error("chat format: the model has no chat template; it wasn't made to chat. Give 'plain' or 'chatml'");
  const templates = given === undefined ? own : { default: given === 'chatml' ? chatML : given.jinja };
  // ChatML's end of a turn, where the vocabulary knows it as text only.
  const ends = given === 'chatml' && tokenizer.tokenToId('<|im_end|>') === undefined ? ['<|im_end|>'] : [];
  return {
    addSpecialTokens: false,
    stop: ends,
    render: (messages, addGenerationPrompt) =>
      renderChat(templates, tokenizer.specialTokens, messages, { addGenerationPrompt }),
  };
}
