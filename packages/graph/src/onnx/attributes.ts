// Attributes of ONNX nodes: how operators of this package give them, and how the format keeps them.
import { create } from '@bufbuild/protobuf';
import type { Attribute } from '../tensor.ts';
import { OnnxError } from './error.ts';
import { AttributeProtoSchema, type AttributeProto } from './onnx_pb.ts';

/** ONNX's numbers for the types of attributes (AttributeProto.AttributeType). */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
} as const;

/** An operator's attribute as ONNX has it. */
export function attribute(op: string, name: string, value: Attribute): AttributeProto {
  const whole = (v: number): bigint => {
    if (!Number.isSafeInteger(v))
      throw new OnnxError(
        `toOnnx: ${op}'s attribute ${name} is ${v}; needs a whole number, or float() around a real one`,
      );
    return BigInt(v);
  };
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, i: whole(value), type: attributeType.int });
  if (typeof value === 'string')
    return create(AttributeProtoSchema, { name, s: new TextEncoder().encode(value), type: attributeType.string });
  if ('float' in value) {
    if (Number.isFinite(value.float) && !Number.isFinite(Math.fround(value.float)))
      throw new OnnxError(`toOnnx: ${op}'s attribute ${name} is ${value.float}, beyond float32`);
    return create(AttributeProtoSchema, { name, f: value.float, type: attributeType.float });
  }
  return create(AttributeProtoSchema, { name, ints: value.map(whole), type: attributeType.ints });
}

/** An attribute as a reader wants to see it: `axis: 1`, `value: float32(3)`. Long lists are cut. */
export function showAttribute(a: AttributeProto): string {
  const list = (items: readonly string[]): string =>
    `[${items.length > 8 ? `${items.slice(0, 8).join(', ')}, … ${items.length} in all` : items.join(', ')}]`;
  const text = (s: Uint8Array): string => JSON.stringify(new TextDecoder().decode(s.subarray(0, 80)));
  const value = (): string => {
    if (a.refAttrName) return `@${a.refAttrName}`;
    if (a.t) return `tensor(${a.t.dims.join(', ')})`;
    if (a.g) return `graph of ${a.g.node.length} nodes`;
    if (a.sparseTensor) return `sparse tensor(${a.sparseTensor.dims.join(', ')})`;
    if (a.tp) return 'type';
    if (a.floats.length) return list(a.floats.map(real));
    if (a.ints.length) return list(a.ints.map(String));
    if (a.strings.length) return list(a.strings.map(text));
    if (a.tensors.length || a.graphs.length || a.sparseTensors.length || a.typeProtos.length)
      return `${a.tensors.length + a.graphs.length + a.sparseTensors.length + a.typeProtos.length} items`;
    if (a.type === attributeType.float || (!a.type && a.f !== undefined)) return real(a.f ?? 0);
    if (a.type === attributeType.string || (!a.type && a.s !== undefined)) return text(a.s ?? new Uint8Array());
    if (a.type === attributeType.int || (!a.type && a.i !== undefined)) return String(a.i ?? 0n);
    return '[]';
  };
  return `${a.name}: ${value()}`;
}

/** A float32 with no more digits than it has. */
export const real = (x: number): string => String(Number(x.toPrecision(7)));
