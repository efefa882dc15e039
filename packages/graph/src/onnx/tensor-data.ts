// Values of ONNX tensors: in raw bytes, in a list per element type, or in another file.
import { onnxType } from '../ops/cast.ts';
import type { Data, DType } from '../tensor.ts';
import { OnnxError } from './error.ts';
import type { ExternalData } from './external-data.ts';
import type { TensorProto } from './onnx_pb.ts';

type Field = 'floatData' | 'int32Data' | 'stringData' | 'int64Data' | 'doubleData' | 'uint64Data';
const fields: readonly Field[] = ['floatData', 'int32Data', 'stringData', 'int64Data', 'doubleData', 'uint64Data'];

// By TensorProto.DataType: bits per element, the list that may hold the values, and entries of that list per element.
interface Layout {
  readonly bits: number;
  readonly field: Field;
  readonly entries: number;
}
const layout = (bits: number, field: Field, entries = 1): Layout => ({ bits, field, entries });
const layouts: Readonly<Record<number, Layout>> = {
  1: layout(32, 'floatData'),
  2: layout(8, 'int32Data'),
  3: layout(8, 'int32Data'),
  4: layout(16, 'int32Data'),
  5: layout(16, 'int32Data'),
  6: layout(32, 'int32Data'),
  7: layout(64, 'int64Data'),
  8: layout(0, 'stringData'),
  9: layout(8, 'int32Data'),
  10: layout(16, 'int32Data'),
  11: layout(64, 'doubleData'),
  12: layout(32, 'uint64Data'),
  13: layout(64, 'uint64Data'),
  14: layout(64, 'floatData', 2),
  15: layout(128, 'doubleData', 2),
  16: layout(16, 'int32Data'),
  // float8 in four kinds, uint4, int4, float4, float8 of exponents, uint2, int2
  ...Object.fromEntries([17, 18, 19, 20, 24].map((t) => [t, layout(8, 'int32Data')])),
  ...Object.fromEntries([21, 22, 23].map((t) => [t, layout(4, 'int32Data', 0.5)])),
  ...Object.fromEntries([25, 26].map((t) => [t, layout(2, 'int32Data', 0.25)])),
};

const dtypes = new Map(Object.entries(onnxType).map(([dtype, number]) => [number, dtype as DType]));
/** The element type of an ONNX number; null for those that this package's tensors don't have (strings, 4 bits, …). */
export const dtypeOf = (onnx: number): DType | null => dtypes.get(onnx) ?? null;

/** Dims as numbers. @throws where one is negative or they multiply to more than a file could hold. */
export function sizes(who: string, dims: readonly bigint[]): number[] {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  for (const d of dims) if (d < 0n || d > limit) throw new OnnxError(`${who} has the dims [${dims.join(', ')}]`);
  const shape = dims.map(Number);
  if (!shape.includes(0) && shape.reduce((a, b) => a * b, 1) > Number.MAX_SAFE_INTEGER)
    throw new OnnxError(`${who} has the dims [${dims.join(', ')}], more than any file holds`);
  return shape;
}

/** Checks that a tensor has as many values as its dims say, and reads them in where they lie in another file. */
export function settle(t: TensorProto, external: ExternalData): void {
  const who = `tensor ${JSON.stringify(t.name)}`;
  const type = layouts[t.dataType];
  if (!type) throw new OnnxError(`${who} has the unknown element type ${t.dataType}`);
  if (t.segment) throw new OnnxError(`${who} is stored in segments, which ONNX never defined`);
  const count = sizes(who, t.dims).reduce((a, b) => a * b, 1);
  const bytes = Math.ceil((count * type.bits) / 8);
  const held = fields.filter((f) => t[f].length > 0);
  if (t.dataLocation === 1) {
    if (held.length || t.rawData?.length) throw new OnnxError(`${who} has values in the model and in another file`);
    if (!type.bits) throw new OnnxError(`${who} has strings in another file, which ONNX doesn't allow`);
    t.rawData = external.read(t, bytes);
    t.dataLocation = 0;
    t.externalData = [];
  } else if (t.dataLocation !== 0) throw new OnnxError(`${who} has the unknown data location ${t.dataLocation}`);
  else if (t.rawData?.length) {
    if (held.length) throw new OnnxError(`${who} has its values twice, raw and in a list`);
    if (!type.bits) throw new OnnxError(`${who} has raw strings, which ONNX doesn't allow`);
    if (t.rawData.length !== bytes)
      throw new OnnxError(
        `${who} [${t.dims.join(', ')}] needs ${bytes} bytes of raw data, and has ${t.rawData.length}`,
      );
  } else {
    const other = held.find((f) => f !== type.field);
    if (other) throw new OnnxError(`${who} of element type ${t.dataType} has its values in ${other}`);
    const needed = Math.ceil(count * type.entries);
    if (t[type.field].length !== needed)
      throw new OnnxError(`${who} [${t.dims.join(', ')}] needs ${needed} values, and has ${t[type.field].length}`);
  }
}

/** The values of a settled tensor, as constants hold them. Raw data of the model itself is copied. */
export function dataOf(t: TensorProto, dtype: DType): Data {
  const raw = t.rawData?.length ? t.rawData : null;
  if (raw) {
    const { buffer } = raw.byteLength === raw.buffer.byteLength ? raw : new Uint8Array(raw);
    return views[dtype](buffer as ArrayBuffer);
  }
  const from = t[layouts[t.dataType]!.field] as readonly (number | bigint)[];
  const data = views[dtype](new ArrayBuffer((from.length * layouts[t.dataType]!.bits) / 8));
  from.forEach((value, i) => {
    const v =
      typeof value === 'bigint' && !(data instanceof BigInt64Array || data instanceof BigUint64Array)
        ? Number(value)
        : value;
    data[i] = v;
    if (data[i] !== v && dtype !== 'float32' && dtype !== 'float64')
      throw new OnnxError(`tensor ${JSON.stringify(t.name)} has the value ${v}, which is no ${dtype}`);
  });
  return data;
}

const views: Readonly<Record<DType, (buffer: ArrayBuffer) => Data>> = {
  float32: (b) => new Float32Array(b),
  float64: (b) => new Float64Array(b),
  float16: (b) => new Uint16Array(b),
  bfloat16: (b) => new Uint16Array(b),
  int8: (b) => new Int8Array(b),
  uint8: (b) => new Uint8Array(b),
  bool: (b) => new Uint8Array(b),
  int16: (b) => new Int16Array(b),
  uint16: (b) => new Uint16Array(b),
  int32: (b) => new Int32Array(b),
  uint32: (b) => new Uint32Array(b),
  int64: (b) => new BigInt64Array(b),
  uint64: (b) => new BigUint64Array(b),
};
