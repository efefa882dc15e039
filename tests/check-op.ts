// The check that every operator and brick has to pass: what shape it promised, what value an independent formula gives,
// what its gradient is by finite differences, and that running twice gives the same bits.
import {
  constant,
  gradients,
  input,
  mul,
  sum,
  toOnnx,
  type Data,
  type DType,
  type Shape,
  type Tensor,
} from '../packages/graph/src/index.ts';
import { compile } from '../packages/runtime/src/index.ts';
import type { Nd } from './nd.ts';

/** Fixed values for one input. */
export interface Values {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly dtype: DType;
}
/** How to draw values for one input at any shape. */
export interface Sample {
  readonly shape: readonly number[];
  readonly dtype: DType;
  draw(n: number, random: () => number): Data;
}
/** A shape stands for float32 values that are all different, between -2 and 2, and none of them near 0. */
export type Input = readonly number[] | Sample | Values;

const float32 = (shape: readonly number[], draw: (n: number, random: () => number) => number[]): Sample => ({
  shape,
  dtype: 'float32',
  draw: (n, random) => Float32Array.from(draw(n, random)),
});
function shuffled(n: number, random: () => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
/**
 * Values evenly spread over an interval, in random order, so that none tie. They keep away from the interval's ends,
 * middle and other simple fractions, where functions have their kinks.
 */
export const between = (shape: readonly number[], low: number, high: number): Sample =>
  float32(shape, (n, random) => {
    const offset = 0.28 + 0.14 * random();
    return shuffled(n, random).map((i) => low + ((high - low) * (i + offset)) / n);
  });
/** Few different whole numbers, so that many values tie. */
export const tied = (shape: readonly number[], kinds: number): Sample =>
  float32(shape, (n, random) => Array.from({ length: n }, () => Math.floor(random() * kinds)));
/** int64 values from `low` (0 unless given) up to, not including, `high`. */
export const indices = (shape: readonly number[], high: number, low = 0): Sample => ({
  shape,
  dtype: 'int64',
  draw: (n, random) => BigInt64Array.from({ length: n }, () => BigInt(low + Math.floor(random() * (high - low)))),
});
/** Random truth values. */
export const bools = (shape: readonly number[]): Sample => ({
  shape,
  dtype: 'bool',
  draw: (n, random) => Uint8Array.from({ length: n }, () => (random() < 0.5 ? 1 : 0)),
});
/** Fixed values; float32 unless the array or `dtype` says otherwise. */
export function values(data: readonly number[] | Data, shape?: readonly number[], dtype?: DType): Values {
  const typed = Array.isArray(data) ? Float32Array.from(data) : (data as Data);
  return { data: typed, shape: shape ?? [typed.length], dtype: dtype ?? constant(typed, [typed.length]).dtype };
}

export interface CheckOptions {
  /** The same computation on plain float64 arrays, written independently. Whole numbers and bools arrive as numbers. */
  readonly reference: (...inputs: Nd[]) => Nd | readonly Nd[];
  /** Largest difference from the reference, as a part of the largest value; 2e-6 unless given. */
  readonly tolerance?: number;
  /** Largest difference of a gradient from the reference's, as a part of its largest value; 2e-5 unless given. */
  readonly gradientTolerance?: number;
  /** False where nothing can be differentiated (whole numbers, bools); else every float32 input is. */
  readonly gradient?: boolean;
  /** Inputs (by position) whose gradient is known to be 0 everywhere; any other gradient that is 0 everywhere is an error. */
  readonly flat?: readonly number[];
  /** Inputs (by position) that are given but not differentiated. */
  readonly fixed?: readonly number[];
  /** Names for axes of each input: the graph is traced once with them and must agree with tracing by numbers at two sizes. */
  readonly symbolic?: readonly Shape[];
  /** False where the gradient needs sizes that are known. */
  readonly symbolicGradient?: boolean;
  readonly seed?: number;
}

type Trace = (...inputs: Tensor[]) => Tensor | readonly Tensor[];
type Operator = (...inputs: never[]) => Tensor | readonly Tensor[];
const list = <T extends object>(x: T | readonly T[]): readonly T[] =>
  Array.isArray(x) ? (x as readonly T[]) : [x as T];
const isReal = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64';
const numbers = (data: Data): Float64Array => Float64Array.from(data as Float32Array, Number);
const toNd = (v: Values): Nd => ({ data: numbers(v.data), shape: v.shape });
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += a[i]! * b[i]!;
  return s;
};
const largest = (a: ArrayLike<number>): number => {
  let m = 0;
  for (let i = 0; i < a.length; i++) m = Math.max(m, Math.abs(a[i]!));
  return m;
};

