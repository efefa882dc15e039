// Chat templates: how a conversation is written as the text that a model was trained on. They are Jinja templates in
// tokenizer_config.json or chat_template.jinja, run by Hugging Face's own library.
import { Template } from '@huggingface/jinja';
import type { SpecialTokens } from './special-tokens.ts';

/** What one side says. Other fields (tool_calls, name, …) are there for templates that know them. */
export interface ChatMessage {
  /** system, user, assistant, tool, … */
  readonly role: string;
  readonly content: unknown;
  readonly [field: string]: unknown;
}

/** How a conversation is written. */
export interface ChatTemplateOptions {
  /** Ends with what stands before an answer of the assistant, so that the model answers; false unless given. */
  readonly addGenerationPrompt?: boolean;
  /** Functions that the model may call, as JSON schemas. */
  readonly tools?: readonly unknown[];
  /** Texts to answer from. */
  readonly documents?: readonly unknown[];
  /** Which of several templates; `default` unless given, or `tool_use` where there are tools and such a template. */
  readonly template?: string;
  /** Anything else that a template asks for: `enable_thinking`, `date_string`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** The templates of a model, by name. */
export type ChatTemplates = Readonly<Record<string, string>>;

/** `chat_template` of a tokenizer_config.json: one template, or a list of named ones. */
export function chatTemplatesOf(config: Readonly<Record<string, unknown>>): ChatTemplates {
  const given = config['chat_template'];
  if (typeof given === 'string') return { default: given };
  if (!Array.isArray(given)) return {};
  return Object.fromEntries(
    given.flatMap((one: unknown) => {
      const { name, template } = (one ?? {}) as { name?: unknown; template?: unknown };
      return typeof name === 'string' && typeof template === 'string' ? [[name, template]] : [];
    }),
  );
}

/**
 * Writes a conversation.
 *
 * @throws where there is no such template, it isn't valid, or it refuses the conversation (roles in a wrong order).
 */
export function renderChat(
  templates: ChatTemplates,
  specialTokens: SpecialTokens,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = false, tools, documents, template, variables = {} }: ChatTemplateOptions = {},
): string {
  const names = Object.keys(templates);
  const name = template ?? (tools && Object.hasOwn(templates, 'tool_use') ? 'tool_use' : 'default');
  if (!names.length)
    throw new Error(
      'chat template: the model has none (chat_template in tokenizer_config.json, or chat_template.jinja); is it trained to chat?',
    );
  if (!Object.hasOwn(templates, name))
    throw new Error(`chat template: none is called ${JSON.stringify(name)}; there are ${names.join(', ')}`);
  if (!messages.length) throw new Error('chat template: the conversation has no messages');
  for (const [i, message] of messages.entries())
    if (typeof message?.role !== 'string') throw new Error(`chat template: message ${i} has no role`);
  const roles = Object.entries(specialTokens).map(([role, { content }]) => [`${role}_token`, content] as const);
  // A template that asks for a token which the model doesn't have gets nothing, as in Hugging Face.
  const empty = { bos_token: '', eos_token: '', unk_token: '', pad_token: '' };
  try {
    return new Template(templates[name]!).render({
      ...empty,
      ...Object.fromEntries(roles),
      messages: [...messages],
      add_generation_prompt: addGenerationPrompt,
      tools: tools ? [...tools] : null,
      documents: documents ? [...documents] : null,
      ...variables,
    });
  } catch (cause) {
    throw new Error(`chat template: ${(cause as Error).message}`, { cause });
  }
}
