// Writes a graph as an ONNX model (https://onnx.ai): nodes in the order in which they can run, equal constants once.
import { create, toBinary } from '@bufbuild/protobuf';
import { onnxType } from '../ops/cast.ts';
import { topologicalOrder } from '../order.ts';
import { absent, show, type Attribute, type Data, type Tensor } from '../tensor.ts';
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.ts';

/** How a model is written. */
export interface OnnxOptions {
  /** Version of the standard operators; 20 unless given, 17 at least. */
  readonly opset?: number;
  /** Name of the graph. */
  readonly name?: string;
  /** Entries of the model's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const types = { float: 1, int: 2, string: 3, ints: 7 };
function attribute(name: string, value: Attribute): AttributeProto {
  const own =
    typeof value === 'number'
      ? { i: BigInt(value), type: types.int }
      : typeof value === 'string'
        ? { s: new TextEncoder().encode(value), type: types.string }
        : 'float' in value
          ? { f: value.float, type: types.float }
          : { ints: value.map(BigInt), type: types.ints };
  return create(AttributeProtoSchema, { name, ...own });
}

function valueInfo(name: string, { shape, dtype }: Tensor): ValueInfoProto {
  const dim = shape.map((d) => ({
    value:
      typeof d === 'number' ? { case: 'dimValue' as const, value: BigInt(d) } : { case: 'dimParam' as const, value: d },
  }));
  const tensorType = { elemType: onnxType[dtype], shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value: tensorType } } });
}

const bytesOf = (data: Data): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

// Constants of equal type, shape and bytes share one initialiser: found by a hash, confirmed byte by byte.
class Constants {
  readonly #byHash = new Map<string, { tensor: Tensor; name: string }[]>();
  readonly all: TensorProto[] = [];
  name(tensor: Tensor): string {
    const bytes = bytesOf(tensor.data!);
    let hash = 0x811c9dc5;
    for (const b of bytes) hash = Math.imul(hash ^ b, 0x01000193);
    const key = `${tensor.dtype}${show(tensor.shape)}${hash}`;
    const same = this.#byHash.get(key) ?? [];
    const found = same.find((c) => Buffer.compare(bytesOf(c.tensor.data!), bytes) === 0);
    if (found) return found.name;
    const name = `constant_${this.all.length}`;
    this.#byHash.set(key, [...same, { tensor, name }]);
    const dims = tensor.shape.map((d) => BigInt(d));
    this.all.push(create(TensorProtoSchema, { name, dims, dataType: onnxType[tensor.dtype], rawData: bytes }));
    return name;
  }
}

/**
 * The ONNX model that computes the named outputs. Nodes that no output needs are left out; the same program gives the
 * same bytes.
 *
 * @throws where an input has no name, or two inputs share one.
 */
export function toOnnx(outputs: Readonly<Record<string, Tensor>>, o: OnnxOptions = {}): Uint8Array {
  const { opset = 20, name = 'brickwork', metadata = {} } = o;
  if (!(Number.isInteger(opset) && opset >= 17)) throw new Error(`toOnnx: opset ${opset}; needs 17 or later`);
  const names = new Map<Tensor, string>([[absent, '']]);
  const inputs = new Map<string, Tensor>();
  const constants = new Constants();
  const nodes: NodeProto[] = [];
  const domains = new Set<string>();
  const used = new Set(Object.keys(outputs));
  let counter = 0;
  // A result takes its output's name, so that no copy of it is made, unless it has taken another's.
  const wanted = new Map<Tensor, string>();
  const source = (x: Tensor): Tensor => (x.node?.op.name === 'Alias' ? source(x.node.inputs[0]!) : x);
  for (const [key, x] of Object.entries(outputs))
    if (source(x).node && !wanted.has(source(x))) wanted.set(source(x), key);

  const nameOf = (tensor: Tensor): string => {
    const x = source(tensor);
    const known = names.get(x);
    if (known !== undefined) return known;
    let own: string;
    if (x.data) own = constants.name(x);
    else if (x.node) {
      own = wanted.get(x) ?? `${x.node.op.name.toLowerCase()}_${counter++}`;
      while (!wanted.has(x) && used.has(own)) own = `${x.node.op.name.toLowerCase()}_${counter++}`;
    } else {
      if (x.name === null)
        throw new Error(`toOnnx: an input ${show(x.shape)} has no name; call parameters(model) first`);
      if (inputs.has(x.name)) throw new Error(`toOnnx: two inputs are called ${x.name}`);
      if (used.has(x.name)) throw new Error(`toOnnx: an input and an output are both called ${x.name}`);
      inputs.set((own = x.name), x);
      used.add(own);
    }
    names.set(x, own);
    return own;
  };
  // Inputs first, so that no inner value takes one of their names.
  const order = topologicalOrder(Object.values(outputs)).filter((n) => n.op.name !== 'Alias');
  for (const x of [...order.flatMap((n) => n.inputs), ...Object.values(outputs)].map(source))
    if (!x.node && !x.data) nameOf(x);

  for (const { op, inputs: xs, outputs: ys, attrs } of order) {
    const input = xs.map(nameOf);
    const output = ys.map(nameOf);
    const attributes = Object.entries(op.onnx?.(attrs as never) ?? {}).map(([k, v]) => attribute(k, v));
    if (op.domain) domains.add(op.domain);
    nodes.push(
      create(NodeProtoSchema, { input, output, opType: op.name, domain: op.domain ?? '', attribute: attributes }),
    );
  }
  const results = Object.entries(outputs).map(([key, x]) => {
    const own = nameOf(x);
    if (own !== key) nodes.push(create(NodeProtoSchema, { input: [own], output: [key], opType: 'Identity' }));
    return valueInfo(key, x);
  });
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: 'brickwork',
    opsetImport: [{ domain: '', version: BigInt(opset) }, ...[...domains].map((domain) => ({ domain, version: 1n }))],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name,
      node: nodes,
      initializer: constants.all,
      input: [...inputs].map(([k, x]) => valueInfo(k, x)),
      output: results,
    },
  });
  return toBinary(ModelProtoSchema, model);
}