// mulberry32: the tests' own random numbers.
function random(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function draw(spec: Input, shape: readonly number[], r: () => number): Values {
  if (Array.isArray(spec)) return draw(between(spec as number[], -2, 2), shape, r);
  const s = spec as Sample | Values;
  return 'data' in s ? s : { shape, dtype: s.dtype, data: s.draw(size(shape), r) };
}
const shapeOf = (spec: Input): readonly number[] => ('dtype' in spec ? spec.shape : spec);

const fail = (message: string): never => {
  throw new Error(message);
};
function compare(what: string, got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  if (got.length !== wanted.length) fail(`${what}: ${got.length} values, not ${wanted.length}`);
  let finite = 0;
  for (let i = 0; i < wanted.length; i++)
    if (Number.isFinite(wanted[i]!)) finite = Math.max(finite, Math.abs(wanted[i]!));
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (Object.is(a, b) || a === b) continue;
    if (!(Math.abs(a - b) <= tolerance * Math.max(finite, 1e-30)))
      fail(
        `${what}: value ${i} is ${a}, not ${b} (off by ${Math.abs(a - b)}; largest ${finite}, tolerance ${tolerance})`,
      );
  }
}
function sameShape(what: string, inferred: Shape, real: readonly number[], names: ReadonlyMap<string, number>): void {
  const ok =
    inferred.length === real.length &&
    inferred.every((d, i) => (typeof d === 'number' ? d : (names.get(d) ?? real[i])) === real[i]);
  if (!ok) fail(`${what}: promised (${inferred.join(', ')}), came as (${real.join(', ')})`);
}
function sameBits(what: string, a: Data, b: Data): void {
  const [x, y] = [a, b].map((d) => Buffer.from(d.buffer, d.byteOffset, d.byteLength));
  if (!x!.equals(y!)) fail(`${what}: two identical runs differ`);
}

/** A traced graph: outputs y0, y1, …; with `wrt`, also the gradients g0, … of sum(y · w) with weights w0, … as inputs. */
interface Traced {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly y: readonly Tensor[];
}
function trace(fn: Trace, inputs: readonly Tensor[], wrt: readonly Tensor[]): Traced {
  const y = list(fn(...inputs));
  const outputs: Record<string, Tensor> = {};
  y.forEach((t, i) => (outputs[`y${i}`] = t));
  if (wrt.length) {
    const terms = y.flatMap((t, i) => (isReal(t.dtype) ? [sum(mul(t, input(`w${i}`, t.shape)))] : []));
    if (!terms.length) fail('no output can be differentiated: say gradient: false');
    gradients(
      terms.reduce((a, b) => a.add(b)),
      wrt,
    ).forEach((g, i) => (outputs[`g${i}`] = g));
  }
  return { outputs, y };
}

// One thread where there is nothing to share out; large inputs get all of them, as races need.
const threadsFor = (feeds: Readonly<Record<string, Values>>): { threads?: number } =>
  Object.values(feeds).some(({ data }) => data.length > 1000) ? {} : { threads: 1 };

