// Chat templates as published models have them, and the texts that Hugging Face's documentation shows for them.
import { describe, expect, test } from 'vitest';
import { chatTemplatesOf, renderChat, type ChatMessage } from './chat-template.ts';

const specials = {
  bos: { id: 1, content: '<s>' },
  eos: { id: 2, content: '</s>' },
};
const chat: ChatMessage[] = [
  { role: 'user', content: 'Hello, how are you?' },
  { role: 'assistant', content: "I'm doing great." },
  { role: 'user', content: 'Show off!' },
];
const templates = {
  chatml:
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  mistral:
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% endif %}{% endfor %}",
  llama3:
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
  gemma:
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
};
const render = (template: string, o = {}, messages = chat): string =>
  renderChat({ default: template }, specials, messages, o);

describe('published templates', () => {
  test('ChatML (Qwen2, SmolLM2)', () => {
    expect(render(templates.chatml, { addGenerationPrompt: true }, chat.slice(0, 1))).toBe(
      '<|im_start|>user\nHello, how are you?<|im_end|>\n<|im_start|>assistant\n',
    );
  });
  test('Mistral', () => {
    expect(render(templates.mistral)).toBe(
      "<s>[INST] Hello, how are you? [/INST]I'm doing great.</s>[INST] Show off! [/INST]",
    );
    expect(() => render(templates.mistral, {}, chat.slice(1))).toThrow(
      'chat template: Conversation roles must alternate',
    );
  });
  test('Llama 3', () => {
    expect(render(templates.llama3, { addGenerationPrompt: true }, [{ role: 'user', content: ' Hi ' }])).toBe(
      '<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    );
  });
  test('Gemma', () => {
    expect(render(templates.gemma, { addGenerationPrompt: true })).toBe(
      "<s><start_of_turn>user\nHello, how are you?<end_of_turn>\n<start_of_turn>model\nI'm doing great.<end_of_turn>\n<start_of_turn>user\nShow off!<end_of_turn>\n<start_of_turn>model\n",
    );
    expect(() => render(templates.gemma, {}, [{ role: 'system', content: 'x' }])).toThrow('System role not supported');
  });
});

test('variables, tools and documents reach the template', () => {
  const template =
    '{{ thinking }}|{% for t in tools %}{{ t.name }}{% endfor %}|{{ documents | length }}|{{ tools | tojson }}';
  const o = { tools: [{ name: 'f' }], documents: [1, 2], variables: { thinking: 'yes' } };
  expect(render(template, o)).toBe('yes|f|2|[{"name": "f"}]');
});

test('several templates: by name, and that for tools where there are tools', () => {
  const named = chatTemplatesOf({
    chat_template: [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: 'tools' },
      { name: 'rag', template: 'documents' },
    ],
  });
  expect(renderChat(named, {}, chat)).toBe('plain');
  expect(renderChat(named, {}, chat, { tools: [] })).toBe('tools');
  expect(renderChat(named, {}, chat, { template: 'rag' })).toBe('documents');
  expect(() => renderChat(named, {}, chat, { template: 'x' })).toThrow(
    'none is called "x"; there are default, tool_use, rag',
  );
});

test('what can’t be written says why', () => {
  expect(() => renderChat({}, {}, chat)).toThrow('the model has none (chat_template in tokenizer_config.json');
  expect(() => render('{% for %}')).toThrow('chat template: ');
  expect(() => render('x', {}, [])).toThrow('has no messages');
  expect(() => render('x', {}, [{ content: 'a' } as never])).toThrow('message 0 has no role');
});
