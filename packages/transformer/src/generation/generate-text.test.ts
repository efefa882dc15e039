import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collect } from './collect.ts';
import { FakeDecoder } from './fake-decoder.ts';
import { generateText, type TextChunk, type TextCodec } from './generate-text.ts';

const END = 256;

/** A token for each byte of UTF-8, and END. */
const bytes: TextCodec = {
  encode: (text) => ({ ids: [...new TextEncoder().encode(text)] }),
  decodeStream() {
    const decoder = new TextDecoder();
    return {
      push: (id) => decoder.decode(Uint8Array.of(id), { stream: true }),
      end: () => decoder.decode(),
    };
  },
};

/** Goes on with `script`, however the prompt begins, then END for ever. */
function scripted(prompt: string, script: string): FakeDecoder {
  const ids = [...bytes.encode(prompt).ids, ...bytes.encode(script).ids, END];
  return new FakeDecoder({
    vocabularySize: 257,
    contextLength: 1000,
    logits: (history) => {
      const logits = new Float32Array(257);
      logits[ids[history.length] ?? END] = 9;
      return logits;
    },
  });
}

async function run(script: string, options: Parameters<typeof generateText>[3] = {}) {
  const chunks: TextChunk[] = [];
  const generation = generateText(scripted('Hi', script), bytes, 'Hi', { eosTokenIds: END, ...options });
  const [result] = await collect(generation, (chunk) => chunks.push(chunk));
  return { chunks, result: result!, streamed: chunks.map(({ text }) => text).join('') };
}

test('generateText streams the text token by token and returns it whole', async () => {
  const { chunks, result, streamed } = await run('abc');
  expect(chunks.map(({ text, id }) => [text, id])).toEqual([
    ['a', 97],
    ['b', 98],
    ['c', 99],
    ['', END],
  ]);
  expect(chunks.map(({ finishReason }) => finishReason)).toEqual([null, null, null, 'eos']);
  expect(streamed).toBe('abc');
  expect(result).toMatchObject({ text: 'abc', ids: [97, 98, 99, END], promptLength: 2, finishReason: 'eos' });
});

test('no chunk ever holds half a character', async () => {
  const script = 'é中😀👩‍👩‍👧x';
  const { chunks, result } = await run(script);
  expect(result.text).toBe(script);
  for (const { text } of chunks) {
    expect(text).not.toContain('\ufffd');
    expect(text).not.toMatch(/\p{Surrogate}/u);
  }
  expect(chunks.slice(0, 2).map(({ text }) => text)).toEqual(['', 'é']);
});

test('a text that ends amid a character says so once, at its end', async () => {
  const { chunks, result, streamed } = await run('a😀', { maxNewTokens: 3 });
  expect(chunks.map(({ text }) => text)).toEqual(['a', '', '\ufffd']);
  expect(streamed).toBe(result.text);
  expect(result.finishReason).toBe('length');
});

test('a stop string over several tokens ends the text before it, and no part of it is shown', async () => {
  const { chunks, result, streamed } = await run('Yes. User: no', { stop: ['User:', '###'] });
  expect(streamed).toBe('Yes. ');
  expect(result).toMatchObject({ text: 'Yes. ', finishReason: 'stop' });
  expect(result.ids).toHaveLength('Yes. User:'.length);
  expect(chunks.at(-1)!.finishReason).toBe('stop');
});

test('what only looked like a stop string is shown in the end', async () => {
  expect((await run('The Use', { stop: 'User:' })).streamed).toBe('The Use');
  expect((await run('The Used', { stop: 'User:' })).streamed).toBe('The Used');
  const { chunks, streamed } = await run('The User', { stop: 'User:', maxNewTokens: 7 });
  expect(streamed).toBe('The Use');
  expect(chunks.at(-1)!.text).toBe('Use');
});

test('a stop string of several bytes is found though its bytes are tokens', async () => {
  const { streamed, result } = await run('one。two', { stop: ['。'] });
  expect(streamed).toBe('one');
  expect(result.finishReason).toBe('stop');
});

