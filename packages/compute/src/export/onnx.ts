import type { Variable } from '@tensorflow/tfjs-core';
import type { CapturedFunction } from '../capture/capture.js';
import { slotOf } from '../capture/variables.js';
import { lowerDynamic } from '../executors/onnx/executor.js';
import { OnnxLowering } from '../executors/onnx/lower.js';
import type { OnnxBuilder } from '../executors/onnx/model.js';
import type { WeightStorage } from '../executors/onnx/weights.js';
import { rawBytes } from '../executors/protobuf.js';
import { ExportError } from './errors.js';
import { writeFolder } from './files.js';

/** Any captured function, whatever its arguments. */
// biome-ignore lint/suspicious/noExplicitAny: exporters accept every signature
export type AnyCaptured = CapturedFunction<any, any>;

export interface OnnxExportOptions {
  /** Names of the arguments, in order of appearance. Default `feed_0`, `feed_1`, … */
  readonly inputNames?: readonly string[];
  /** Names of the results. Default `out_0`, `out_1`, … */
  readonly outputNames?: readonly string[];
  /** Integer arguments become int64 inputs, as other libraries pass token ids. Default false. */
  readonly int64Inputs?: boolean;
  /** Storage of weights in matrix products; `'int8'` and `'int4'` use ONNX Runtime's own operator. Default `'float32'`. */
  readonly weights?: WeightStorage;
}

function build(captured: AnyCaptured, args: readonly unknown[], options: OnnxExportOptions): OnnxBuilder {
  const { program, dynamic } = captured.traced(...args);
  const lowerOptions = {
    frozen: (variable: Variable) => slotOf(variable).current(),
    weights: options.weights ?? 'float32',
    int64Inputs: options.int64Inputs ?? false,
    ...(options.inputNames === undefined ? {} : { inputNames: options.inputNames }),
    ...(options.outputNames === undefined ? {} : { outputNames: options.outputNames }),
  };
  const lowered =
    dynamic === undefined
      ? new OnnxLowering(program, lowerOptions).lower()
      : lowerDynamic(dynamic, lowerOptions);
  if (lowered.random.length > 0) {
    throw new ExportError('ONNX has no seeded random numbers; export the function without dropout');
  }
  return lowered.builder;
}

/**
 * A captured function as an ONNX model (opset 21) with its weights inside. Shapes are those of `args`; lengths that have
 * a name in the option `inputs` (of a function with `executor: 'onnx'`) stay open. A variable that the
 * function updates becomes an input `state_i` and an output `next_i`.
 *
 * @throws {ExportError} for random numbers or more than 2 GB of weights (then use {@link saveOnnx})
 * @throws {ExecutorError} for an operation that ONNX does not have
 */
export function exportOnnx(
  captured: AnyCaptured,
  args: readonly unknown[],
  options: OnnxExportOptions = {},
): Uint8Array {
  const builder = build(captured, args, options);
  if (builder.weightBytes > 2 ** 31 - 2 ** 20) {
    throw new ExportError(
      `the weights take ${builder.weightBytes} bytes; use saveOnnx, which keeps them in a file`,
    );
  }
  return builder.serialize('captured').model;
}

/**
 * The same as a folder: `model.onnx`, and `model.onnx.data` beside it for weights, of any size. Written atomically.
 */
export function saveOnnx(
  folder: string,
  captured: AnyCaptured,
  args: readonly unknown[],
  options: OnnxExportOptions = {},
): void {
  const { model, external } = build(captured, args, options).serialize('captured', {
    name: 'model.onnx.data',
    minBytes: 1024,
  });
  const parts = external.map(({ data, offset }) => ({ data: rawBytes(data), offset }));
  writeFolder(folder, {
    'model.onnx': model,
    ...(parts.length > 0 ? { 'model.onnx.data': parts } : {}),
  });
}
