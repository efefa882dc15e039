// From images to rows: what stands between convolutions and fully connected layers.
import type { Tensor } from '@brickwork/graph';

/** (N, C, H, W) to (N, C·H·W): all axes but the first become one. */
export class Flatten {
  forward(x: Tensor): Tensor {
    return x.reshape([x.shape[0]!, -1]);
  }
}