/** Compiles, runs twice, checks that both are the same to the bit and that shapes are what was promised. */
async function run(
  { outputs }: Traced,
  feeds: Readonly<Record<string, Values>>,
  names: ReadonlyMap<string, number> = new Map(),
): Promise<Record<string, Values>> {
  const program = await compile(outputs, threadsFor(feeds));
  try {
    const used = Object.fromEntries(
      program.inputs.map(({ name }) => [name, feeds[name] ?? fail(`no values for the input ${name}`)]),
    );
    const [first, second] = [await program.run(used), await program.run(used)];
    for (const [name, t] of Object.entries(outputs)) {
      const [a, b] = [first[name]!, second[name]!];
      sameShape(name, t.shape, a.shape, names);
      if (a.dtype !== t.dtype) fail(`${name}: promised ${t.dtype}, came as ${a.dtype}`);
      sameBits(name, a.data, b.data);
    }
    return first;
  } finally {
    await program.dispose();
  }
}

// Enough values to difference one by one; with more, one random direction is checked.
const few = 100;

/**
 * Checks one operator, or any function of tensors:
 * the shapes and types that tracing promised are those that the engine gives;
 * values agree with the float64 reference;
 * gradients of sum(y · w), w random, agree with central differences of the reference in float64 (each element, or along a
 * random direction where there are many) and with those of the engine's own forward pass along a random direction;
 * two runs, and the bytes of two traces, are the same;
 * a graph with symbolic axes, where asked for, agrees with one traced by numbers at two sizes.
 */
export async function checkOp(fn: Trace, inputs: readonly Input[], o: CheckOptions): Promise<void>;
/** The same for an operator with options after its tensors, which keep their defaults. */
export async function checkOp(fn: Operator, inputs: readonly Input[], o: CheckOptions): Promise<void>;
export async function checkOp(fn: Trace | Operator, inputs: readonly Input[], o: CheckOptions): Promise<void> {
  const seed = o.seed ?? 1;
  await checkAt(
    fn as Trace,
    inputs.map((spec, i) => draw(spec, shapeOf(spec), random(seed * 1000 + i))),
    o,
  );
  if (o.symbolic) await checkSymbolic(fn as Trace, inputs, o);
}

const nameOf = (i: number): string => `x${i}`;
const symbols = (given: readonly Values[], shapes?: readonly Shape[]): Tensor[] =>
  given.map((v, i) => input(nameOf(i), shapes?.[i] ?? v.shape, v.dtype));
const wrtOf = (o: CheckOptions, given: readonly Values[]): number[] =>
  o.gradient === false ? [] : given.flatMap((v, i) => (v.dtype === 'float32' && !o.fixed?.includes(i) ? [i] : []));
function weights(y: readonly Tensor[], shapes: readonly (readonly number[])[], seed: number): Record<string, Values> {
  const r = random(seed + 77);
  return Object.fromEntries(
    y.map((t, i) => [
      `w${i}`,
      { dtype: t.dtype, shape: shapes[i]!, data: Float32Array.from({ length: size(shapes[i]!) }, () => r() * 2 - 1) },
    ]),
  );
}

