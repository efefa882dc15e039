// The loops of an update over all weights, four numbers at a time, on memory that the engine reads and writes too.
import { assemble, drop, f32x4, f64, f64x2, i32, local, loopWhile, upperHalf, v128, type Code } from './assembler.ts';
import { WebAssembly, type Memory } from './web-assembly.ts';

/** The kernels, bound to a memory. Pointers are byte offsets below 4 GiB; sizes are multiples of 16 bytes above 0. */
export interface Kernels {
  /** One AdamW update of the weights up to `end`; see optimizers/adamw.ts for the formula. */
  adamw(
    w: number,
    g: number,
    m: number,
    v: number,
    end: number,
    scale: number,
    a1: number,
    a2: number,
    decay: number,
    rate: number,
    correction: number,
    epsilon: number,
  ): void;
  /** One update by SGD with momentum up to `end`; see optimizers/sgd.ts for the formula. */
  sgd(
    w: number,
    g: number,
    u: number,
    end: number,
    scale: number,
    shrink: number,
    momentum: number,
    rate: number,
    ahead: number,
    kept: number,
  ): void;
  /** The sum of squares up to `end`, a multiple of 32 bytes away, in float64: eight sums that take turns. */
  sumOfSquares(x: number, end: number, quarter: number): number;
  /** into = into + x·scale, up to `end` of `into`. */
  addScaled(into: number, x: number, end: number, scale: number): void;
}

const get = local.get;
// Puts a float32 parameter into all four lanes of a local.
const spread = (from: number, to: number): Code => [get(from), f32x4.splat, local.set(to)];
// Moves a pointer on, and leaves it on the stack.
const forward = (pointer: number, bytes: number): Code => [get(pointer), i32.const(bytes), i32.add, local.tee(pointer)];

function adamw(): Code {
  const [W, G, M, V, END] = [0, 1, 2, 3, 4];
  // Parameters 5 to 11 are numbers; locals 12 to 18 hold each four times.
  const [SCALE, A1, A2, DECAY, RATE, CORRECTION, EPSILON] = [12, 13, 14, 15, 16, 17, 18];
  const [g, m, v, w] = [19, 20, 21, 22];
  return [
    Array.from({ length: 7 }, (_, i) => spread(5 + i, 12 + i)),
    loopWhile([
      // g = G·scale
      [get(G), v128.load(), get(SCALE), f32x4.mul, local.set(g)],
      // m = m + (g - m)·a1
      [get(M), get(M), v128.load(), local.tee(m), get(g), get(m), f32x4.sub, get(A1), f32x4.mul, f32x4.add],
      [local.tee(m), v128.store()],
      // v = v + (g·g - v)·a2
      [get(V), get(V), v128.load(), local.tee(v), get(g), get(g), f32x4.mul, get(v), f32x4.sub, get(A2), f32x4.mul],
      [f32x4.add, local.tee(v), v128.store()],
      // w = w - (w·decay + rate·m / (√v·correction + ε))
      [get(W), get(W), v128.load(), local.tee(w), get(w), get(DECAY), f32x4.mul],
      [
        get(RATE),
        get(m),
        f32x4.mul,
        get(v),
        f32x4.sqrt,
        get(CORRECTION),
        f32x4.mul,
        get(EPSILON),
        f32x4.add,
        f32x4.div,
      ],
      [f32x4.add, f32x4.sub, v128.store()],
      [G, M, V].map((p) => [forward(p, 16), drop]),
      [forward(W, 16), get(END), i32.ltU],
    ]),
  ];
}

function sgd(): Code {
  const [W, G, U, END] = [0, 1, 2, 3];
  // Parameters 4 to 9 are numbers; locals 10 to 15 hold each four times.
  const [SCALE, SHRINK, MOMENTUM, RATE, AHEAD, KEPT] = [10, 11, 12, 13, 14, 15];
  const [g, u, w] = [16, 17, 18];
  return [
    Array.from({ length: 6 }, (_, i) => spread(4 + i, 10 + i)),
    loopWhile([
      // g = G·scale + w·shrink
      [get(G), v128.load(), get(SCALE), f32x4.mul, get(W), v128.load(), local.tee(w), get(SHRINK), f32x4.mul],
      [f32x4.add, local.set(g)],
      // u = u·momentum + g
      [get(U), get(U), v128.load(), get(MOMENTUM), f32x4.mul, get(g), f32x4.add, local.tee(u), v128.store()],
      // w = w - rate·(g·ahead + u·kept)
      [get(W), get(w), get(RATE), get(g), get(AHEAD), f32x4.mul, get(u), get(KEPT), f32x4.mul, f32x4.add, f32x4.mul],
      [f32x4.sub, v128.store()],
      [G, U].map((p) => [forward(p, 16), drop]),
      [forward(W, 16), get(END), i32.ltU],
    ]),
  ];
}

function sumOfSquares(): Code {
  const [X, END, STEP, x, y] = [0, 1, 2, 3, 4];
  const sums = [5, 6, 7, 8, 9, 10, 11, 12];
  const add = (sum: number, half: Code): Code => [
    half,
    local.tee(y),
    get(y),
    f64x2.mul,
    get(sum),
    f64x2.add,
    local.set(sum),
  ];
  const pointer = (quarter: number): Code => [get(X), quarter ? [get(STEP), i32.const(quarter), i32.mul, i32.add] : []];
  return [
    loopWhile([
      [0, 1, 2, 3].map((quarter) => [
        [pointer(quarter), v128.load(), local.set(x)],
        add(sums[2 * quarter]!, [get(x), f64x2.promoteLow]),
        add(sums[2 * quarter + 1]!, [get(x), get(x), upperHalf, f64x2.promoteLow]),
      ]),
      [forward(X, 16), get(END), i32.ltU],
    ]),
    sums.map((s, i) => [get(s), f64x2.extractLane(0), i ? f64.add : [], get(s), f64x2.extractLane(1), f64.add]),
  ];
}

function addScaled(): Code {
  const [INTO, X, END, SCALE] = [0, 1, 2, 4];
  return [
    spread(3, SCALE),
    loopWhile([
      [get(INTO), get(INTO), v128.load(), get(X), v128.load(), get(SCALE), f32x4.mul, f32x4.add, v128.store()],
      [forward(X, 16), drop, forward(INTO, 16), get(END), i32.ltU],
    ]),
  ];
}

let module: object | null = null;

/** Binds the kernels to a memory. */
export function kernelsOn(memory: Memory): Kernels {
  const [pointers, numbers] = [Array<'i32'>(5).fill('i32'), Array<'f32'>(7).fill('f32')];
  module ??= new WebAssembly.Module(
    assemble([
      { name: 'adamw', parameters: [...pointers, ...numbers], locals: Array<'v128'>(11).fill('v128'), body: adamw() },
      {
        name: 'sgd',
        parameters: [...Array<'i32'>(4).fill('i32'), ...Array<'f32'>(6).fill('f32')],
        locals: Array<'v128'>(9).fill('v128'),
        body: sgd(),
      },
      {
        name: 'sumOfSquares',
        parameters: ['i32', 'i32', 'i32'],
        result: 'f64',
        locals: Array<'v128'>(10).fill('v128'),
        body: sumOfSquares(),
      },
      { name: 'addScaled', parameters: ['i32', 'i32', 'i32', 'f32'], locals: ['v128'], body: addScaled() },
    ]),
  );
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
