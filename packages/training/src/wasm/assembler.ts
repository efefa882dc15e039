// A small assembler for WebAssembly (https://webassembly.github.io/spec/core/binary): instructions are functions that
// give bytes, in the order and with the names of the text format, so that a kernel reads like its listing.

/** Bytes of code, nested as they were written. */
export type Code = number | readonly Code[];

/** A function to assemble. Parameters and locals are numbered in this order. */
export interface FunctionSource {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result?: ValueType;
  readonly locals?: readonly ValueType[];
  readonly body: Code;
}

export type ValueType = 'i32' | 'f32' | 'f64' | 'v128';
const types: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A whole number in the variable-length form (LEB128) that counts and indices have. */
function unsigned(n: number): number[] {
  const bytes: number[] = [];
  for (; n >= 0x80; n = Math.floor(n / 0x80)) bytes.push((n % 0x80) | 0x80);
  return [...bytes, n];
}
function signed(n: number): number[] {
  const bytes: number[] = [];
  for (; n < -0x40 || n >= 0x40; n >>= 7) bytes.push((n & 0x7f) | 0x80);
  return [...bytes, n & 0x7f];
}
const flat = (code: Code): number[] => (typeof code === 'number' ? [code] : code.flatMap(flat));
const simd = (n: number): Code => [0xfd, unsigned(n)];
// Alignment is a hint: 2^4 bytes.
const at = (offset: number): Code => [4, unsigned(offset)];

type Instructions<Plain extends string, Immediate extends string = never> = Readonly<
  Record<Plain, Code> & Record<Immediate, (n?: number) => Code>
>;

/** A local or parameter by its number. */
export const local: Readonly<Record<'get' | 'set' | 'tee', (i: number) => Code>> = {
  get: (i) => [0x20, unsigned(i)],
  set: (i) => [0x21, unsigned(i)],
  tee: (i) => [0x22, unsigned(i)],
};
export const drop: Code = 0x1a;
export const i32: Instructions<'add' | 'mul' | 'shl' | 'ltU' | 'truncSatF32', 'const' | 'load'> = {
  const: (n = 0) => [0x41, signed(n)],
  load: (offset = 0) => [0x28, 2, unsigned(offset)],
  add: 0x6a,
  mul: 0x6c,
  shl: 0x74,
  ltU: 0x49,
  truncSatF32: [0xfc, 0x00],
};
export const f32: Instructions<'add' | 'sub' | 'mul' | 'min' | 'max', 'load'> = {
  load: (offset = 0) => [0x2a, 2, unsigned(offset)],
  add: 0x92,
  sub: 0x93,
  mul: 0x94,
  min: 0x96,
  max: 0x97,
};
export const f64: Instructions<'add'> = { add: 0xa0 };
/** 16 bytes from or to memory, at an offset from the pointer on the stack. */
export const v128: Instructions<never, 'load' | 'store'> = {
  load: (offset = 0) => [simd(0x00), at(offset)],
  store: (offset = 0) => [simd(0x0b), at(offset)],
};
export const f32x4: Instructions<'splat' | 'sqrt' | 'add' | 'sub' | 'mul' | 'div', 'extractLane'> = {
  extractLane: (lane = 0) => [simd(0x1f), lane],
  splat: simd(0x13),
  sqrt: simd(0xe3),
  add: simd(0xe4),
  sub: simd(0xe5),
  mul: simd(0xe6),
  div: simd(0xe7),
};
/** `promoteLow` widens the lower two of four float32. */
export const f64x2: Instructions<'promoteLow' | 'add' | 'mul', 'extractLane'> = {
  extractLane: (lane = 0) => [simd(0x21), lane],
  promoteLow: simd(0x5f),
  add: simd(0xf0),
  mul: simd(0xf2),
};
/** Puts the upper 8 bytes of a vector (on the stack twice) below. */
export const upperHalf: Code = [simd(0x0d), 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];

/** Runs the body again as long as the number that it leaves on the stack is not 0. */
export const loopWhile = (body: Code): Code => [0x03, 0x40, body, 0x0d, 0, 0x0b];

/** Assembles functions that work on an imported memory, `env.memory`, of any size; one that threads share where asked. */
export function assemble(
  functions: readonly FunctionSource[],
  { shared = false }: { readonly shared?: boolean } = {},
): Uint8Array {
  const list = (items: readonly Code[]): Code => [unsigned(items.length), items];
  const sized = (body: Code): Code => {
    const bytes = flat(body);
    return [unsigned(bytes.length), bytes];
  };
  const text = (s: string): Code => sized([...new TextEncoder().encode(s)]);
  const section = (id: number, items: readonly Code[]): Code => [id, sized(list(items))];
  const limits = shared ? [0x03, unsigned(0), unsigned(2 ** 16)] : [0x00, unsigned(0)]; // any size
  return Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // '\0asm', version 1
      section(
        1,
        functions.map((f) => [0x60, list(f.parameters.map((t) => types[t])), list(f.result ? [types[f.result]] : [])]),
      ),
      section(2, [[text('env'), text('memory'), 0x02, limits]]),
      section(
        3,
        functions.map((_, i) => unsigned(i)),
      ),
      section(
        7,
        functions.map((f, i) => [text(f.name), 0x00, unsigned(i)]),
      ),
      section(
        10,
        functions.map((f) => sized([list((f.locals ?? []).map((t) => [1, types[t]])), f.body, 0x0b])),
      ),
    ]),
  );
}
