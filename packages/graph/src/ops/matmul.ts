// Matrix products: over stacks of matrices, with either side transposed, and with a bias added.
import { GraphError, apply, float, show, type Op, type Tensor } from '../tensor.ts';
import { broadcast } from './elementwise.ts';
import { sumTo } from './reduce.ts';
import { reshape } from './shape.ts';

interface MatMulOptions {
  /** Read `a` as its transpose. */
  readonly transA?: boolean;
  /** Read `b` as its transpose. */
  readonly transB?: boolean;
  /** Multiplies the product; 1 unless given. */
  readonly alpha?: number;
}

function product(a: Tensor, b: Tensor, o: MatMulOptions): readonly (string | number)[] {
  if (a.rank < 2 || b.rank < 2)
    throw new GraphError(`matmul: ${show(a.shape)} x ${show(b.shape)}: both need two axes or more`);
  const [m, k] = o.transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const [q, n] = o.transB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
  if (k !== q) {
    const mark = (s: string, t?: boolean): string => s + (t ? "'" : '');
    throw new GraphError(
      `matmul: ${mark(show(a.shape), o.transA)} x ${mark(show(b.shape), o.transB)}: inner dims ${k} and ${q} differ`,
    );
  }
  return [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), 'matmul'), m, n];
}

// y = a b;  da = g b',  db = a' g
const MatMul: Op<object> = {
  name: 'MatMul',
  infer: ([a, b]) => [product(a!, b!, {})],
  grad: ([g], [a, b]) => gradients(g!, a!, b!, {}),
};
// The engine's own operator: transposes without moving values, and scales.
const FusedMatMul: Op<MatMulOptions> = {
  name: 'FusedMatMul',
  domain: 'com.microsoft',
  infer: ([a, b], o) => [product(a!, b!, o)],
  onnx: ({ transA, transB, alpha }) => ({ transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: float(alpha ?? 1) }),
  grad: ([g], [a, b], _y, o) => gradients(g!, a!, b!, o),
};

function gradients(
  g: Tensor,
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false, alpha = 1 }: MatMulOptions,
): Tensor[] {
  const da = transA ? matmul(b, g, { transA: transB, transB: true, alpha }) : matmul(g, b, { transB: !transB, alpha });
  let db: Tensor;
  if (!transB && !transA && b.rank === 2 && a.rank > 2) {
    // One weight for a stack of inputs: fold the stack into the rows, so that the sum over it is part of the product.
    const K = b.shape[0]!;
    db = matmul(reshape(a, [-1, K]), reshape(g, [-1, b.shape[1]!]), { transA: true, alpha });
  } else db = transB ? matmul(g, a, { transA: true, transB: transA, alpha }) : matmul(a, g, { transA: !transA, alpha });
  return [sumTo(da, a), sumTo(db, b)];
}

/** Matrix product of the last two axes, broadcasting the others: (…, M, K) x (…, K, N) = (…, M, N). */
export function matmul(a: Tensor, b: Tensor, o: MatMulOptions = {}): Tensor {
  return o.transA || o.transB || (o.alpha ?? 1) !== 1 ? apply(FusedMatMul, [a, b], o) : apply(MatMul, [a, b], {});
}

// y = x w + b on matrices;  dx = g w',  dw = x' g,  db = column sums of g
const Gemm: Op<{ transB: boolean }> = {
  name: 'Gemm',
  infer: ([x, w, b], o) => {
    if (x!.rank !== 2 || w!.rank !== 2)
      throw new GraphError(`gemm: ${show(x!.shape)} x ${show(w!.shape)}: both need two axes`);
    const shape = product(x!, w!, o);
    if (b && String(broadcast(shape, b.shape, 'gemm bias')) !== String(shape))
      throw new GraphError(`gemm: bias ${show(b.shape)} is larger than the product ${show(shape)}`);
    return [shape];
  },
  onnx: ({ transB }) => ({ transB: transB ? 1 : 0 }),
  grad: ([g], [x, w, b], _y, { transB }) => [
    matmul(g!, w!, { transB: !transB }),
    transB ? matmul(g!, x!, { transA: true }) : matmul(x!, g!, { transA: true }),
    ...(b ? [sumTo(g!, b)] : []),
  ],
};
/** x w + b for matrices: (N, K) x (K, M) + (M) = (N, M); `transB` reads w as (M, K). */
export function gemm(
  x: Tensor,
  w: Tensor,
  b?: Tensor | null,
  { transB = false }: { readonly transB?: boolean } = {},
): Tensor {
  return apply(Gemm, b ? [x, w, b] : [x, w], { transB });
}