async function checkAt(fn: Trace, given: readonly Values[], o: CheckOptions): Promise<void> {
  const wrt = wrtOf(o, given);
  const build = (differentiate: boolean): Traced => {
    const xs = symbols(given);
    return trace(fn, xs, differentiate ? wrt.map((i) => xs[i]!) : []);
  };
  const forward = build(false);
  sameBits('ONNX bytes', toOnnx(forward.outputs), toOnnx(build(false).outputs));
  const feeds: Record<string, Values> = Object.fromEntries(given.map((v, i) => [nameOf(i), v]));
  const wanted = list(o.reference(...given.map(toNd)));
  if (wanted.length !== forward.y.length)
    fail(`the reference gives ${wanted.length} outputs, the operator ${forward.y.length}`);

  const values = await run(forward, feeds);
  const check = (got: Record<string, Values>): void =>
    wanted.forEach((w, i) => {
      const y = got[`y${i}`]!;
      if (String(y.shape) !== String(w.shape))
        fail(`y${i}: (${y.shape.join(', ')}), the reference gives (${w.shape.join(', ')})`);
      compare(`y${i}`, numbers(y.data), w.data, o.tolerance ?? 2e-6);
    });
  check(values);
  if (!wrt.length) return;

  const full = build(true);
  Object.assign(
    feeds,
    weights(
      full.y,
      wanted.map((w) => w.shape),
      o.seed ?? 1,
    ),
  );
  const got = await run(full, feeds);
  check(got);
  const reals = full.y.flatMap((t, i) => (isReal(t.dtype) ? [i] : []));
  const ws = new Map(reals.map((i) => [i, numbers(feeds[`w${i}`]!.data)]));
  const lossOf = (ys: readonly { data: ArrayLike<number> }[]): number =>
    reals.reduce((s, i) => s + dot(ys[i]!.data, ws.get(i)!), 0);
  const referenceLoss = (xs: readonly Nd[]): number => lossOf(list(o.reference(...xs)));
  const r = random((o.seed ?? 1) + 99);
  const program = await compile(forward.outputs, threadsFor(feeds));
  try {
    for (const [k, i] of wrt.entries()) {
      const g = numbers(got[`g${k}`]!.data);
      const x = given[i]!;
      const what = `gradient of input ${i}`;
      if (g.length !== x.data.length) fail(`${what}: ${g.length} values for (${x.shape.join(', ')})`);
      if (largest(g) === 0 && !o.flat?.includes(i))
        fail(`${what} is 0 everywhere: is it connected? Where it must be, say flat: [${i}]`);
      const u = Float64Array.from({ length: g.length }, () => (r() < 0.5 ? -1 : 1));
      againstReference(what, g, given, i, u, referenceLoss, o.gradientTolerance ?? 2e-5);
      const engineLoss = async (moved: Float32Array): Promise<number> => {
        const ys = await program.run(pick({ ...feeds, [nameOf(i)]: { ...x, data: moved } }, program.inputs));
        return lossOf(full.y.map((_, j) => ({ data: ys[`y${j}`]!.data as Float32Array })));
      };
      const size = Math.hypot(...reals.map((j) => Math.hypot(...wanted[j]!.data.map((v, n) => v * ws.get(j)![n]!))));
      await againstEngine(what, g, x.data as Float32Array, u, engineLoss, size);
    }
  } finally {
    await program.dispose();
  }
}
const pick = (feeds: Record<string, Values>, inputs: readonly { name: string }[]): Record<string, Values> =>
  Object.fromEntries(inputs.map(({ name }) => [name, feeds[name]!]));

// Central differences in float64 with step e: the error is e² f'''/6 + 1e-16 f/e, about 1e-9 at e = 1e-4.
function againstReference(
  what: string,
  g: Float64Array,
  given: readonly Values[],
  i: number,
  u: Float64Array,
  loss: (xs: readonly Nd[]) => number,
  tolerance: number,
): void {
  const e = 1e-4;
  const xs = given.map(toNd);
  const moved = (step: (n: number) => number): number =>
    loss(xs.with(i, { ...xs[i]!, data: xs[i]!.data.map((v, n) => v + step(n)) }));
  if (g.length <= few) {
    const wanted = g.map((_, n) => (moved((m) => (m === n ? e : 0)) - moved((m) => (m === n ? -e : 0))) / (2 * e));
    // Differences of a loss that doesn't change at all are rounding noise.
    compare(
      what,
      g,
      wanted.map((v) => (Math.abs(v) < 1e-9 ? 0 : v)),
      tolerance,
    );
    return;
  }
  const wanted = (moved((n) => e * u[n]!) - moved((n) => -e * u[n]!)) / (2 * e);
  const scale = Math.hypot(...g);
  const difference = Math.abs(dot(g, u) - wanted);
  if (!(difference <= 10 * tolerance * scale))
    fail(`${what}: ${dot(g, u)} along a direction, not ${wanted} (off by ${difference / scale} of its length)`);
}

