import { GptLineageError } from '@gpt-lineage/gpt-core';

/** Errors that name a field, what it held, and what to write instead. */
abstract class FieldError extends GptLineageError {
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

/** A ranking whose shape or content cannot be compared. */
export class RankingError extends FieldError {
  readonly code = 'trainer-rlhf/ranking';
}

/** An option of an objective or controller outside of what it means. */
export class ObjectiveOptionError extends FieldError {
  readonly code = 'trainer-rlhf/objective-option';
}
