// The operators that read best as methods: `x.matmul(w).add(b)`.
import { Tensor, type DType, type Shape } from './tensor.ts';
import { cast } from './ops/cast.ts';
import { add, div, mul, neg, sqrt, sub, type Operand } from './ops/elementwise.ts';
import { matmul } from './ops/matmul.ts';
import { mean, sum } from './ops/reduce.ts';
import { permute, reshape, transpose } from './ops/shape.ts';

declare module './tensor.ts' {
  interface Tensor {
    /** This plus `b`, broadcasting. */
    add(b: Operand): Tensor;
    /** This minus `b`, broadcasting. */
    sub(b: Operand): Tensor;
    /** This times `b` element by element, broadcasting. */
    mul(b: Operand): Tensor;
    /** This over `b`, broadcasting. */
    div(b: Operand): Tensor;
    /** The negative. */
    neg(): Tensor;
    /** The square root. */
    sqrt(): Tensor;
    /** Matrix product of the last two axes. */
    matmul(b: Tensor): Tensor;
    /** Sum over axes, all unless given. */
    sum(axes?: readonly number[], keep?: boolean): Tensor;
    /** Mean over axes, all unless given. */
    mean(axes?: readonly number[], keep?: boolean): Tensor;
    /** The same values in another shape; one axis may be -1. */
    reshape(to: Shape): Tensor;
    /** Reordered axes. */
    permute(perm: readonly number[]): Tensor;
    /** Two axes swapped, the last two unless given. */
    transpose(a?: number, b?: number): Tensor;
    /** Another element type. */
    cast(to: DType): Tensor;
  }
}

const methods = { add, sub, mul, div, neg, sqrt, matmul, sum, mean, reshape, permute, transpose, cast };
for (const [name, f] of Object.entries(methods) as [string, (x: Tensor, ...rest: never[]) => Tensor][])
  Object.defineProperty(Tensor.prototype, name, {
    value: function (this: Tensor, ...rest: never[]): Tensor {
      return f(this, ...rest);
    },
  });
