// Plain float64 arrays for formulas that tests compare the engine with: nothing here is shared with the packages.

/** Values in row-major order. */
export interface Nd {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

/** Calls `f` for every index of a shape, last axis fastest. */
export function eachIndex(shape: readonly number[], f: (index: readonly number[], flat: number) => void): void {
  const index = shape.map(() => 0);
  const n = shape.reduce((a, b) => a * b, 1);
  for (let flat = 0; flat < n; flat++) {
    f(index, flat);
    for (let a = shape.length - 1; a >= 0; a--) {
      index[a]!++;
      if (index[a]! < shape[a]!) break;
      index[a] = 0;
    }
  }
}

/** An array whose value at every index is `f(...index)`. */
export function nd(shape: readonly number[], f: (...index: number[]) => number): Nd {
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  eachIndex(shape, (index, flat) => (data[flat] = f(...index)));
  return { data, shape: [...shape] };
}

/** The value at an index; throws outside. */
export function at(x: Nd, ...index: number[]): number {
  let flat = 0;
  x.shape.forEach((d, a) => {
    const i = index[a]!;
    if (!(i >= 0 && i < d)) throw new Error(`at: [${index.join(', ')}] of (${x.shape.join(', ')})`);
    flat = flat * d + i;
  });
  if (index.length !== x.shape.length) throw new Error(`at: ${index.length} indices for (${x.shape.join(', ')})`);
  return x.data[flat]!;
}

/** The value at an index of a larger shape that `x` is broadcast to, as NumPy does. */
export function broadcastAt(x: Nd, index: readonly number[]): number {
  const extra = index.length - x.shape.length;
  return at(x, ...x.shape.map((d, a) => (d === 1 ? 0 : index[a + extra]!)));
}

/** Applies a function of numbers element by element, broadcasting. */
export const elementwise =
  (f: (...values: number[]) => number) =>
  (...xs: Nd[]): Nd => {
    const rank = Math.max(...xs.map((x) => x.shape.length));
    const shape = Array.from({ length: rank }, (_, a) =>
      xs.reduce((d, x) => {
        const own = x.shape[a - (rank - x.shape.length)] ?? 1;
        return d === 1 ? own : d;
      }, 1),
    );
    return nd(shape, (...index) => f(...xs.map((x) => broadcastAt(x, index))));
  };

/** Reduces one axis: `f` receives the values along it. The axis goes away unless `keep`. */
export function along(x: Nd, axis: number, f: (values: number[]) => number, keep = false): Nd {
  const a = axis < 0 ? axis + x.shape.length : axis;
  const shape = keep ? x.shape.map((d, i) => (i === a ? 1 : d)) : x.shape.filter((_, i) => i !== a);
  return nd(shape, (...index) => {
    const full = keep ? [...index] : [...index.slice(0, a), 0, ...index.slice(a)];
    return f(Array.from({ length: x.shape[a]! }, (_, i) => at(x, ...full.with(a, i))));
  });
}

/** Rewrites every line along an axis. */
export function lines(x: Nd, axis: number, f: (values: number[]) => number[]): Nd {
  const a = axis < 0 ? axis + x.shape.length : axis;
  return nd(
    x.shape,
    (...index) => f(Array.from({ length: x.shape[a]! }, (_, i) => at(x, ...index.with(a, i))))[index[a]!]!,
  );
}

export const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
