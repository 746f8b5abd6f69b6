import { GptLineageError } from '../errors.js';

/** Something inside a captured function has no place in a static graph. `op` names the offender. */
export class CaptureError extends GptLineageError {
  readonly code = 'compute/not-capturable';
  /** The TensorFlow.js operation that could not be captured, e.g. `'randomUniform'`. */
  readonly op: string;

  constructor(op: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.op = op;
  }
}

/** The arguments of a captured function do not fit (a shape, a type, a value that cannot be fed). */
export class FeedError extends GptLineageError {
  readonly code = 'compute/bad-feed';
}

/** The executor that was asked for is not there, or cannot run this graph. */
export class ExecutorError extends GptLineageError {
  readonly code = 'compute/executor';
  /** `'tensorflow'` or `'onnx'`. */
  readonly executor: string;

  constructor(executor: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.executor = executor;
  }
}
