// Local response normalisation (Krizhevsky et al., 2012, section 3.3): channels next to each other compete.
import { localResponseNorm, type Tensor } from '@brickwork/graph';

/** The constants; torch.nn.LocalResponseNorm's unless given. */
export interface LocalResponseNormOptions {
  /** 1e-4 unless given; times the mean of the squares, so 5 times the paper's for a size of 5. */
  readonly alpha?: number;
  /** 0.75 unless given. */
  readonly beta?: number;
  /** 1 unless given; the paper's is 2. */
  readonly bias?: number;
}

/** x / (bias + alpha · mean of x² over `size` channels around)^beta, as a brick. The size is odd. */
export class LocalResponseNorm {
  readonly size: number;
  readonly options: LocalResponseNormOptions;
  constructor(size: number, options: LocalResponseNormOptions = {}) {
    this.size = size;
    this.options = options;
  }
  forward(x: Tensor): Tensor {
    return localResponseNorm(x, this.size, this.options);
  }
}
