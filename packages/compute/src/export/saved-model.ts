import type { Variable } from '@tensorflow/tfjs-core';
import type { Meta } from '../capture/graph.js';
import { slotOf } from '../capture/variables.js';
import { type Bytes, bytes, concatBytes, string, stringMap, varint } from '../executors/protobuf.js';
import { lower } from '../executors/tensorflow/lower.js';
import { DT, type TfNode } from '../executors/tensorflow/nodes.js';
import { type CheckpointTensor, checkpoint } from './checkpoint.js';
import { ExportError } from './errors.js';
import { writeFolder } from './files.js';
import { attr, graphDef, nodeDef, rawNodeDef, shapeProto } from './graph-def.js';
import type { AnyCaptured } from './onnx.js';

export interface SavedModelSignature {
  readonly captured: AnyCaptured;
  /** Arguments that give the shapes. */
  readonly args: readonly unknown[];
  /** Names of the arguments, in order of appearance. Default `feed_0`, `feed_1`, … */
  readonly inputNames?: readonly string[];
  /** Names of the results. Default `out_0`, `out_1`, … */
  readonly outputNames?: readonly string[];
  readonly matmulPrecision?: 'float32' | 'bf16';
}

interface Tensor extends Meta {
  readonly key: string;
  readonly name: string;
}

interface Signature {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/**
 * Writes captured functions as a TensorFlow SavedModel: one signature each, variables shared between them and stored as a
 * checkpoint, so that TensorFlow Serving, Python (`tf.saved_model.load`) and the C API load it. A signature whose function
 * assigns variables trains when it is called. Written atomically; needs no TensorFlow.
 *
 * @param folder replaced when it exists
 * @param signatures by name; `serving_default` is what servers look for first
 * @throws {ExportError} for names that do not fit
 */
export function saveSavedModel(
  folder: string,
  signatures: Readonly<Record<string, SavedModelSignature>>,
): void {
  const names = new Map<Variable, string>();
  const variableName = (variable: Variable) => {
    let name = names.get(variable);
    if (name === undefined) {
      name = `variable_${names.size}`;
      names.set(variable, name);
    }
    return name;
  };
  const nodes: Bytes[] = [];
  const entries = Object.entries(signatures).map(([name, signature]) => {
    const { written, tensors } = writeSignature(name, signature, variableName);
    nodes.push(...written.map(nodeDef));
    return [name, tensors] as const;
  });
  if (entries.length === 0) throw new ExportError('a SavedModel needs at least one signature');
  const saved = [...names].map(([variable, name]): CheckpointTensor => {
    const slot = slotOf(variable);
    return { name, dtype: DT[slot.meta.dtype], shape: slot.meta.shape, data: slot.current() };
  });
  nodes.push(...saverNodes(saved));
  const files = saved.length > 0 ? checkpointFiles(saved) : {};
  writeFolder(folder, { 'saved_model.pb': savedModel(graphDef(nodes), entries, saved.length > 0), ...files });
}

function writeSignature(
  name: string,
  { captured, args, inputNames = [], outputNames = [], matmulPrecision = 'float32' }: SavedModelSignature,
  variableName: (variable: Variable) => string,
): { written: readonly TfNode[]; tensors: Signature } {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.]*$/.test(name)) {
    throw new ExportError(`a signature's name consists of letters, digits, '_' and '.'; received '${name}'`);
  }
  const program = captured.program(...args);
  const lowered = lower(program, {
    matmulPrecision,
    variableName,
    inlineLimit: Number.POSITIVE_INFINITY,
    prefix: `${name}/`,
  });
  const { builder } = lowered;
  const inputs = program.feeds.map((value, i) => ({
    key: inputNames[i] ?? `feed_${i}`,
    name: `${lowered.feeds[i]!.name}:0`,
    shape: value.shape,
    dtype: value.dtype,
  }));
  // Fetching any result runs every update.
  const outputs = program.fetches.map((value, i) => {
    const done = builder.op(
      'Identity',
      [lowered.fetches[i]!],
      { T: { type: DT[value.dtype] } },
      lowered.updates,
    );
    const key = outputNames[i] ?? `out_${i}`;
    return { key, name: `${done.node.name}:0`, shape: value.shape, dtype: value.dtype };
  });
  if (outputs.length === 0) throw new ExportError(`signature '${name}' returns no tensor`);
  return { written: builder.nodes, tensors: { inputs, outputs } };
}

