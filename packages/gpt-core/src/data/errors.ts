import { GptLineageError } from '../errors.js';

/** Training or fine-tuning data that cannot be used as it is: empty, too short, or with a malformed record. */
export class DataError extends GptLineageError {
  readonly code = 'gpt-core/data';
  /** The file, record or field at fault, when there is one. */
  readonly where: string | undefined;

  constructor(message: string, details: { where?: string; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.where = details.where;
  }
}
