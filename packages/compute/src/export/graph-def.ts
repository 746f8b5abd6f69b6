import {
  type Bytes,
  bytes,
  concatBytes,
  float,
  packed,
  rawBytes,
  string,
  stringMap,
  varint,
} from '../executors/protobuf.js';
import type { TfAttr, TfNode, TfRef, TfTensor } from '../executors/tensorflow/nodes.js';

/** GraphDef version of TensorFlow 2.x; every runtime since 2.0 reads it. */
const producer = 1087;

export function shapeProto(shape: readonly number[]): Bytes {
  return concatBytes(shape.map((length) => bytes(2, varint(1, length))));
}

function tensorProto({ dtype, shape, data }: TfTensor): Bytes {
  return concatBytes([varint(1, dtype), bytes(2, shapeProto(shape)), bytes(4, rawBytes(data))]);
}

/** A tensor of strings: file names and variable names of save and restore operations. */
function stringsProto(values: readonly string[], shape: readonly number[]): Bytes {
  return concatBytes([varint(1, 7), bytes(2, shapeProto(shape)), ...values.map((value) => string(8, value))]);
}

function attrProto(attr: TfAttr): Bytes {
  if ('type' in attr) return varint(6, attr.type);
  if ('types' in attr) return bytes(1, packed(6, attr.types));
  if ('func' in attr) return bytes(10, string(1, attr.func));
  if ('int' in attr) return varint(3, attr.int);
  if ('ints' in attr) return bytes(1, packed(3, attr.ints));
  if ('float' in attr) return float(4, attr.float);
  if ('bool' in attr) return varint(5, attr.bool ? 1 : 0);
  if ('string' in attr) return string(2, attr.string);
  if ('shape' in attr) return bytes(7, shapeProto(attr.shape));
  return bytes(8, tensorProto(attr.tensor));
}

function inputName({ node, index }: TfRef): string {
  return index === 0 ? node.name : `${node.name}:${index}`;
}

export function nodeDef(node: TfNode): Bytes {
  return rawNodeDef(
    node.name,
    node.op,
    [
      ...node.inputs.flatMap((input) =>
        Array.isArray(input) ? (input as readonly TfRef[]).map(inputName) : [inputName(input as TfRef)],
      ),
      ...node.control.map((control) => `^${control.name}`),
    ],
    Object.entries(node.attrs).map(([key, attr]) => [key, attrProto(attr)] as const),
  );
}

export function rawNodeDef(
  name: string,
  op: string,
  inputs: readonly string[],
  attrs: readonly (readonly [string, Bytes])[],
): Bytes {
  return concatBytes([
    string(1, name),
    string(2, op),
    ...inputs.map((input) => string(3, input)),
    stringMap(5, attrs, (attr) => attr),
  ]);
}

export const attr = {
  type: (dtype: number) => varint(6, dtype),
  types: (dtypes: readonly number[]) => bytes(1, packed(6, dtypes)),
  strings: (values: readonly string[], shape: readonly number[]) => bytes(8, stringsProto(values, shape)),
  shape: (shape: readonly number[]) => bytes(7, shapeProto(shape)),
  string: (value: string) => string(2, value),
};

export function graphDef(nodes: readonly Bytes[]): Bytes {
  return concatBytes([...nodes.map((node) => bytes(1, node)), bytes(4, varint(1, producer))]);
}
