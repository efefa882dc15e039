// The inner loops of training word vectors, eight numbers at a time in WebAssembly, on memory that all threads share.
import { wasm, WebAssembly } from '@brickwork/training';

const { assemble, f32, f32x4, i32, local, loopWhile, v128, drop } = wasm;

/** The kernels. Pointers are byte offsets below 4 GiB; rows have a multiple of 8 float32, and `end` is `a`'s or `row`'s. */
export interface WordKernels {
  /** The sum of products of two rows. */
  dot(a: number, b: number, end: number): number;
  /**
   * One place against several words: `list` to `last` holds the rows' addresses (int32), that of the word that stands there
   * first. For each, g = rate·(label - σ(row·out)), slope += g·out, out += g·row; slope begins at zero. `table` is
   * {@link sigmoidTable}'s. `label` is 1.
   */
  place(
    row: number,
    end: number,
    slope: number,
    list: number,
    last: number,
    table: number,
    rate: number,
    label: number,
    reach: number,
    cells: number,
  ): void;
  /** row += x·scale. */
  addScaled(row: number, x: number, end: number, scale: number): void;
  /** AdaGrad on both rows of a pair, as GloVe's: the gradients are d·b and d·a, their squares are kept in the third and fourth. */
  pair(a: number, b: number, squaresA: number, squaresB: number, end: number, d: number): void;
}

const get = local.get;
const on = (pointer: number, bytes: number): wasm.Code => [get(pointer), i32.const(bytes), i32.add, local.tee(pointer)];
const spread = (from: number, to: number): wasm.Code => [get(from), f32x4.splat, local.set(to)];

function dot(): wasm.Code {
  const [A, B, END, low, high] = [0, 1, 2, 3, 4];
  const part = (sum: number, offset: number): wasm.Code => [
    [get(sum), get(A), v128.load(offset), get(B), v128.load(offset), f32x4.mul, f32x4.add, local.set(sum)],
  ];
  return [
    loopWhile([part(low, 0), part(high, 16), on(B, 32), drop, on(A, 32), get(END), i32.ltU]),
    [get(low), get(high), f32x4.add, local.set(low)],
    [0, 1, 2, 3].map((lane) => [get(low), f32x4.extractLane(lane), lane ? f32.add : []]),
  ];
}

// σ in cells of 1 / 256 from -8 to 8.
const [reach, cells] = [8, 256];

/** σ at the middle of each cell; beyond both ends it is as good as 0 and 1. */
export const sigmoidTable = (): Float32Array =>
  Float32Array.from({ length: 2 * reach * cells }, (_, i) => 1 / (1 + Math.exp(reach - (i + 0.5) / cells)));

/** The last two numbers of {@link WordKernels.place}. */
export const sigmoidCells: { readonly reach: number; readonly cells: number } = {
  reach: reach - 1 / (2 * cells),
  cells,
};

function place(): wasm.Code {
  const [ROW, END, SLOPE, LIST, LAST, TABLE, RATE, LABEL, REACH, CELLS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const [at, out, to, zero, x, low, high, g, old] = [10, 11, 12, 13, 14, 15, 16, 17, 18];
  const part = (sum: number, offset: number): wasm.Code => [
    [get(sum), get(at), v128.load(offset), get(out), v128.load(offset), f32x4.mul, f32x4.add, local.set(sum)],
  ];
  const update = (offset: number): wasm.Code => [
    [get(to), get(to), v128.load(offset), get(out), v128.load(offset), local.tee(old)],
    [get(g), f32x4.mul, f32x4.add, v128.store(offset)],
    [get(out), get(old), get(at), v128.load(offset), get(g), f32x4.mul, f32x4.add, v128.store(offset)],
  ];
  const begin = [get(ROW), local.set(at), get(LIST), i32.load(), local.set(out)];
  return [
    [get(ROW), local.set(at), get(SLOPE), local.set(to)],
    loopWhile([
      [get(to), get(zero), f32x4.splat, local.tee(low), v128.store(), get(to), get(low), v128.store(16)],
      [on(to, 32), drop, on(at, 32), get(END), i32.ltU],
    ]),
    loopWhile([
      [begin, get(zero), f32x4.splat, local.tee(low), local.set(high)],
      loopWhile([part(low, 0), part(high, 16), on(out, 32), drop, on(at, 32), get(END), i32.ltU]),
      [get(low), get(high), f32x4.add, local.set(low)],
      [0, 1, 2, 3].map((lane) => [get(low), f32x4.extractLane(lane), lane ? f32.add : []]),
      // The cell of x, held between both ends.
      [get(REACH), f32.min, get(zero), get(REACH), f32.sub, f32.max, get(REACH), f32.add, get(CELLS), f32.mul],
      [i32.truncSatF32, i32.const(2), i32.shl, get(TABLE), i32.add, f32.load(), local.set(x)],
      [get(LABEL), get(x), f32.sub, get(RATE), f32.mul, f32x4.splat, local.set(g)],
      [begin, get(SLOPE), local.set(to)],
      loopWhile([update(0), update(16), on(out, 32), drop, on(to, 32), drop, on(at, 32), get(END), i32.ltU]),
      [get(zero), local.set(LABEL)],
      [on(LIST, 4), get(LAST), i32.ltU],
    ]),
  ];
}

function addScaled(): wasm.Code {
  const [ROW, X, END, scale] = [0, 1, 2, 4];
  return [
    spread(3, scale),
    loopWhile([
      [get(ROW), get(ROW), v128.load(), get(X), v128.load(), get(scale), f32x4.mul, f32x4.add, v128.store()],
      [on(X, 16), drop, on(ROW, 16), get(END), i32.ltU],
    ]),
  ];
}

function pair(): wasm.Code {
  const [A, B, SA, SB, END, d, x, y] = [0, 1, 2, 3, 4, 6, 7, 8];
  // row -= slope / √squares; squares += slope².
  const step = (row: number, squares: number, slope: number): wasm.Code => [
    [
      get(row),
      get(row),
      v128.load(),
      get(slope),
      get(squares),
      v128.load(),
      f32x4.sqrt,
      f32x4.div,
      f32x4.sub,
      v128.store(),
    ],
    [get(squares), get(squares), v128.load(), get(slope), get(slope), f32x4.mul, f32x4.add, v128.store()],
  ];
  return [
    spread(5, d),
    loopWhile([
      [get(d), get(B), v128.load(), f32x4.mul, local.set(x)],
      [get(d), get(A), v128.load(), f32x4.mul, local.set(y)],
      step(A, SA, x),
      step(B, SB, y),
      [B, SA, SB].map((p) => [on(p, 16), drop]),
      [on(A, 16), get(END), i32.ltU],
    ]),
  ];
}

/** The kernels as a module that threads can be sent. */
export function wordModule(): object {
  const pointers = (n: number): wasm.ValueType[] => Array<'i32'>(n).fill('i32');
  const vectors = (n: number): wasm.ValueType[] => Array<'v128'>(n).fill('v128');
  return new WebAssembly.Module(
    assemble(
      [
        { name: 'dot', parameters: pointers(3), result: 'f32', locals: vectors(2), body: dot() },
        {
          name: 'place',
          parameters: [...pointers(6), 'f32', 'f32', 'f32', 'f32'],
          locals: ['i32', 'i32', 'i32', 'f32', 'f32', ...vectors(4)],
          body: place(),
        },
        { name: 'addScaled', parameters: [...pointers(3), 'f32'], locals: vectors(1), body: addScaled() },
        { name: 'pair', parameters: [...pointers(5), 'f32'], locals: vectors(3), body: pair() },
      ],
      { shared: true },
    ),
  );
}
