// Another size.
import { resize, shortestEdge, type ResizeKernel } from '../images/resize.ts';
import { sides, sizeProblem, type SizeField } from './fields.ts';
import type { TransformKind } from './transform.ts';

/** Resizes: to height and width, or to a shorter side of one size with the other in proportion. */
export interface ResizeTransform {
  readonly type: 'resize';
  readonly size: SizeField;
  /** `bilinear` unless given. */
  readonly kernel?: ResizeKernel;
}

export const resizeTo: TransformKind<ResizeTransform> = {
  fields: ['size', 'kernel'],
  problem: ({ size }) => sizeProblem(size),
  apply: (image, { size, kernel }) =>
    resize(image, typeof size === 'number' ? shortestEdge(image, size) : sides(size), kernel ? { kernel } : {}),
};
