import { GptLineageError } from '../errors.js';

/** Training cannot start or go on with these settings. */
export class TrainingError extends GptLineageError {
  readonly code = 'gpt-core/training';
  /** The option or file at fault. */
  readonly field: string | undefined;

  constructor(message: string, options: ErrorOptions & { field?: string } = {}) {
    super(message, options);
    this.field = options.field;
  }
}

/** The loss or the gradients stopped being usable numbers, again and again. */
export class DivergedError extends GptLineageError {
  readonly code = 'gpt-core/diverged';
  readonly step: number;
  readonly batchPath: string | undefined;

  constructor(step: number, badSteps: number, batchPath: string | undefined) {
    super(
      `Training diverged at step ${step} after ${badSteps} bad steps in a row: lower the learning rate or resume from an earlier checkpoint${batchPath ? `; the last batch is in ${batchPath}` : ''}.`,
    );
    this.step = step;
    this.batchPath = batchPath;
  }
}
