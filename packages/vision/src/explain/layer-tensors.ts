// The layers of a traced image network by name, found in its graph: so that any of them can be looked at, whoever wrote it.
import { topologicalOrder, type Node, type Tensor } from '@brickwork/graph';
import { Parameter } from '@brickwork/nn';

const suffixes: Readonly<Record<string, string>> = { Relu: 'relu', MaxPool: 'pool', AveragePool: 'pool' };

/**
 * The tensors (B, C, H, W) of a graph that have names: the result of each convolution, called as its weight is
 * (`features.0`, `layer1.0.conv2`), and what ReLU and pooling make of it (`features.0.relu`, `features.0.pool`). Behind a sum
 * it is the first term's name: that of the branch, not of the shortcut.
 *
 * @param end what the network gives; a parameter's name is known once `parameters` has walked the network.
 */
export function layerTensors(end: Tensor): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  const names = new Map<Node, string>();
  const put = (wanted: string, x: Tensor): void => {
    // A layer that is used twice has two results.
    let name = wanted;
    for (let i = 2; found.has(name); i++) name = `${wanted}.${i}`;
    found.set(name, x);
  };
  for (const node of topologicalOrder([end])) {
    const [x, weight] = node.inputs;
    const [y] = node.outputs;
    if (!y || y.rank !== 4) continue;
    if (node.op.name === 'Conv' && weight instanceof Parameter && weight.name !== null) {
      const name = weight.name.replace(/\.weight$/, '');
      names.set(node, name);
      put(name, y);
      continue;
    }
    const before = x?.node ? names.get(x.node) : undefined;
    if (before === undefined) continue;
    names.set(node, before);
    const suffix = suffixes[node.op.name];
    if (suffix !== undefined) put(`${before}.${suffix}`, y);
  }
  return found;
}
