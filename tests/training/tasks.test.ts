// Tasks: what examples of each kind become, seen through the tokenizer that encoded them.
import { beforeAll, describe, expect, test } from 'vitest';
import { random } from '../../packages/nn/src/index.ts';
import { Tokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import {
  classification,
  labelSet,
  languageModelling,
  maskedLanguageModelling,
  questionAnswering,
  corrupt,
  sequenceToSequence,
  spanCorruption,
  tokenClassification,
  type EncodedExample,
  type Example,
  type Task,
} from '../../packages/training/src/index.ts';

const corpus = 'the cat sat on the mat. a dog ate the unbelievable cake in paris, where the cat sleeps at night. ';
let piece: Tokenizer;
let bytes: Tokenizer;
let id: (token: string) => number;
beforeAll(async () => {
  piece = new Tokenizer(await trainTokenizer([corpus.repeat(20)], { type: 'wordpiece', vocabularySize: 120 }));
  bytes = new Tokenizer(await trainTokenizer([corpus.repeat(20)], { type: 'bpe', vocabularySize: 300 }));
  const model = piece.json['model'] as { vocab: Record<string, number> };
  id = (token) => model.vocab[token]!;
});
const limit = 40;
const texts = (e: EncodedExample, field = 'input_ids', t = piece): string =>
  t.decode(
    [...e[field]!].filter((v) => v >= 0),
    { skipSpecialTokens: false },
  );
const collated = (task: Task, given: readonly Example[]): ReturnType<Task['collate']> =>
  task.collate(
    given.flatMap((e) => [...task.encode(e)]),
    random(1),
  );
const whole = (data: ArrayLike<number | bigint>): number[] => Array.from(data, (v) => Number(v));

describe('classification', () => {
  const labelled = (
    label: string | number | (string | number)[],
    text = 'the cat',
    pair: string | null = null,
  ): Example => ({
    kind: 'labelled',
    text,
    pair,
    label,
  });
  test('finds out what labels are', async () => {
    const problem = async (...labels: (string | number | (string | number)[])[]): Promise<unknown> =>
      labelSet(labels.map((label) => labelled(label)));
    expect(await problem('spam', 'ham', 'spam')).toEqual({
      problem: 'single_label_classification',
      names: ['ham', 'spam'],
    });
    expect(await problem(0, 2)).toEqual({
      problem: 'single_label_classification',
      names: ['LABEL_0', 'LABEL_1', 'LABEL_2'],
    });
    expect(await problem(1, 2.5)).toEqual({ problem: 'regression', names: [] });
    expect(await problem(['a'], ['b', 'a'], [])).toEqual({ problem: 'multi_label_classification', names: ['a', 'b'] });
  });
  test('one class: whole numbers; texts and pairs with their types, cut to the limit, padding masked', () => {
    const labels = { problem: 'single_label_classification', names: ['ham', 'spam'] } as const;
    const task = classification(piece, { labels, padId: 0, limit, typed: true, multiple: 4 });
    const long = 'the cat sat on the mat. '.repeat(20);
    const { batch, count } = collated(task, [
      labelled('spam'),
      labelled('ham', 'a dog', 'the cat'),
      labelled('ham', long),
    ]);
    expect(count).toBe(3);
    expect(batch['labels']).toMatchObject({ dtype: 'int64', shape: [3] });
    expect(whole(batch['labels']!.data)).toEqual([1, 0, 0]);
    const [B, T] = batch['input_ids']!.shape as [number, number];
    expect([B, T]).toEqual([3, limit]);
    const mask = whole(batch['attention_mask']!.data);
    const ids = whole(batch['input_ids']!.data);
    expect(mask.slice(0, T).reduce((a, b) => a + b)).toBe(piece.encode('the cat').ids.length);
    expect(ids.slice(0, 4)).toEqual(piece.encode('the cat').ids);
    expect(mask.slice(2 * T)).toEqual(Array(T).fill(1));
    expect(ids.at(-1)).toBe(id('[SEP]'));
    const pair = piece.encode('a dog', { textPair: 'the cat' });
    expect(whole(batch['token_type_ids']!.data).slice(T, T + pair.ids.length)).toEqual(pair.typeIds);
    expect(() => task.encode(labelled('egg'))).toThrow('no class is called "egg"; there are ham, spam');
    expect(() => task.encode({ kind: 'text', text: 'a' })).toThrow(
      'an example of kind text; needs a text and its label',
    );
  });
  test('several classes and numbers are float32, as the losses need them', () => {
    const several = { problem: 'multi_label_classification', names: ['a', 'b', 'c'] } as const;
    const o = { padId: 0, limit };
    const { batch } = collated(classification(piece, { ...o, labels: several }), [labelled(['c', 'a']), labelled([])]);
    expect(batch['labels']).toMatchObject({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 0, 1, 0, 0, 0) });
    const regression = { problem: 'regression', names: [] } as const;
    const scores = collated(classification(piece, { ...o, labels: regression }), [labelled(2.5), labelled('-1')]).batch;
    expect(scores['labels']).toMatchObject({ dtype: 'float32', shape: [2], data: Float32Array.of(2.5, -1) });
    expect(() => classification(piece, { ...o, labels: regression }).encode(labelled('much'))).toThrow('is no number');
  });
});