test('whatever the script and the stop strings, streamed and returned text agree and hold no stop string', async () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é', '😀'), maxLength: 12 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é', '😀'), minLength: 1, maxLength: 3 }), {
    maxLength: 2,
  });
  await fc.assert(
    fc.asyncProperty(piece, stops, async (script, stop) => {
      const { result, streamed } = await run(script, { stop });
      expect(streamed).toBe(result.text);
      const ends = stop.flatMap((s) => (script.includes(s) ? [script.indexOf(s) + s.length] : []));
      const shown = script.slice(0, Math.min(...ends, Infinity));
      expect(result.finishReason).toBe(ends.length ? 'stop' : 'eos');
      if (ends.length) {
        expect(shown.startsWith(result.text)).toBe(true);
        expect(stop).toContain(shown.slice(result.text.length));
      } else expect(result.text).toBe(script);
    }),
  );
});

test('several prompts in a batch give the same texts as each alone', async () => {
  const codec: TextCodec = {
    encode: (text) => ({ ids: Array.from(text, (c) => c.charCodeAt(0) % 27) }),
    decodeStream: () => ({ push: (id) => (id < 26 ? String.fromCharCode(97 + id) : ' '), end: () => '' }),
  };
  const prompts = ['one', 'and another', 'x'];
  const options = { temperature: 0.9, topP: 0.95, seed: 3, stop: ['a', ' b'], maxNewTokens: 30 };
  const fresh = (): FakeDecoder => new FakeDecoder({ vocabularySize: 27 });
  const streamed = ['', '', ''];
  const together = await collect(
    generateText(fresh(), codec, prompts, options),
    ({ row, text }) => (streamed[row]! += text),
  );
  expect(together.map(({ text }) => text)).toEqual(streamed);
  for (const [p, prompt] of prompts.entries()) {
    const [alone] = await collect(generateText(fresh(), codec, prompt, options));
    expect(together[p]).toEqual({ ...alone, row: p, prompt: p });
  }
});

test('spaces join as in the whole text, because decoding starts in the prompt', async () => {
  // As SentencePiece does: a word's space is dropped at the beginning of a text.
  const words: TextCodec = {
    encode: (text) => ({ ids: text.split(' ').map(Number) }),
    decodeStream() {
      let begun = false;
      return {
        push(id) {
          const text = `${begun ? ' ' : ''}${id}`;
          begun = true;
          return text;
        },
        end: () => '',
      };
    },
  };
  const next = new FakeDecoder({
    vocabularySize: 10,
    logits: (history) => Array.from({ length: 10 }, (_, id) => Number(id === history.length)),
  });
  const [result] = await collect(generateText(next, words, '0 1 2', { maxNewTokens: 3 }));
  expect(result!.text).toBe(' 3 4 5');
});

test('beam search at text level gives each sequence its own chunks', async () => {
  const chunks = ['', ''];
  const decoder = scripted('Hi', 'wörld\nmore');
  const results = await collect(
    generateText(decoder, bytes, 'Hi', {
      numBeams: 3,
      numReturnSequences: 2,
      maxNewTokens: 9,
      eosTokenIds: END,
      stop: '\n',
    }),
    ({ row, text }) => (chunks[row]! += text),
  );
  expect(results[0]).toMatchObject({ text: 'wörld', finishReason: 'stop' });
  expect(results.map(({ text }) => text)).toEqual(chunks);
});

test('an abort ends the stream without an error; what was held back is in the result', async () => {
  const controller = new AbortController();
  const chunks: string[] = [];
  const [result] = await collect(
    generateText(scripted('Hi', 'to User'), bytes, 'Hi', { stop: 'User:', signal: controller.signal }),
    ({ text }) => {
      if (chunks.push(text) === 5) controller.abort();
    },
  );
  expect(chunks).toEqual(['t', 'o', ' ', '', '']);
  expect(result).toMatchObject({ text: 'to Us', finishReason: 'aborted' });
});

test('leaving the loop early stops the work', async () => {
  const decoder = scripted('Hi', 'abcdef');
  for await (const { text } of generateText(decoder, bytes, 'Hi')) if (text === 'b') break;
  expect(decoder.passes).toHaveLength(2);
});

test('what cannot be generated is refused at once', () => {
  const start =
    (prompt: string | string[], options = {}) =>
    () =>
      generateText(new FakeDecoder({ vocabularySize: 257 }), bytes, prompt, options);
  expect(start('')).toThrow('prompt 0 ("") has no tokens; needs one or more');
  expect(start(['a', ''])).toThrow('prompt 1 ("") has no tokens');
  expect(start('a', { temperature: -1 })).toThrow('generateText: temperature is -1');
  expect(start([])).toThrow('no prompts');
  expect(start('x'.repeat(100))).toThrow("has 100 tokens, but the model's context holds 64");
});
