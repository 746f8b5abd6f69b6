import { GptLineageError } from '../errors.js';

/** A captured function could not be exported. */
export class ExportError extends GptLineageError {
  readonly code = 'compute/export';
}