describe('language modelling', () => {
  const o = { padId: 0, limit, endId: 7 };
  const learned = (e: EncodedExample): string => texts(e, 'labels', bytes);
  test('of texts: everything is learned, the end too; long ones come in pieces', () => {
    const task = languageModelling(bytes, o);
    const [one] = task.encode({ kind: 'text', text: 'the cat' });
    expect(whole(one!['input_ids']!)).toEqual([...bytes.encode('the cat').ids, 7]);
    expect(one!['labels']).toEqual(one!['input_ids']);
    const long = task.encode({ kind: 'text', text: corpus.repeat(4) });
    expect(long.every((e) => e['input_ids']!.length <= limit)).toBe(true);
    expect(long.flatMap((e) => whole(e['input_ids']!))).toEqual([...bytes.encode(corpus.repeat(4)).ids, 7]);
    expect(task.encode({ kind: 'text', text: '' })).toEqual([]);
  });
  test('of completions: the completion and its end only, encoded as one text', () => {
    const given = { kind: 'completion', prompt: 'the cat', completion: ' sat on' } as const;
    const [one] = languageModelling(bytes, o).encode(given);
    expect(whole(one!['input_ids']!)).toEqual([...bytes.encode('the cat sat on').ids, 7]);
    expect(learned(one!)).toBe(` sat on${bytes.decode([7], { skipSpecialTokens: false })}`);
    const [all] = languageModelling(bytes, { ...o, learnPrompts: true }).encode(given);
    expect(all!['labels']).toEqual(all!['input_ids']);
    const cut = languageModelling(bytes, { ...o, limit: 2 });
    expect(cut.encode({ ...given, prompt: corpus })).toEqual([]); // nothing left to learn
  });
  test('of conversations: what the assistant says, by the template', () => {
    const template = (
      turns: readonly { role: string; content: string }[],
      { addGenerationPrompt = false } = {},
    ): string =>
      turns.map(({ role, content }) => `${role[0]}:${content}\n`).join('') + (addGenerationPrompt ? 'a:' : '');
    const task = languageModelling(bytes, { ...o, template });
    const messages = [
      { role: 'user', content: 'the dog' },
      { role: 'assistant', content: 'a cat' },
      { role: 'user', content: 'the mat' },
      { role: 'assistant', content: 'cake' },
    ];
    const [one] = task.encode({ kind: 'chat', messages });
    expect(texts(one!, 'input_ids', bytes)).toBe('u:the dog\na:a cat\nu:the mat\na:cake\n');
    expect(learned(one!)).toBe('a cat\ncake\n');
    expect(() => languageModelling(bytes, o).encode({ kind: 'chat', messages })).toThrow('need a chat template');
    const rewriting = (turns: readonly unknown[]): string => `${turns.length}`;
    expect(() => languageModelling(bytes, { ...o, template: rewriting }).encode({ kind: 'chat', messages })).toThrow(
      'rewrites earlier turns',
    );
  });
  test('a batch counts what it predicts: labels but the first of a row', () => {
    const { batch, count } = collated(languageModelling(bytes, { ...o, multiple: 1 }), [
      { kind: 'completion', prompt: 'the cat', completion: ' sat' },
      { kind: 'text', text: 'a dog' },
    ]);
    const labels = whole(batch['labels']!.data);
    const T = batch['labels']!.shape[1]!;
    expect(count).toBe(labels.filter((label, i) => label !== -100 && i % T !== 0).length);
  });
});

