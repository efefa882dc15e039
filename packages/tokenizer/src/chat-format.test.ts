import { expect, test } from 'vitest';
import { chatFormat } from './chat-format.ts';

const bare = { chatTemplates: {}, specialTokens: {}, tokenToId: () => undefined };
const turns = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello' },
];

test('plain, for models that weren’t made to chat', () => {
  const { render, stop, addSpecialTokens } = chatFormat(bare, 'plain');
  expect(render(turns, true)).toBe('System: Be brief.\nUser: Hello\nAssistant:');
  expect([stop, addSpecialTokens]).toEqual([['\nUser:'], true]);
});

test('ChatML; its end is a stop string where the vocabulary doesn’t have it', () => {
  const { render, stop } = chatFormat(bare, 'chatml');
  expect(render(turns.slice(1), true)).toBe('<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n');
  expect(stop).toEqual(['<|im_end|>']);
  expect(chatFormat({ ...bare, tokenToId: () => 7 }, 'chatml').stop).toEqual([]);
});

test('the model’s own template, or another in its place', () => {
  const own = { ...bare, chatTemplates: { default: '{{ messages[0].content }}!' } };
  expect(chatFormat(own).render(turns, false)).toBe('Be brief.!');
  expect(chatFormat(own, { jinja: '{{ messages | length }}' }).render(turns, false)).toBe('2');
  expect(() => chatFormat(bare)).toThrow("no chat template; it wasn't made to chat");
});
