// Arithmetic on every element, with NumPy's broadcasting: each gradient sums over the axes that were broadcast.
import {
  GraphError,
  apply,
  float,
  scalar,
  show,
  type Attribute,
  type Dim,
  type Op,
  type Shape,
  type Tensor,
} from '../tensor.ts';
import { cast } from './cast.ts';
import { sumTo } from './reduce.ts';

/** A tensor, or a number that becomes a float32 scalar. */
export type Operand = Tensor | number;
const tensor = (x: Operand): Tensor => (typeof x === 'number' ? scalar(x) : x);

/** The shape two operands broadcast to, or an error that names both. */
export function broadcast(a: Shape, b: Shape, what: string): Shape {
  const n = Math.max(a.length, b.length);
  return Array.from({ length: n }, (_, i): Dim => {
    const x = a[a.length - n + i] ?? 1;
    const y = b[b.length - n + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new GraphError(`${what}: cannot broadcast ${show(a)} with ${show(b)}: axis ${i - n} is ${x} and ${y}`);
    return x === 1 ? y : x;
  });
}

type BinaryGrad = (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => [Tensor | null, Tensor | null];
const sameType = (what: string, a: Tensor, b: Tensor): void => {
  if (a.dtype !== b.dtype)
    throw new GraphError(`${what}: ${a.dtype} ${show(a.shape)} with ${b.dtype} ${show(b.shape)}; cast one of them`);
};
function binary(name: string, grad: BinaryGrad): Op<object> {
  const what = name.toLowerCase();
  return {
    name,
    infer: ([a, b]) => {
      sameType(what, a!, b!);
      return [broadcast(a!.shape, b!.shape, what)];
    },
    grad: ([g], [a, b], [y]) => {
      const [da, db] = grad(g!, a!, b!, y!);
      return [da && sumTo(da, a!), db && sumTo(db, b!)];
    },
  };
}
const Add = binary('Add', (g) => [g, g]);
const Sub = binary('Sub', (g) => [g, neg(g)]);
const Mul = binary('Mul', (g, a, b) => [mul(g, b), mul(g, a)]);
const Div = binary('Div', (g, _a, b, y) => [div(g, b), neg(div(mul(g, y), b))]);
// d(a^b)/da = b a^(b-1); d(a^b)/db = a^b log a
const Pow = binary('Pow', (g, a, b, y) => [mul(g, mul(b, pow(a, sub(b, 1)))), mul(g, mul(y, log(a)))]);
// Where both operands tie, each takes half of the gradient.
const share = (g: Tensor, a: Tensor, b: Tensor, wins: Tensor): Tensor =>
  mul(g, add(cast(wins, 'float32'), mul(cast(equal(a, b), 'float32'), 0.5)));
const Max = binary('Max', (g, a, b) => [share(g, a, b, greater(a, b)), share(g, a, b, less(a, b))]);
const Min = binary('Min', (g, a, b) => [share(g, a, b, less(a, b)), share(g, a, b, greater(a, b))]);

/** a + b. */
export const add = (a: Operand, b: Operand): Tensor => apply(Add, [tensor(a), tensor(b)], {});
/** a - b. */
export const sub = (a: Operand, b: Operand): Tensor => apply(Sub, [tensor(a), tensor(b)], {});
/** a * b, element by element. */
export const mul = (a: Operand, b: Operand): Tensor => apply(Mul, [tensor(a), tensor(b)], {});
/** a / b. */
export const div = (a: Operand, b: Operand): Tensor => apply(Div, [tensor(a), tensor(b)], {});
/** a to the power b. */
export const pow = (a: Operand, b: Operand): Tensor => apply(Pow, [tensor(a), tensor(b)], {});
/** The larger of a and b; ties share the gradient. */
export const maximum = (a: Operand, b: Operand): Tensor => apply(Max, [tensor(a), tensor(b)], {});
/** The smaller of a and b; ties share the gradient. */
export const minimum = (a: Operand, b: Operand): Tensor => apply(Min, [tensor(a), tensor(b)], {});

const compare = (name: string): Op<object> => ({
  name,
  infer: ([a, b]) => {
    sameType(name.toLowerCase(), a!, b!);
    return [{ shape: broadcast(a!.shape, b!.shape, name.toLowerCase()), dtype: 'bool' }];
  },
  grad: () => [null, null],
});
const Equal = compare('Equal');
const Greater = compare('Greater');
const Less = compare('Less');
const And = compare('And');
const Or = compare('Or');
/** a = b, as bool. */
export const equal = (a: Operand, b: Operand): Tensor => apply(Equal, [tensor(a), tensor(b)], {});
/** a > b, as bool. */
export const greater = (a: Operand, b: Operand): Tensor => apply(Greater, [tensor(a), tensor(b)], {});
/** a < b, as bool. */
export const less = (a: Operand, b: Operand): Tensor => apply(Less, [tensor(a), tensor(b)], {});
/** a and b, both bool. */
export const and = (a: Tensor, b: Tensor): Tensor => apply(And, [a, b], {});
/** a or b, both bool. */
export const or = (a: Tensor, b: Tensor): Tensor => apply(Or, [a, b], {});

const Where: Op<object> = {
  name: 'Where',
  infer: ([c, a, b]) => {
    if (c!.dtype !== 'bool') throw new GraphError(`where: the condition is ${c!.dtype}, not bool`);
    sameType('where', a!, b!);
    return [{ shape: broadcast(c!.shape, broadcast(a!.shape, b!.shape, 'where'), 'where'), dtype: a!.dtype }];
  },
  grad: ([g], [c, a, b]) => [null, sumTo(where(c!, g!, 0), a!), sumTo(where(c!, 0, g!), b!)],
};
/** a where the bool condition holds, b elsewhere. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor =>
  apply(Where, [condition, tensor(a), tensor(b)], {});

function unary<A = object>(
  name: string,
  grad: Op<A>['grad'] | null,
  onnx?: (attrs: A) => Record<string, Attribute>,
): Op<A> {
  return { name, infer: ([x]) => [x!.shape], ...(grad ? { grad } : {}), ...(onnx ? { onnx } : {}) };
}
const Neg = unary('Neg', ([g]) => [neg(g!)]);
const Exp = unary('Exp', ([g], _x, [y]) => [mul(g!, y!)]);
const Log = unary('Log', ([g], [x]) => [div(g!, x!)]);
const Sqrt = unary('Sqrt', ([g], _x, [y]) => [div(mul(g!, 0.5), y!)]);
const Reciprocal = unary('Reciprocal', ([g], _x, [y]) => [neg(mul(g!, mul(y!, y!)))]);
const Abs = unary('Abs', ([g], [x]) => [mul(g!, sign(x!))]);
const Sign = unary('Sign', () => [null]);
const Floor = unary('Floor', () => [null]);
const Sin = unary('Sin', ([g], [x]) => [mul(g!, cos(x!))]);
const Cos = unary('Cos', ([g], [x]) => [neg(mul(g!, sin(x!)))]);
const Tanh = unary('Tanh', ([g], _x, [y]) => [mul(g!, sub(1, mul(y!, y!)))]);
const Sigmoid = unary('Sigmoid', ([g], _x, [y]) => [mul(g!, mul(y!, sub(1, y!)))]);
const Softplus = unary('Softplus', ([g], [x]) => [mul(g!, sigmoid(x!))]);
const Erf = unary('Erf', ([g], [x]) => [mul(g!, mul(exp(neg(mul(x!, x!))), 2 / Math.sqrt(Math.PI)))]);
// The engine compares and converts three times as fast as it takes signs.
const Relu = unary('Relu', ([g], _x, [y]) => [mul(g!, cast(greater(y!, 0), y!.dtype))]);
const LeakyRelu = unary<{ slope: number }>(
  'LeakyRelu',
  ([g], [x], _y, { slope }) => [where(greater(x!, 0), g!, mul(g!, slope))],
  ({ slope }) => ({ alpha: float(slope) }),
);
const Clip = {
  ...unary('Clip', null),
  grad: ([g], [x, low, high]) => [where(and(greater(x!, low!), less(x!, high!)), g!, 0), null, null],
} as Op<object>;
const Not: Op<object> = { name: 'Not', infer: ([x]) => [x!.shape], grad: () => [null] };

/** -x. */
export const neg = (x: Tensor): Tensor => apply(Neg, [x], {});
/** e to the x. */
export const exp = (x: Tensor): Tensor => apply(Exp, [x], {});
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => apply(Log, [x], {});
/** Square root. */
export const sqrt = (x: Tensor): Tensor => apply(Sqrt, [x], {});
/** 1 / x. */
export const reciprocal = (x: Tensor): Tensor => apply(Reciprocal, [x], {});
/** |x|; the gradient at 0 is 0. */
export const abs = (x: Tensor): Tensor => apply(Abs, [x], {});
/** -1, 0 or 1. */
export const sign = (x: Tensor): Tensor => apply(Sign, [x], {});
/** The largest whole number not above x. */
export const floor = (x: Tensor): Tensor => apply(Floor, [x], {});
/** Sine of x radians. */
export const sin = (x: Tensor): Tensor => apply(Sin, [x], {});
/** Cosine of x radians. */
export const cos = (x: Tensor): Tensor => apply(Cos, [x], {});
/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => apply(Tanh, [x], {});
/** Logistic function 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => apply(Sigmoid, [x], {});
/** log(1 + e^x), without overflow. */
export const softplus = (x: Tensor): Tensor => apply(Softplus, [x], {});
/** Gauss error function. */
export const erf = (x: Tensor): Tensor => apply(Erf, [x], {});
/** max(x, 0); the gradient at 0 is 0. */
export const relu = (x: Tensor): Tensor => apply(Relu, [x], {});
/** x above 0, `slope` * x below (Maas et al., 2013). */
export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => apply(LeakyRelu, [x], { slope });
/** x held between `low` and `high`; no gradient outside. */
export const clip = (x: Tensor, low: number, high: number): Tensor => apply(Clip, [x, scalar(low), scalar(high)], {});
/** The opposite of a bool. */
export const not = (x: Tensor): Tensor => apply(Not, [x], {});