describe('masked language modelling', () => {
  const make = (more: object = {}): Task =>
    maskedLanguageModelling(piece, { padId: 0, limit, maskId: id('[MASK]'), vocabularySize: 120, ...more });
  const many = (): Example[] =>
    Array.from({ length: 400 }, () => ({ kind: 'text', text: corpus.slice(0, 90) }) as const);

  test('hides 15%: 80% masked, 10% replaced, 10% as they are; never what stands around the text', () => {
    const task = make();
    const { batch, count } = collated(task, many());
    const ids = whole(batch['input_ids']!.data);
    const labels = whole(batch['labels']!.data);
    const { ids: original } = piece.encode(corpus.slice(0, 90));
    const T = batch['labels']!.shape[1]!;
    const tokens = 400 * (original.length - 2);
    let [masked, same, hidden] = [0, 0, 0];
    labels.forEach((label, i) => {
      const own = original[i % T] ?? 0;
      if (label === -100) return expect(ids[i]).toBe(own);
      expect(label).toBe(own);
      expect(i % T).toBeGreaterThan(0);
      expect(i % T).toBeLessThan(original.length - 1);
      hidden++;
      if (ids[i] === id('[MASK]')) masked++;
      else if (ids[i] === label) same++;
    });
    expect(hidden).toBe(count);
    expect(hidden / tokens).toBeCloseTo(0.15, 1);
    expect(masked / hidden).toBeCloseTo(0.8, 1);
    expect(same / hidden).toBeCloseTo(0.1, 1);
  });
  test('is drawn anew for every batch, and the same for the same', () => {
    const task = make();
    const examples = many().flatMap((e) => [...task.encode(e)]);
    const labels = (seed: number): number[] => whole(task.collate(examples, random(seed)).batch['labels']!.data);
    expect(labels(1)).toEqual(labels(1));
    expect(labels(1)).not.toEqual(labels(2));
  });
  test('whole words are hidden together', () => {
    const task = make({ wholeWords: true, share: 0.5 });
    const [e] = task.encode({ kind: 'text', text: 'unbelievable cats sleep.' });
    const words = whole(e!['words']!);
    expect(new Set(words.filter((w) => w >= 0)).size).toBe(4); // three words and a point
    expect(words.length).toBeGreaterThan(6);
    for (let seed = 0; seed < 20; seed++) {
      const labels = whole(task.collate([e!], random(seed)).batch['labels']!.data);
      for (let w = 0; w < 4; w++) {
        const own = words.flatMap((word, t) => (word === w ? [labels[t] !== -100] : []));
        expect(new Set(own).size).toBe(1);
      }
    }
  });
  test('long texts come in pieces that hold all of it', () => {
    const pieces = make().encode({ kind: 'text', text: corpus.repeat(9) });
    expect(pieces.length).toBeGreaterThan(2);
    const inner = pieces.flatMap((e) => whole(e['input_ids']!).slice(1, -1));
    expect(inner).toEqual(piece.encode(corpus.repeat(9), { addSpecialTokens: false }).ids);
    expect(make().encode({ kind: 'text', text: '' })).toEqual([]);
  });
  test('shares that make no sense', () => {
    expect(() => make({ share: 0 })).toThrow('nothing to find');
    expect(() => make({ masked: 0.9, replaced: 0.2 })).toThrow('both is 1.1');
  });
});

describe('sequence to sequence', () => {
  test('sources with their prefix and targets with their end, -100 where there is none', () => {
    const task = sequenceToSequence(bytes, { padId: 0, limit, targetLimit: 6, prefix: 'say: ', endId: 7, multiple: 1 });
    const [short, long] = [
      { kind: 'sequence', source: 'the cat', target: 'a' },
      { kind: 'completion', prompt: 'x', completion: corpus },
    ] as const;
    const { batch, count } = collated(task, [short, long]);
    expect(texts(task.encode(short)[0]!, 'input_ids', bytes)).toBe('say: the cat');
    const T = batch['labels']!.shape[1]!;
    expect(T).toBe(6);
    const labels = whole(batch['labels']!.data);
    const own = [...bytes.encode('a').ids, 7];
    expect(labels.slice(0, T)).toEqual([...own, ...Array<number>(T - own.length).fill(-100)]);
    expect(labels.at(-1)).toBe(7);
    expect(count).toBe(own.length + 6);
  });
});

