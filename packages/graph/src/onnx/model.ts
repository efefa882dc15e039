// The ONNX model (https://onnx.ai) of a graph: nodes in the order in which they can run, equal constants once.
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { onnxType } from '../ops/cast.ts';
import type { Node, Tensor } from '../tensor.ts';
import { attribute } from './attributes.ts';
import { OnnxError } from './error.ts';
import { imported, originOf, type OnnxFile } from './imported.ts';
import { Names, bytesOf, source, type NamedConstant } from './names.ts';
import {
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type FunctionProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.ts';
import { renamed } from './subgraph.ts';
import type { OnnxOptions } from './write.ts';

/** Where a constant lies in a file beside the model. */
export interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Protocol buffers, and so models in one piece, end at 2 GiB. */
export const largestModel: number = 2 ** 31 - 1;

/** Says that a model doesn't fit one file. */
export const tooLarge = (bytes: number): OnnxError =>
  new OnnxError(`toOnnx: the model has ${bytes} bytes, more than the 2 GiB of one ONNX file; write it with writeOnnx`);

/** Names every value that will be written. */
export function nameAll(outputs: Readonly<Record<string, Tensor>>, o: OnnxOptions): Names {
  if (!Object.keys(outputs).length) throw new OnnxError('toOnnx: there are no outputs; a model needs one at least');
  return new Names('toOnnx', outputs, o.inputs);
}

/** The bytes of the model, with the constants of `places` left in other files. */
export function encode(
  outputs: Readonly<Record<string, Tensor>>,
  names: Names,
  o: OnnxOptions,
  places: ReadonlyMap<string, Place>,
): Uint8Array {
  const { name = 'brickwork', metadata = {} } = o;
  const files = [...new Set(names.nodes.flatMap((n) => imported(n)?.file ?? []))];
  const opset = opsetOf(names.nodes, files, o.opset);
  const domains = new Map<string, number>([['', opset]]);
  const need = (domain: string, version: number): void => {
    const before = domains.get(domain) ?? version;
    if (before !== version)
      throw new OnnxError(`toOnnx: the graph needs versions ${before} and ${version} of ${domain}`);
    domains.set(domain, version);
  };
  const nodes = names.nodes.map((node): NodeProto => {
    const read = imported(node);
    if (read) for (const [domain, version] of read.file.opsets) need(domain, version);
    else if (node.op.domain) need(node.op.domain, 1);
    return read ? importedProto(node, names) : nodeProto(node, names, opset);
  });
  const results = Object.entries(outputs).map(([key, x]) => {
    const own = names.of(x);
    if (own !== key)
      nodes.push(create(NodeProtoSchema, { name: key, input: [own], output: [key], opType: 'Identity' }));
    return valueInfo(key, x);
  });
  const model = create(ModelProtoSchema, {
    irVersion: files.reduce((v, f) => (f.irVersion > v ? f.irVersion : v), 10n),
    producerName: 'brickwork',
    opsetImport: [...domains].map(([domain, version]) => ({ domain, version: BigInt(version) })),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name,
      node: nodes,
      initializer: names.constants.map((c) => initializer(c, places.get(c.name))),
      input: [...names.inputs].map(([k, x]) => valueInfo(k, x)),
      output: results,
    },
    functions: functionsOf(files),
  });
  const bytes = toBinary(ModelProtoSchema, model);
  if (bytes.length > largestModel) throw tooLarge(bytes.length);
  return bytes;
}

// Operators of this package that came after opset 17.
const since: Readonly<Record<string, number>> = { BitwiseAnd: 18, BitwiseOr: 18, BitwiseXor: 18, BitwiseNot: 18 };

function opsetOf(nodes: readonly Node[], files: readonly OnnxFile[], asked: number | undefined): number {
  if (asked !== undefined && !Number.isInteger(asked))
    throw new OnnxError(`toOnnx: opset ${asked}; needs a whole number`);
  const versions = [...new Set(files.flatMap((f) => f.opsets.get('') ?? []))];
  if (versions.length > 1) throw new OnnxError(`toOnnx: the graph joins files of opsets ${versions.join(' and ')}`);
  const opset = versions[0] ?? asked ?? 20;
  if (asked !== undefined && asked !== opset)
    throw new OnnxError(`toOnnx: opset ${asked}, but the graph has nodes from a file of opset ${opset}; leave it out`);
  for (const node of nodes) {
    if (imported(node) || node.op.domain) continue;
    const least = since[node.op.name] ?? 17;
    if (opset < least) throw new OnnxError(`toOnnx: opset ${opset}, but ${node.op.name} needs ${least} or later`);
  }
  if (!versions.length && opset < 17) throw new OnnxError(`toOnnx: opset ${opset}; needs 17 or later`);
  return opset;
}

