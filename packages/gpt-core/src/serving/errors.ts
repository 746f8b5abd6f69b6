import { GptLineageError } from '../errors.js';

/** The engine has as many requests waiting as it takes: try again later. */
export class QueueFullError extends GptLineageError {
  readonly code = 'gpt-core/queue-full';
  readonly waiting: number;

  constructor(waiting: number) {
    super(`${waiting} sequences are waiting for a slot already: try again later.`);
    this.waiting = waiting;
  }
}

/** The engine takes no more requests. */
export class EngineClosedError extends GptLineageError {
  readonly code = 'gpt-core/engine-closed';

  constructor() {
    super('The engine is closed: it takes no more requests.');
  }
}