describe('span corruption', () => {
  const o = { sentinels: [90, 91, 92, 93, 94, 95], endId: 1, share: 0.15, meanLength: 3 };
  test('what is left and what is missing are the text again, each sentinel once and in order', () => {
    for (let seed = 0; seed < 200; seed++) {
      const length = 2 + (seed % 60);
      const ids = Int32Array.from({ length }, (_, i) => 100 + i);
      const { input_ids, labels } = corrupt(ids, o, random(seed));
      const missing = new Map<number, number[]>();
      let now = -1;
      for (const id of labels.slice(0, -1)) {
        if (id < 100) missing.set((now = id), []);
        else missing.get(now)!.push(id);
      }
      const back = whole(input_ids.slice(0, -1)).flatMap((id) => (id < 100 ? missing.get(id)! : [id]));
      expect(back).toEqual(whole(ids));
      expect([input_ids.at(-1), labels.at(-1)]).toEqual([1, 1]);
      const used = whole(labels).filter((id) => id >= 90 && id < 100);
      expect(used).toEqual(o.sentinels.slice(0, used.length));
      expect(whole(input_ids).filter((id) => id >= 90 && id < 100)).toEqual(used.slice(0, -1));
      const hidden = [...missing.values()].flat().length;
      expect(hidden).toBe(Math.min(Math.max(Math.round(length * 0.15), 1), length - 1));
    }
  });
  test('as a task: drawn anew for every batch', () => {
    const task = spanCorruption(bytes, { padId: 0, limit, ...o });
    const examples = task.encode({ kind: 'text', text: corpus.repeat(3) });
    expect(examples.every((e) => e['input_ids']!.length < limit)).toBe(true);
    const labels = (seed: number): number[] => whole(task.collate(examples, random(seed)).batch['labels']!.data);
    expect(labels(1)).toEqual(labels(1));
    expect(labels(1)).not.toEqual(labels(2));
    expect(() => spanCorruption(bytes, { padId: 0, limit, ...o, sentinels: [] })).toThrow('no sentinels');
  });
});

describe('token classification', () => {
  const names = ['O', 'PLACE'];
  const given = {
    kind: 'words',
    words: ['the', 'unbelievable', 'paris', '.'],
    labels: ['O', 0, 'PLACE', 'O'],
  } as const;
  test.each([
    ['WordPiece', () => piece],
    ['byte-level BPE', () => bytes],
  ])('%s: the first piece of each word has its label, or all have', (_, tokenizer) => {
    for (const labelAllPieces of [false, true]) {
      const task = tokenClassification(tokenizer(), { names, padId: 0, limit, labelAllPieces });
      const [e] = task.encode(given);
      const encoding = tokenizer().encode('the unbelievable paris .');
      const labels = whole(e!['labels']!);
      expect(whole(e!['input_ids']!)).toEqual(encoding.ids);
      const words = encoding.offsets.map(([from, to], t) =>
        encoding.specialTokensMask[t] || from === to
          ? -1
          : 'the unbelievable paris .'.slice(0, to).split(' ').length - 1,
      );
      words.forEach((word, t) => {
        const expected = word < 0 || (words[t - 1] === word && !labelAllPieces) ? -100 : [0, 0, 1, 0][word];
        expect(labels[t], `${t}`).toBe(expected);
      });
    }
  });
  test('unknown classes', () => {
    const task = tokenClassification(piece, { names, padId: 0, limit });
    expect(() => task.encode({ ...given, labels: ['O', 'O', 'PERSON', 'O'] })).toThrow('no class is called "PERSON"');
    expect(() => task.encode({ ...given, labels: [0, 0, 2, 0] })).toThrow('no class is called 2');
  });
});

describe('question answering', () => {
  const question = 'where sleeps the cat';
  const passage = `${corpus.repeat(2)}the cat sleeps in paris. ${corpus.repeat(2)}`;
  const start = passage.indexOf('in paris. the', 100);
  const given = { kind: 'question', question, context: passage, answers: [{ text: 'in paris', start }] } as const;
  test('each piece of a long passage that holds the answer points at its tokens, the others at the first', () => {
    const task = questionAnswering(piece, { padId: 0, limit, overlap: 60, typed: true });
    const pieces = task.encode(given);
    expect(pieces.length).toBeGreaterThan(4);
    let held = 0;
    for (const e of pieces) {
      const [from, to] = [e['start_positions']![0]!, e['end_positions']![0]!];
      const ids = whole(e['input_ids']!);
      expect(ids.length).toBeLessThanOrEqual(limit);
      if (from === 0) {
        expect(to).toBe(0);
        continue;
      }
      held++;
      expect(piece.decode(ids.slice(from, to + 1))).toBe('in paris');
      expect(whole(e['token_type_ids']!)[from]).toBe(1);
    }
    expect(held).toBeGreaterThan(0);
    // Together the pieces hold the whole passage: every word of it is in one of them.
    const seen = pieces.map((e) => texts(e)).join(' ');
    for (const word of ['unbelievable', 'paris', 'night']) expect(seen).toContain(word);
  });
  test('no answer, and an answer that isn’t where it should be', () => {
    const task = questionAnswering(piece, { padId: 0, limit: 400 });
    const [none, ...more] = task.encode({ ...given, answers: [] });
    expect(more).toEqual([]);
    expect([none!['start_positions'], none!['end_positions']]).toEqual([Int32Array.of(0), Int32Array.of(0)]);
    expect(() => task.encode({ ...given, answers: [{ text: 'rome', start: 3 }] })).toThrow('not the answer "rome"');
  });
});
