import { GptLineageError } from '@gpt-lineage/compute';

/** A tensor whose shape or dtype does not fit the others. */
export class ShapeMismatchError extends GptLineageError {
  readonly code = 'attention/shape-mismatch';
  readonly argument: string;
  readonly expected: string;
  readonly received: readonly number[];

  constructor(argument: string, expected: string, received: readonly number[]) {
    super(`${argument} must have shape ${expected}, received [${received.join(', ')}]`);
    this.name = 'ShapeMismatchError';
    this.argument = argument;
    this.expected = expected;
    this.received = received;
  }
}

/** An option with a value outside of what the function can do. */
export class AttentionOptionError extends GptLineageError {
  readonly code = 'attention/bad-option';
  readonly option: string;
  readonly value: unknown;

  constructor(option: string, value: unknown, fix: string) {
    super(`${option} ${fix}, received ${describe(value)}`);
    this.name = 'AttentionOptionError';
    this.option = option;
    this.value = value;
  }
}

/** A KV cache asked to hold, rewind or fork something that it cannot. */
export class CacheError extends GptLineageError {
  readonly code = 'attention/cache';

  constructor(message: string) {
    super(message);
    this.name = 'CacheError';
  }
}

function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'shape' in value) {
    return `a tensor of shape [${(value as { shape: number[] }).shape.join(', ')}]`;
  }
  return typeof value === 'string' ? `'${value}'` : String(value);
}