// Central differences in float32 with steps e and 2e, extrapolated: the error is e⁴ f⁽⁵⁾/30, and rounding of about
// 2^-22 |y w| / e, which bounds how small e may be. The true step is the rounded one.
async function againstEngine(
  what: string,
  g: Float64Array,
  x: Float32Array,
  u: Float64Array,
  loss: (moved: Float32Array) => Promise<number>,
  size: number,
): Promise<void> {
  const slope = async (e: number): Promise<[got: number, wanted: number]> => {
    const [up, down] = [e, -e].map((s) => x.map((v, n) => v + s * u[n]!)) as [Float32Array, Float32Array];
    const step = up.map((v, n) => v - down[n]!);
    return [dot(g, step) / (2 * e), ((await loss(up)) - (await loss(down))) / (2 * e)];
  };
  const e = 2 ** -8;
  const [[a, one], [, two]] = [await slope(e), await slope(2 * e)];
  const wanted = (4 * one - two) / 3;
  const bound = 2e-3 * Math.hypot(...g) + (2 ** -20 * size) / e;
  if (!(Math.abs(a - wanted) <= bound))
    fail(`${what}: ${a} along a direction, the engine's own differences give ${wanted} (more than ${bound} apart)`);
}

/** dLoss/dInput of the sum of everything that `fn` returns, for every float32 input: for tests of exact values. */
export async function gradientsOf(fn: Trace, given: readonly Values[]): Promise<number[][]> {
  const xs = symbols(given);
  const wrt = xs.filter((x) => x.dtype === 'float32');
  const loss = list(fn(...xs))
    .map((y) => sum(y))
    .reduce((a, b) => a.add(b));
  const outputs = Object.fromEntries(gradients(loss, wrt).map((g, i) => [`g${i}`, g]));
  const got = await run({ outputs, y: [] }, Object.fromEntries(given.map((v, i) => [nameOf(i), v])));
  return wrt.map((_, i) => Array.from(numbers(got[`g${i}`]!.data), (v) => v + 0)); // + 0 turns -0 into 0
}

async function checkSymbolic(fn: Trace, inputs: readonly Input[], o: CheckOptions): Promise<void> {
  const shapes = o.symbolic!;
  const names = new Map<string, number>();
  inputs.forEach((spec, i) => shapes[i]!.forEach((d, a) => typeof d === 'string' && names.set(d, shapeOf(spec)[a]!)));
  if (!names.size) fail('symbolic: no axis has a name');
  for (const more of [0, 1, 3]) {
    const sizes = new Map([...names].map(([k, n]) => [k, n + more]));
    const given = inputs.map((spec, i) =>
      draw(
        spec,
        shapeOf(spec).map((d, a) => {
          const s = shapes[i]![a]!;
          return typeof s === 'string' ? sizes.get(s)! : d;
        }),
        random(500 + more * 50 + i),
      ),
    );
    const wrt = o.symbolicGradient === false ? [] : wrtOf(o, given);
    const build = (xs: Tensor[]): Traced =>
      trace(
        fn,
        xs,
        wrt.map((i) => xs[i]!),
      );
    const [named, numbered] = [build(symbols(given, shapes)), build(symbols(given))];
    const feeds: Record<string, Values> = Object.fromEntries(given.map((v, i) => [nameOf(i), v]));
    Object.assign(
      feeds,
      weights(
        numbered.y,
        numbered.y.map((t) => t.shape as number[]),
        3,
      ),
    );
    const [a, b] = [await run(named, feeds, sizes), await run(numbered, feeds)];
    for (const key of Object.keys(b))
      compare(`${key} with symbolic axes`, numbers(a[key]!.data), numbers(b[key]!.data), 5e-6);
  }
}
