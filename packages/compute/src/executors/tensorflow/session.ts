import * as tf from '@tensorflow/tfjs-core';
import { ExecutorError } from '../../capture/errors.js';
import type { HostArray, Program } from '../../capture/graph.js';
import { graphDef, nodeDef } from '../../export/graph-def.js';
import { savedModel } from '../../export/saved-model.js';
import { builtin } from '../host.js';
import { quietly } from './library.js';
import { lower } from './lower.js';

/** The parts of tfjs-node's kernel backend that run a whole graph on tensors of its own. */
export interface NodeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: {
    createTensor(shape: readonly number[], dtype: number, values: HostArray): number;
    deleteTensor(id: number): void;
    loadSavedModel(folder: string, tags: string): number;
    runSavedModel(model: number, tensorIds: number[], inputs: string, outputs: string): object[];
    deleteSavedModel(model: number): void;
  };
  getDTypeInteger(dtype: tf.DataType): number;
  getInputTensorIds(tensors: readonly tf.Tensor[]): number[];
  createOutputTensor(metadata: object): tf.Tensor;
}

/** Larger constants are tensors beside the graph: optimising it copies it many times. */
const inlineLimit = 1 << 10;

interface FileSystem {
  mkdtempSync(prefix: string): string;
  writeFileSync(path: string, data: Uint8Array): void;
  rmSync(path: string, options: { recursive: boolean; force: boolean }): void;
}

/** The current backend, where it is native TensorFlow on the processor: elsewhere a session would copy its tensors. */
export function nodeBackend(): NodeBackend | undefined {
  if (tf.getBackend() !== 'tensorflow') return undefined;
  const backend = tf.backend() as unknown as NodeBackend;
  return backend.isUsingGpuDevice || backend.binding?.runSavedModel === undefined ? undefined : backend;
}

/**
 * A program as a TensorFlow session inside tfjs-node. Other than a function of our own TensorFlow context it reads and
 * makes tfjs-node's tensors themselves: nothing is copied. tfjs-node loads sessions from files only, hence the folder.
 */
export class NodeSession {
  private readonly backend: NodeBackend;
  private readonly model: number;
  /** tfjs-node's numbers of large constants, which are the last inputs. */
  private readonly constants: readonly number[];
  private readonly inputs: string;
  private readonly outputs: string;

  /** @throws {ExecutorError} for a program with variables, or where no file can be written */
  constructor(backend: NodeBackend, program: Program) {
    if (program.variables.length > 0) {
      throw new ExecutorError('tensorflow', 'a session inside tfjs-node has no variables');
    }
    const lowered = lower(program, {
      matmulPrecision: 'float32',
      variableName: ({ name }) => name,
      inlineLimit,
    });
    this.backend = backend;
    const placeholders = [...lowered.feeds, ...lowered.bound.map(({ placeholder }) => placeholder)];
    this.inputs = placeholders.map(({ name }) => `${name}:0`).join();
    this.outputs = lowered.fetches.map(({ node, index }) => `${node.name}:${index}`).join();
    this.model = load(backend, savedModel(graphDef(lowered.builder.nodes.map(nodeDef)), [], false));
    this.constants = lowered.bound.map(({ value: { node, shape, dtype } }) =>
      backend.binding.createTensor(shape, backend.getDTypeInteger(dtype), node.constant!()),
    );
  }

  run(inputs: readonly tf.Tensor[]): tf.Tensor[] {
    const { backend } = this;
    const made = backend.binding.runSavedModel(
      this.model,
      [...backend.getInputTensorIds(inputs), ...this.constants],
      this.inputs,
      this.outputs,
    );
    return made.map((metadata) => backend.createOutputTensor(metadata));
  }

  dispose(): void {
    const { binding } = this.backend;
    binding.deleteSavedModel(this.model);
    for (const id of this.constants) binding.deleteTensor(id);
  }
}

function load(backend: NodeBackend, model: Uint8Array): number {
  const fs = builtin<FileSystem>('fs');
  const os = builtin<{ tmpdir(): string }>('os');
  if (fs === undefined || os === undefined) throw new ExecutorError('tensorflow', 'there is no file system');
  const folder = fs.mkdtempSync(`${os.tmpdir()}/gpt-lineage-graph-`);
  try {
    fs.writeFileSync(`${folder}/saved_model.pb`, model);
    return quietly(() => backend.binding.loadSavedModel(folder, 'serve'));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
