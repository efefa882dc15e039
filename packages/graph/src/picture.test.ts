import { expect, test } from 'vitest';
import { input, mul, override, softmax, sum, toDot, toMermaid, type Tensor } from './index.ts';
import { picture } from './picture.ts';

/** Layers of two operators with a weight each, as bricks name them. */
function layers(n: number): { y: Tensor } {
  let x = input('ids', ['B', 4]);
  for (let i = 0; i < n; i++)
    x = softmax(
      x.matmul(input(`model.layers.${i}.q_proj.weight`, [4, 4])).add(input(`model.layers.${i}.q_proj.bias`, [4])),
    );
  return { y: x };
}

test('inputs, operators and outputs are boxes; weights and constants are lines in them', () => {
  const { boxes, arrows } = picture('p', { y: mul(input('x', [2]), 3).mul(input('a.b.weight', [2])) });
  expect(boxes.map((b) => [b.kind, b.lines, b.brick])).toEqual([
    ['input', ['x', 'float32(2)'], ''],
    ['operator', ['Mul', '3'], ''],
    ['operator', ['Mul', 'weight: float32(2)'], 'a.b'],
    ['output', ['y', 'float32(2)'], ''],
  ]);
  expect(arrows.map((a) => [a.from, a.to, a.label])).toEqual([
    ['n0', 'n1', 'float32(2)'],
    ['n1', 'n2', 'float32(2)'],
    ['n2', 'n3', 'float32(2)'],
  ]);
});

test('operators are framed by the brick whose weight they read, others by the brick around what they read', () => {
  const { boxes } = picture('p', layers(2));
  expect(boxes.filter((b) => b.kind === 'operator').map((b) => [b.lines[0], b.brick])).toEqual([
    ['MatMul', 'model.layers.0.q_proj'],
    ['Add', 'model.layers.0.q_proj'],
    ['Softmax', 'model.layers.0'],
    ['MatMul', 'model.layers.1.q_proj'],
    ['Add', 'model.layers.1.q_proj'],
    ['Softmax', 'model.layers.1'],
  ]);
});

test('a graph above the limit has bricks as boxes, as deep in their paths as there is room', () => {
  const kinds = (limit: number): string[][] =>
    picture('p', layers(10), { limit })
      .boxes.filter((b) => b.kind === 'brick')
      .map((b) => [...b.lines]);
  expect(kinds(30)).toEqual([]);
  expect(kinds(20).slice(0, 2)).toEqual([
    ['model.layers.0.q_proj', '2 operators'],
    ['model.layers.0', '1 operator'],
  ]);
  expect(kinds(19).length).toBe(10);
  expect(kinds(19)[9]).toEqual(['model.layers.9', '3 operators']);
  expect(kinds(9)).toEqual([['model.layers', '30 operators']]);
});

test('depth is what is asked for, and a graph without bricks is cut at the limit', () => {
  expect(picture('p', layers(3), { depth: 1 }).boxes.map((b) => b.lines[0])).toEqual(['ids', 'model', 'y']);
  let y = input('x', [1]);
  for (let i = 0; i < 500; i++) y = y.neg();
  const { boxes, arrows } = picture('p', { y });
  expect(boxes.length).toBe(150 + 3);
  expect(boxes.at(-1)!.lines).toEqual(['… 350 more']);
  const ids = new Set(boxes.map((b) => b.id));
  expect(arrows.every((a) => ids.has(a.from) && ids.has(a.to))).toBe(true);
  expect(arrows.slice(-2).map((a) => [a.from, a.to])).toEqual([
    [boxes[150]!.id, 'more'],
    ['more', boxes[151]!.id],
  ]);
});

test('every arrow joins boxes that are there, and what only carries a gradient has none', () => {
  const x = input('x', [2]);
  const y = override(mul(x, x), [x], (g) => [g]);
  const { boxes, arrows } = picture('p', { y, loss: sum(y), x });
  expect(boxes.flatMap((b) => b.lines[0])).toEqual(['x', 'Mul', 'ReduceSum', 'y', 'loss', 'x']);
  expect(arrows.map((a) => `${a.from} ${a.to}`)).toEqual(['n0 n1', 'n1 n2', 'n1 n3', 'n2 n4', 'n0 n5']);
});

test.each([{ limit: 0 }, { limit: NaN }, { depth: 0 }])('%j is refused', (o) => {
  expect(() => toDot(layers(1), o)).toThrow(/toDot: (limit|depth) is/);
});

// What these texts draw was looked at with Mermaid's parser and Graphviz when they were written.
test('a Mermaid flowchart', () => {
  expect(toMermaid(layers(1))).toBe(`flowchart TD
  n0(["ids<br/>float32(B, 4)"])
  n4(["y<br/>float32(B, 4)"])
  subgraph g0["model.layers.0.q_proj"]
    n1["MatMul<br/>weight: float32(4, 4)"]
    n2["Add<br/>bias: float32(4)"]
  end
  subgraph g1["model.layers.0"]
    n3["Softmax<br/>axis: 1"]
  end
  n0 -->|"float32(B, 4)"| n1
  n1 -->|"float32(B, 4)"| n2
  n2 -->|"float32(B, 4)"| n3
  n3 -->|"float32(B, 4)"| n4
`);
});

test('a DOT file', () => {
  expect(toDot(layers(1), { depth: 3 })).toBe(`digraph {
  node [shape=box, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  n0 [label="ids\\nfloat32(B, 4)", style=rounded];
  n1 [label="model.layers.0\\n3 operators", peripheries=2];
  n2 [label="y\\nfloat32(B, 4)", style=rounded];
  n0 -> n1 [label="float32(B, 4)"];
  n1 -> n2 [label="float32(B, 4)"];
}
`);
});

const nasty = 'a"b\\c\n<b>`x` end #35; ]) --> %% é {}|;&\\';
test('no name can end its label or start markup, in Mermaid', () => {
  const text = toMermaid({ [nasty]: input(`${nasty}.w`, [1]).add(input(`${nasty} in`, [1])) });
  const labels = [...text.matchAll(/"([^"]*)"/g)].map((m) => m[1]!);
  for (const label of labels) expect(label.replaceAll('<br/>', '')).toMatch(/^(?:[\w .,:()[\]+/=-]|#\d+;)*$/);
  const decoded = labels.map((s) => s.replace(/#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code))));
  expect(decoded.filter((s) => s.startsWith(nasty.replace('\n', ' '))).length).toBe(3);
  expect(text.replace(/"[^"]*"/g, '')).not.toMatch(/<b>|end #35|%%/);
});

test('no name can end its label or start an escape, in DOT', () => {
  const text = toDot({ [nasty]: input(`${nasty}.w`, [1]).add(input(`${nasty} in`, [1])) });
  const labels = [...text.matchAll(/label="((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]!);
  const decoded = labels.map((s) => s.replace(/\\(["\\])/g, '$1').replaceAll('&amp;', '&'));
  expect(decoded.filter((s) => s.startsWith(nasty.replace('\n', ' '))).length).toBe(3);
  expect(text.replace(/"(?:[^"\\]|\\.)*"/g, '')).not.toContain('<b>');
});

test('a graph of 200 000 operators is drawn without overflowing the stack', () => {
  let y = input('x', [1]);
  for (let i = 0; i < 200_000; i++) y = y.neg();
  expect(toDot({ y }, { limit: 10 }).split('\n').length).toBeLessThan(40);
});
