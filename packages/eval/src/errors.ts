import { GptLineageError } from '@gpt-lineage/gpt-core';

/** A metric was given numbers or texts it is not defined for. */
export class InvalidMetricInputError extends GptLineageError {
  readonly code = 'eval/invalid-metric-input';
  readonly field: string;
  readonly value: unknown;
  readonly fix: string;

  constructor(field: string, value: unknown, fix: string) {
    super(`${field} is ${String(value)}: ${fix}`);
    this.field = field;
    this.value = value;
    this.fix = fix;
  }
}

/** Model-written code was about to run without the caller's word. */
export class CodeExecutionDisabledError extends GptLineageError {
  readonly code = 'eval/code-execution-disabled';

  constructor() {
    super(
      'allowCodeExecution is off: this task runs code written by a model. Read what the sandbox does not protect from, then set allowCodeExecution to true (--allow-code-execution)',
    );
  }
}

/** No interpreter for the language of a code task. */
export class InterpreterNotFoundError extends GptLineageError {
  readonly code = 'eval/interpreter-not-found';
  readonly candidates: readonly string[];

  constructor(candidates: readonly string[]) {
    super(
      `interpreter not found, tried ${candidates.join(', ')}: install one that every account may execute, or name it`,
    );
    this.candidates = candidates;
  }
}

/** A task definition that does not fit its data, or is not known. */
export class TaskError extends GptLineageError {
  readonly code = 'eval/task';
  readonly task: string;

  constructor(task: string, message: string, options?: ErrorOptions) {
    super(`task ${task}: ${message}`, options);
    this.task = task;
  }
}

/** A data file that cannot be read as what its name says. */
export class TaskDataError extends GptLineageError {
  readonly code = 'eval/task-data';
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super(`${path}: ${message}`, options);
    this.path = path;
  }
}

/** A command line, or an option, that cannot be carried out. */
export class UsageError extends GptLineageError {
  readonly code = 'eval/usage';
  readonly field: string;
  readonly value: unknown;
  readonly fix: string;

  constructor(field: string, value: unknown, fix: string, options?: ErrorOptions) {
    super(`${field} is ${value === undefined ? 'missing' : String(value)}: ${fix}`, options);
    this.field = field;
    this.value = value;
    this.fix = fix;
  }
}
