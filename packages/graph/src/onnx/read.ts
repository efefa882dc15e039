// Reads an ONNX model as a graph. Operators stay what the file says, without gradients, so that any model can be read,
// looked at, joined with other graphs and written again.
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { absent, constant, type Node, type Op, type Tensor } from '../tensor.ts';
import { attributeType } from './attributes.ts';
import { OnnxError } from './error.ts';
import { ExternalData } from './external-data.ts';
import { importedNode, importedTensor, nameConstant, type ImportedNode, type OnnxFile } from './imported.ts';
import { knownType } from './known-type.ts';
import { largestModel } from './model.ts';
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type TypeProto,
} from './onnx_pb.ts';
import { sorted } from './sort-nodes.ts';
import { captured } from './subgraph.ts';
import { dataOf, dtypeOf, settle, sizes } from './tensor-data.ts';

/** A model that was read. */
export interface OnnxModel {
  /** Inputs in the file's order. One with a default value is a constant and isn't among them. */
  readonly inputs: readonly Tensor[];
  /** Outputs by name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Version of the standard operators; 0 where the file uses none. */
  readonly opset: number;
  /** Name of the graph. */
  readonly name: string;
  /** The model's metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads an ONNX model from its bytes or its path, with constants in files beside it. To write it again, pass what was
 * read: `toOnnx(model.outputs, { inputs: model.inputs, metadata: model.metadata })`; the operator set follows.
 *
 * Operators have no gradient: `gradients` throws and names the first in its way. Values whose shape or type the file
 * doesn't record throw when an operator asks for them.
 *
 * @param o.folder where the files beside the model are, if it is given as bytes.
 * @throws OnnxError where the file isn't a whole, consistent ONNX model.
 */
export function fromOnnx(source: Uint8Array | string, o: { readonly folder?: string } = {}): OnnxModel {
  const fromPath = typeof source === 'string';
  const what = fromPath ? source : `a model of ${source.length} bytes`;
  const external = new ExternalData(o.folder ?? (fromPath ? dirname(source) : null));
  try {
    return graphOf(parse(fromPath ? load(source) : source), external);
  } catch (error) {
    if (error instanceof OnnxError) throw new OnnxError(`fromOnnx: ${what}: ${error.message}`, { cause: error.cause });
    throw error;
  } finally {
    external.close();
  }
}

function load(path: string): Uint8Array {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new OnnxError('is no plain file');
    if (stat.size > largestModel) throw new OnnxError(`has ${stat.size} bytes, but ONNX models end at 2 GiB`);
    return readFileSync(path);
  } catch (cause) {
    if (cause instanceof OnnxError) throw cause;
    throw new OnnxError(`can't be read: ${(cause as Error).message}`, { cause });
  }
}

function parse(bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    // Whatever the decoder throws, deep recursion included, it does because of these bytes.
    throw new OnnxError(`isn't an ONNX model, or not all of it: ${(cause as Error).message}`, { cause });
  }
}

const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