/** Operations that restore and save every variable, as `SaverDef` describes them to loaders. */
function saverNodes(saved: readonly CheckpointTensor[]): Bytes[] {
  if (saved.length === 0) return [];
  const names = saved.map(({ name }) => name);
  const dtypes = saved.map(({ dtype }) => dtype);
  const constant = (name: string, values: readonly string[], shape: readonly number[]) =>
    rawNodeDef(
      name,
      'Const',
      [],
      [
        ['dtype', attr.type(DT.string)],
        ['value', attr.strings(values, shape)],
      ],
    );
  const nodes = [
    constant('save/default', ['model'], []),
    rawNodeDef(
      'save/filename',
      'PlaceholderWithDefault',
      ['save/default'],
      [
        ['dtype', attr.type(DT.string)],
        ['shape', attr.shape([])],
      ],
    ),
    constant('save/names', names, [names.length]),
    constant(
      'save/slices',
      names.map(() => ''),
      [names.length],
    ),
    rawNodeDef(
      'save/restore',
      'RestoreV2',
      ['save/filename', 'save/names', 'save/slices'],
      [['dtypes', attr.types(dtypes)]],
    ),
  ];
  saved.forEach(({ name, dtype, shape }, i) => {
    nodes.push(
      rawNodeDef(
        `save/${name}`,
        'VarHandleOp',
        [],
        [
          ['dtype', attr.type(dtype)],
          ['shape', attr.shape(shape)],
          ['shared_name', attr.string(name)],
          ['container', attr.string('')],
        ],
      ),
      rawNodeDef(
        `save/assign_${name}`,
        'AssignVariableOp',
        [`save/${name}`, i === 0 ? 'save/restore' : `save/restore:${i}`],
        [['dtype', attr.type(dtype)]],
      ),
      rawNodeDef(`save/read_${name}`, 'ReadVariableOp', [`save/${name}`], [['dtype', attr.type(dtype)]]),
    );
  });
  nodes.push(
    rawNodeDef(
      'save/restore_all',
      'NoOp',
      names.map((name) => `^save/assign_${name}`),
      [],
    ),
    rawNodeDef(
      'save/save',
      'SaveV2',
      ['save/filename', 'save/names', 'save/slices', ...names.map((name) => `save/read_${name}`)],
      [['dtypes', attr.types(dtypes)]],
    ),
    rawNodeDef('save/control', 'Identity', ['save/filename', '^save/save'], [['T', attr.type(DT.string)]]),
  );
  return nodes;
}

function checkpointFiles(saved: readonly CheckpointTensor[]) {
  const { index, data } = checkpoint(saved);
  let offset = 0;
  const parts = data.map((content) => {
    const part = { data: content, offset };
    offset += content.length;
    return part;
  });
  return { 'variables/variables.index': index, 'variables/variables.data-00000-of-00001': parts };
}

/** The content of `saved_model.pb`. */
export function savedModel(
  graph: Bytes,
  signatures: readonly (readonly [string, Signature])[],
  variables: boolean,
): Bytes {
  const info = ({ name, dtype, shape }: Tensor) =>
    concatBytes([string(1, name), varint(2, DT[dtype]), bytes(3, shapeProto(shape))]);
  const map = (field: number, tensors: readonly Tensor[]) =>
    stringMap(
      field,
      tensors.map((tensor) => [tensor.key, tensor] as const),
      info,
    );
  const signature = ({ inputs, outputs }: Signature) =>
    concatBytes([map(1, inputs), map(2, outputs), string(3, 'tensorflow/serving/predict')]);
  const saver = concatBytes([
    string(1, 'save/filename:0'),
    string(2, 'save/control:0'),
    string(3, 'save/restore_all'),
    varint(7, 2),
  ]);
  const metaGraph = concatBytes([
    bytes(1, [string(4, 'serve'), string(5, '2.21.0')]),
    bytes(2, graph),
    ...(variables ? [bytes(3, saver)] : []),
    stringMap(5, signatures, signature),
  ]);
  return concatBytes([varint(1, 1), bytes(2, metaGraph)]);
}
