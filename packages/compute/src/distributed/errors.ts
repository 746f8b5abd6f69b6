import { GptLineageError } from '../errors.js';

/** The cluster could not be joined, or a worker is gone and the step did not happen. */
export class ClusterError extends GptLineageError {
  readonly code = 'compute/cluster';
}