function graphOf(model: ModelProto, external: ExternalData): OnnxModel {
  const { graph } = model;
  if (!graph) throw new OnnxError("isn't an ONNX model: it has no graph");
  if (!graph.output.length) throw new OnnxError('has a graph without outputs');
  settleGraph(graph, external);
  for (const f of model.functions) settleNodes(f.node, external);
  const file = fileOf(model);
  const nextUnknown = counter();
  const typed = (type: TypeProto | null): ReturnType<typeof knownType> => knownType(type, nextUnknown);

  const values = new Map<string, Tensor>();
  const define = (name: string, x: Tensor): void => {
    if (values.has(name)) throw new OnnxError(`defines ${JSON.stringify(name)} twice`);
    values.set(name, x);
  };
  const initializers = [
    ...graph.initializer.map((t) => constantNode(t.name, { name: 'value', type: attributeType.tensor, t })),
    ...graph.sparseInitializer.map((s) =>
      constantNode(s.values!.name, { name: 'sparse_value', type: attributeType.sparseTensor, sparseTensor: s }),
    ),
  ];
  const types = new Map<string, TypeProto>();
  for (const { name, type } of [...graph.valueInfo, ...graph.output]) if (type) types.set(name, type);
  const defaults = new Set<string>();
  for (const node of initializers) {
    const name = node.output[0];
    if (!name) throw new OnnxError('has a constant without a name');
    defaults.add(name);
    define(name, made(node, values, types, file, typed)[0]!);
  }
  const inputs: Tensor[] = [];
  for (const { name, type = null } of graph.input) {
    if (!name) throw new OnnxError('has an input without a name');
    if (defaults.delete(name)) continue;
    const x = importedTensor({ name, type }, typed(type), { name });
    define(name, x);
    inputs.push(x);
  }
  for (const node of sorted(graph.node, values)) {
    if (!node.opType) throw new OnnxError(`node ${JSON.stringify(node.name)} names no operator`);
    if (!file.opsets.has(domainOf(node.domain)))
      throw new OnnxError(`uses ${node.opType}, but imports no version of ${node.domain || 'the standard operators'}`);
    made(node, values, types, file, typed).forEach((y, i) => {
      if (node.output[i]) define(node.output[i], y);
    });
  }
  const outputs = new Map<string, Tensor>();
  for (const { name } of graph.output) {
    const y = values.get(name);
    if (!y) throw new OnnxError(`has the output ${JSON.stringify(name)}, which nothing computes`);
    if (outputs.has(name)) throw new OnnxError(`has two outputs ${JSON.stringify(name)}`);
    outputs.set(name, y);
  }
  return {
    inputs,
    outputs: Object.fromEntries(outputs),
    opset: file.opsets.get('') ?? 0,
    name: graph.name,
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

function fileOf(model: ModelProto): OnnxFile {
  const opsets = new Map<string, number>();
  for (const { domain, version } of model.opsetImport) {
    if (version < 1n || version > 0xffffffffn)
      throw new OnnxError(`imports version ${version} of ${domain || 'the standard operators'}`);
    if (opsets.has(domainOf(domain))) throw new OnnxError(`imports the operators of ${JSON.stringify(domain)} twice`);
    opsets.set(domainOf(domain), Number(version));
  }
  // Models older than operator sets.
  if (!model.opsetImport.length && model.irVersion > 0n && model.irVersion < 3n) opsets.set('', 1);
  return { opsets, functions: model.functions, irVersion: model.irVersion };
}

// Every tensor of the graph, wherever it is, is checked and read in from other files.
function settleGraph(graph: GraphProto, external: ExternalData): void {
  for (const t of graph.initializer) settle(t, external);
  settleSparse(graph.sparseInitializer, external);
  settleNodes(graph.node, external);
}
function settleNodes(nodes: readonly NodeProto[], external: ExternalData): void {
  for (const a of nodes.flatMap((n) => n.attribute)) {
    for (const t of a.t ? [a.t, ...a.tensors] : a.tensors) settle(t, external);
    settleSparse(a.sparseTensor ? [a.sparseTensor, ...a.sparseTensors] : a.sparseTensors, external);
    for (const g of a.g ? [a.g, ...a.graphs] : a.graphs) settleGraph(g, external);
  }
}
function settleSparse(tensors: GraphProto['sparseInitializer'], external: ExternalData): void {
  for (const { values, indices, dims } of tensors) {
    if (!values || !indices) throw new OnnxError('has a sparse tensor without values or indices');
    sizes(`sparse tensor ${JSON.stringify(values.name)}`, dims);
    settle(values, external);
    settle(indices, external);
  }
}

// Constants are read in one way, whether the file has them as initializers or as nodes.
const constantNode = (output: string, attribute: MessageInitShape<typeof AttributeProtoSchema>): NodeProto =>
  create(NodeProtoSchema, { opType: 'Constant', output: [output], attribute: [attribute] });

/** The outputs of a node, one for each name in the file, also for those that it leaves out. */
function made(
  proto: NodeProto,
  values: ReadonlyMap<string, Tensor>,
  types: ReadonlyMap<string, TypeProto>,
  file: OnnxFile,
  typed: (type: TypeProto | null) => ReturnType<typeof knownType>,
): Tensor[] {
  const domain = domainOf(proto.domain);
  const [first] = proto.attribute;
  if (proto.opType === 'Constant' && !domain && proto.attribute.length === 1 && proto.output.length === 1) {
    const value = constantOf(first!);
    if (value) return [nameConstant(value, proto.output[0]!)];
  }
  const outside = captured(proto.attribute);
  const attrs: ImportedNode = importedNode({
    file,
    domain,
    overload: proto.overload,
    attributes: proto.attribute,
    captured: outside,
  });
  const outputs: Tensor[] = [];
  const op: Op<ImportedNode> = {
    name: proto.opType,
    ...(domain === 'com.microsoft' ? { domain } : {}),
    infer: () => outputs.map(({ shape, dtype }) => ({ shape, dtype })),
  };
  const inputs = [...proto.input, ...outside].map((name) => (name ? values.get(name)! : absent));
  const node: Node = { op: op as Op<never>, inputs, attrs, outputs };
  proto.output.forEach((name, index) => {
    const type = (name && types.get(name)) || null;
    outputs.push(importedTensor({ name, type }, typed(type), { node, index }));
  });
  return outputs;
}

// The value of a Constant's attribute as a constant; null where this package has no such type.
function constantOf(a: AttributeProto): Tensor | null {
  if (a.refAttrName) return null;
  const of = (t: TensorProto): Tensor | null => {
    const dtype = dtypeOf(t.dataType);
    return dtype && constant(dataOf(t, dtype), t.dims.map(Number), dtype);
  };
  const whole = { dataType: 7 };
  const real = { dataType: 1 };
  if (a.name === 'value' && a.t) return of(a.t);
  if (a.name === 'value_int' && a.i !== undefined) return of(create(TensorProtoSchema, { ...whole, int64Data: [a.i] }));
  if (a.name === 'value_float' && a.f !== undefined)
    return of(create(TensorProtoSchema, { ...real, floatData: [a.f] }));
  if (a.name === 'value_ints' && a.ints.length)
    return of(create(TensorProtoSchema, { ...whole, dims: [BigInt(a.ints.length)], int64Data: a.ints }));
  if (a.name === 'value_floats' && a.floats.length)
    return of(create(TensorProtoSchema, { ...real, dims: [BigInt(a.floats.length)], floatData: a.floats }));
  return null;
}

const counter = (): (() => number) => {
  let n = 0;
  return () => n++;
};
