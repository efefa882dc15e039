// lm fill-mask, answer, translate and chat, on small models that know nothing: what they print is what the library gives.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostTensor } from '../../packages/runtime/src/index.ts';
import { saveTokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import { AutoModel, collect, generateFrom, loadModel, seq2seqDecoder } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-tasks-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const corpus = 'the cat sat on the mat. a dog ate the cake in paris, where the cat sleeps at night. '.repeat(20);
const sizes = {
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 48,
};

beforeAll(async () => {
  const piece = await trainTokenizer([corpus], { type: 'wordpiece', vocabularySize: 90 });
  const bytes = await trainTokenizer([corpus], { type: 'bpe', vocabularySize: 290, specialTokens: ['<pad>', '</s>'] });
  const make = async (name: string, config: object, json: object): Promise<void> => {
    const model = AutoModel.fromConfig(config as Record<string, unknown>, { seed: 2 });
    // Larger than usual, so that it is sure of something.
    for (const { data } of model.weights.values())
      (data as Float32Array).forEach((v, i) => ((data as Float32Array)[i] = v * 6));
    await model.save(at(name));
    await saveTokenizer(at(name), json as Record<string, unknown>);
  };
  const bert = { model_type: 'bert', vocab_size: 90, ...sizes };
  await make('mlm', { ...bert, architectures: ['BertForMaskedLM'] }, piece);
  await make('qa', { ...bert, architectures: ['BertForQuestionAnswering'] }, piece);
  const t5 = { model_type: 't5', vocab_size: 290, d_model: 16, d_kv: 8, d_ff: 32, num_layers: 1, num_heads: 2 };
  await make('t5', { ...t5, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1 }, bytes);
  const gpt = { model_type: 'gpt2', vocab_size: 290, n_positions: 64, n_embd: 16, n_layer: 1, n_head: 2 };
  await make('gpt', { ...gpt, eos_token_id: 1 }, bytes);
});

describe('fill-mask', () => {
  test('gives the most probable tokens by the softmax of the logits, in place', async () => {
    const text = 'the [MASK] sat on the [MASK].';
    const { code, stdout, stderr } = await lm(['fill-mask', '-m', at('mlm'), '-k', '3', text, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [line] = jsonLines(stdout) as {
      masks: { score: number; token: number; token_str: string; sequence: string }[][];
    }[];
    expect(line!.masks.map((place) => place.length)).toEqual([3, 3]);
    const model = await loadModel(at('mlm'));
    const tokenizer = await model.tokenizer();
    const { ids } = tokenizer.encode(text);
    const input_ids = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
    const { logits } = await model.run({ input_ids }, ['logits']);
    const mask = tokenizer.specialTokens.mask!.id;
    const places = ids.flatMap((id, t) => (id === mask ? [t] : []));
    for (const [p, place] of places.entries()) {
      const row = Array.from((logits!.data as Float32Array).subarray(place * 90, (place + 1) * 90));
      const total = row.reduce((n, v) => n + Math.exp(v), 0);
      const known = row.slice(0, tokenizer.vocabularySize);
      const order = known.map((v, id) => ({ score: Math.exp(v) / total, id })).toSorted((a, b) => b.score - a.score);
      line!.masks[p]!.forEach(({ score, token, token_str, sequence }, k) => {
        expect(token).toBe(order[k]!.id);
        expect(score).toBeCloseTo(order[k]!.score, 5);
        expect(token_str).toBe(tokenizer.decode([token], { skipSpecialTokens: false }));
        // The other mask stays.
        expect(sequence.split('[MASK]').length - 1).toBe(token === mask ? 2 : 1);
      });
    }
    await model.dispose();
  });
  test('lines of stdin, as tables', async () => {
    const { code, stdout } = await lm(['fill-mask', '-m', at('mlm'), '-k', '2'], {
      stdin: 'the [MASK]\n\na [MASK] [MASK]\n',
    });
    expect(code).toBe(0);
    expect(stdout.match(/^\d\.\d{4} {2}/gm)).toHaveLength(6);
    expect(stdout).toContain('mask 2:\n');
  });
  test.each([
    ['no mask', ['a cat'], 1, 'the text has no [MASK]'],
    ['no text', [], 2, 'there is no text'],
    ['no model', ['-m', 'nowhere', 'a [MASK]'], 2, 'no model in nowhere'],
  ])('%s', async (_, args, code, message) => {
    const result = await lm(['fill-mask', ...(args.includes('-m') ? [] : ['-m', at('mlm')]), ...args]);
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(result.stderr).not.toContain('    at ');
  });
  test('a model of another kind', async () => {
    const { code, stderr } = await lm(['fill-mask', '-m', at('gpt'), 'a [MASK]']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('has no mask token')]);
  });
});

describe('answer', () => {
  const passage = 'the cat sat on the mat. a dog ate the cake in paris, where the cat sleeps at night.';
  const ask = async (
    context: string,
    ...flags: string[]
  ): Promise<{ start: number; end: number; answer: string; score: number }[]> => {
    const { code, stdout, stderr } = await lm(['answer', 'where is it', '-m', at('qa'), '--json', ...flags], {
      stdin: context,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return (jsonLines(stdout)[0] as { answers: never[] }).answers;
  };
  test('gives parts of the passage with their places, best first', async () => {
    const answers = await ask(passage, '-k', '4', '--max-answer-length', '3');
    expect(answers).toHaveLength(4);
    for (const { start, end, answer } of answers) {
      expect(answer).toBe(passage.slice(start, end));
      expect(answer).toMatch(/^\S.*\S$|^\S$/);
    }
    expect(answers.map((a) => a.score)).toEqual(answers.map((a) => a.score).toSorted((a, b) => b - a));
    // The best is the best product of the two softmaxes over the passage's tokens, grown to whole words.
    const model = await loadModel(at('qa'));
    const tokenizer = await model.tokenizer();
    const { ids, typeIds, offsets } = tokenizer.encode('where is it', { textPair: passage });
    const row = (values: number[]) => hostTensor(BigInt64Array.from(values, BigInt), [1, ids.length]);
    const out = await model.run({ input_ids: row(ids), token_type_ids: row(typeIds) }, ['start_logits', 'end_logits']);
    const own = ids.flatMap((_, t) => (typeIds[t] === 1 && t < ids.length - 1 ? [t] : []));
    const p = (name: string): Map<number, number> => {
      const all = own.map((t) => Math.exp((out[name]!.data as Float32Array)[t]!));
      const total = all.reduce((a, b) => a + b);
      return new Map(own.map((t, i) => [t, all[i]! / total]));
    };
    const [starts, ends] = [p('start_logits'), p('end_logits')];
    let best = { score: 0, s: 0, e: 0 };
    for (const s of own)
      for (const e of own)
        if (e >= s && e < s + 3 && starts.get(s)! * ends.get(e)! > best.score)
          best = { score: starts.get(s)! * ends.get(e)!, s, e };
    expect(answers[0]!.score).toBeCloseTo(best.score, 4);
    expect(answers[0]!.start).toBeLessThanOrEqual(offsets[best.s]![0]);
    expect(answers[0]!.end).toBeGreaterThanOrEqual(offsets[best.e]![1]);
    await model.dispose();
  });
  test('long passages are read in pieces, to their end', async () => {
    const long = `${passage} `.repeat(12);
    const answers = await ask(long, '-k', '300', '--max-length', '30', '--stride', '5', '--max-answer-length', '2');
    for (const { start, end, answer } of answers) expect(answer).toBe(long.slice(start, end));
    expect(Math.max(...answers.map(({ end }) => end))).toBeGreaterThan(long.length - 40);
    expect(new Set(answers.map(({ start, end }) => `${start}-${end}`)).size).toBe(answers.length);
  });
  test('that there is no answer can be weighed; plain output is the answer alone', async () => {
    const answers = await ask(passage, '-k', '500', '--handle-impossible');
    expect(answers.filter(({ answer }) => answer === '')).toHaveLength(1);
    const { stdout } = await lm(['answer', '-q', 'where', '-m', at('qa'), '-c', passage]);
    expect(passage).toContain(stdout.trim());
  });
  test.each([
    ['no question', ['-c', 'a cat'], 2, 'the question is missing'],
    ['an empty passage', ['-q', 'where', '-c', '  '], 2, 'the passage is empty'],
    ['a file that isn’t there', ['-q', 'where', '-c', 'gone.txt'], 2, 'gone.txt: there is no such file'],
    ['a question without room', ['-q', 'the cat '.repeat(40), '-c', 'a cat'], 1, 'leaves no room for the passage'],
  ])('%s', async (_, args, code, message) => {
    const result = await lm(['answer', '-m', at('qa'), ...args]);
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)]);
  });
  test('a model of another kind', async () => {
    expect((await lm(['answer', '-q', 'a', '-c', 'b b', '-m', at('mlm')])).stderr).toContain(
      'needs a model with a head',
    );
  });
});

describe('translate', () => {
  test('is what generateFrom gives: one text as it grows, lines in batches, beams as JSON', async () => {
    const model = await loadModel(at('t5'));
    const decoder = seq2seqDecoder(model);
    const expected = async (text: string, options = {}) =>
      collect(generateFrom(decoder, await model.tokenizer(), text, { maxNewTokens: 6, ...options }));
    const flags = ['-m', at('t5'), '-n', '6'];
    const one = await lm(['translate', 'the cat', ...flags]);
    expect(one).toEqual({ code: 0, stderr: '', stdout: `${(await expected('the cat'))[0]!.text}\n` });
    const lines = await lm(['translate', ...flags, '-b', '2'], { stdin: 'a dog\nthe cat\n\nat night\n' });
    const each: string[] = [];
    for (const text of ['a dog', 'the cat', 'at night']) each.push((await expected(text))[0]!.text);
    expect(lines.stdout).toBe(each.map((text) => `${text.replace(/\s*\n\s*/g, ' ')}\n`).join(''));
    const beams = await lm([
      'translate',
      'cat',
      '--prefix',
      'the ',
      ...flags,
      '--num-beams',
      '3',
      '--num-return-sequences',
      '2',
      '--json',
    ]);
    const found = await expected('the cat', { numBeams: 3, numReturnSequences: 2 });
    expect(jsonLines(beams.stdout)).toEqual(
      found.map(({ text, ids, score, finishReason }) => ({
        source: 'cat',
        text,
        finish_reason: finishReason,
        ids,
        score,
      })),
    );
    await decoder.dispose();
  });
  test('a model of one part, and no text', async () => {
    expect(await lm(['translate', 'a', '-m', at('gpt')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('needs an encoder-decoder') as string,
    });
    expect(await lm(['translate', '-m', at('t5')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no text') as string,
    });
  });
});

describe('chat', () => {
  const flags = (): string[] => ['chat', '-m', at('gpt'), '--template', 'plain', '-n', '5', '--greedy'];
  test('a turn for each line, with what was said before', async () => {
    const { code, stdout, stderr } = await lm([...flags(), '--json'], { stdin: 'the cat\n\na dog\n' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const turns = jsonLines(stdout) as { role: string; content: string; prompt_tokens: number }[];
    expect(turns.map(({ role }) => role)).toEqual(['assistant', 'assistant']);
    expect(turns[1]!.prompt_tokens).toBeGreaterThan(turns[0]!.prompt_tokens);
    const again = await lm([...flags(), '--json'], { stdin: 'the cat\n/reset\na dog\n' });
    const [, second] = jsonLines(again.stdout) as { prompt_tokens: number }[];
    expect(second!.prompt_tokens).toBeLessThan(turns[1]!.prompt_tokens);
    expect(again.stderr).toBe('(forgotten)\n');
  });
  test('a system’s message, saved with the rest', async () => {
    const path = at('saved.json');
    const { code, stderr } = await lm([...flags(), '--system', 'be brief'], {
      stdin: `hi\n/save ${path}\n/exit\nnot said\n`,
    });
    expect([code, stderr]).toEqual([0, `(saved in ${path})\n`]);
    const { messages } = JSON.parse(readFileSync(path, 'utf8')) as { messages: { role: string; content: string }[] };
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
    expect(messages.slice(0, 2).map(({ content }) => content)).toEqual(['be brief', 'hi']);
  });
  test('the oldest turns are left out where all no longer fit', async () => {
    const { code, stderr, stdout } = await lm([...flags(), '--json'], { stdin: 'the cat sat\n'.repeat(6) });
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toHaveLength(6);
    expect(stderr).toMatch(/^\(the oldest \d+ messages no longer fit and are left out\)\n/);
    const long = await lm(flags(), { stdin: `${'the cat sat '.repeat(40)}\n` });
    expect([long.code, long.stderr]).toEqual([2, expect.stringMatching(/the message has \d+ tokens/)]);
  });
  test('Ctrl-C stops the answer, not the program', async () => {
    // While it writes: what came so far is the answer, and the next line has its own.
    let count = 0;
    const cut = await lm(['chat', '-m', at('gpt'), '--template', 'plain', '-n', '12', '--greedy'], {
      stdin: 'the cat\na dog\n',
      onWrite: (_, interrupt) => {
        if (++count === 2) interrupt();
      },
    });
    expect(cut.code).toBe(0);
    expect(cut.stderr.match(/\(stopped\)/g)).toHaveLength(1);
    // The second answer is whole.
    expect(cut.stdout.trim().split('\n').length).toBeGreaterThan(1);
  });
  test('a template of one’s own, and models without one', async () => {
    const template = at('template.jinja');
    writeFileSync(template, "{% for m in messages %}{{ m['content'] }}|{% endfor %}");
    expect((await lm([...flags().slice(0, 3), '--template', template, '-n', '3'], { stdin: 'cat\n' })).code).toBe(0);
    const none = await lm(['chat', '-m', at('gpt')], { stdin: 'hi\n' });
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('has no chat template')]);
    const gone = await lm([...flags().slice(0, 3), '--template', 'gone.jinja'], { stdin: 'hi\n' });
    expect([gone.code, gone.stderr]).toEqual([
      2,
      expect.stringContaining('--template gone.jinja: there is no such file'),
    ]);
    expect(await lm([...flags()], { stdin: '/fly\n' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no command /fly') as string,
    });
  });
});
