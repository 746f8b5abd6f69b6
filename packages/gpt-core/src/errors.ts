import { GptLineageError } from '@gpt-lineage/compute';

export { GptLineageError };

/** A configuration that no model can have: says which field, what it was and what to write instead. */
export class InvalidConfigError extends GptLineageError {
  readonly code = 'gpt-core/invalid-config';
  readonly field: string;
  readonly value: unknown;

  constructor(field: string, value: unknown, fix: string) {
    super(`Config field "${field}" is ${show(value)}: ${fix}.`);
    this.field = field;
    this.value = value;
  }
}

/** An argument of a public function is wrong. */
export class InvalidArgumentError extends GptLineageError {
  readonly code = 'gpt-core/invalid-argument';
  readonly argument: string;
  readonly value: unknown;

  constructor(argument: string, value: unknown, fix: string) {
    super(`Argument "${argument}" is ${show(value)}: ${fix}.`);
    this.argument = argument;
    this.value = value;
  }
}

/** A checkpoint folder that is missing, damaged, of another model, or not writable. */
export class CheckpointError extends GptLineageError {
  readonly code = 'gpt-core/checkpoint';
  readonly path: string;

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`Checkpoint ${path}: ${problem}`, options);
    this.path = path;
  }
}

/** A text that the tokenizer has no id for, or an id that the tokenizer has no text for. */
export class TokenizationError extends GptLineageError {
  readonly code = 'gpt-core/tokenization';
  readonly value: unknown;

  constructor(value: unknown, message: string) {
    super(message);
    this.value = value;
  }
}

/** The prompt (and what shall follow it) does not fit in the model's context. */
export class ContextLengthError extends GptLineageError {
  readonly code = 'gpt-core/context-length';
  readonly length: number;
  readonly contextLength: number;

  constructor(length: number, contextLength: number, fix: string) {
    super(`${length} tokens do not fit in a context of ${contextLength}: ${fix}.`);
    this.length = length;
    this.contextLength = contextLength;
  }
}

/** The tokenizer beside the weights is not the one that the weights were trained with. */
export class TokenizerMismatchError extends GptLineageError {
  readonly code = 'gpt-core/tokenizer-mismatch';

  constructor(expected: string, actual: string) {
    super(
      `The model was trained with the tokenizer ${expected}, received ${actual}: ` +
        'use the tokenizer that was saved with the model.',
    );
  }
}

/** A model gave numbers that mean nothing: its weights hold NaN or infinities, or are so large that they overflow. */
export class NonFiniteError extends GptLineageError {
  readonly code = 'gpt-core/non-finite';

  constructor(what: string) {
    super(
      `${what} are not finite numbers: the weights are those of a run that diverged, or damaged; load an earlier checkpoint.`,
    );
  }
}

/** The model was disposed before this call. */
export class DisposedError extends GptLineageError {
  readonly code = 'gpt-core/disposed';

  constructor(what: string) {
    super(`${what} was disposed: create or load it again.`);
  }
}

/** A value as it may stand in a message: short, and never a dump. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
  if (typeof value === 'number' || typeof value === 'bigint' || value === undefined || value === null) {
    return String(value);
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  text ??= String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