function nodeProto(node: Node, names: Names, opset: number): NodeProto {
  const { op } = node;
  const attributes = [...attributesOf(node)];
  let inputs = node.inputs;
  // Before opset 18 these took their axes as an attribute.
  const axes = inputs[1]?.data;
  if (opset < 18 && (op.name === 'ReduceMax' || op.name === 'ReduceMin') && axes) {
    attributes.push(attribute(op.name, 'axes', [...axes].map(Number)));
    inputs = inputs.slice(0, 1);
  }
  return create(NodeProtoSchema, {
    name: names.of(node.outputs[0]!),
    input: trimmed(inputs.map((x) => names.of(x))),
    output: node.outputs.map((x) => names.of(x)),
    opType: op.name,
    domain: op.domain ?? '',
    attribute: attributes,
  });
}

function importedProto(node: Node, names: Names): NodeProto {
  const { domain, overload, captured, attributes } = imported(node)!;
  const own = node.inputs.length - captured.length;
  const outer = new Map(captured.map((name, i) => [name, names.of(node.inputs[own + i]!)]));
  return create(NodeProtoSchema, {
    name: names.of(node.outputs.find((y) => names.of(y)) ?? node.outputs[0]!),
    input: trimmed(node.inputs.slice(0, own).map((x) => names.of(x))),
    output: node.outputs.map((x) => names.of(x)),
    opType: node.op.name,
    domain,
    overload,
    attribute: renamed(
      attributes,
      (name) => outer.get(name)!,
      (name) => names.fresh(name),
    ),
  });
}

/** A node's attributes as its file or its operator gives them. */
export function attributesOf(node: Node): readonly AttributeProto[] {
  const { op, attrs } = node;
  const read = imported(node);
  if (read) return read.attributes;
  const given = Object.entries(op.onnx?.(attrs as never) ?? {});
  return given.map(([name, value]) => attribute(op.name, name, value));
}

// Inputs left out at the end need no place.
function trimmed(inputs: string[]): string[] {
  let n = inputs.length;
  while (n && !inputs[n - 1]) n--;
  return inputs.slice(0, n);
}

function functionsOf(files: readonly OnnxFile[]): FunctionProto[] {
  const found = new Map<string, FunctionProto>();
  for (const f of files.flatMap((x) => x.functions)) {
    const key = JSON.stringify([f.domain, f.name, f.overload]);
    if (found.has(key)) throw new OnnxError(`toOnnx: the graph joins files that both define the function ${f.name}`);
    found.set(key, f);
  }
  return [...found.values()];
}

function initializer({ name, tensor }: NamedConstant, place: Place | undefined): TensorProto {
  const dims = tensor.shape.map((d) => BigInt(d));
  const dataType = onnxType[tensor.dtype];
  if (!place) return create(TensorProtoSchema, { name, dims, dataType, rawData: bytesOf(tensor.data!) });
  const externalData = Object.entries(place).map(([key, value]) => ({ key, value: String(value) }));
  return create(TensorProtoSchema, { name, dims, dataType, dataLocation: 1, externalData });
}

function valueInfo(name: string, x: Tensor): ValueInfoProto {
  const origin = originOf(x) ?? originOf(source(x));
  // A value that a file doesn't describe: the engine finds its type.
  if (origin && !x.data) return create(ValueInfoProtoSchema, { name, ...(origin.type ? { type: origin.type } : {}) });
  type Dim = NonNullable<MessageInitShape<typeof ValueInfoProtoSchema>['type']>;
  const dim = x.shape.map((d) => ({
    value:
      typeof d === 'number' ? { case: 'dimValue' as const, value: BigInt(d) } : { case: 'dimParam' as const, value: d },
  }));
  const type: Dim = { value: { case: 'tensorType', value: { elemType: onnxType[x.dtype], shape: { dim } } } };
  return create(ValueInfoProtoSchema, { name, type });
}
