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

/** A rule or a set of rules that cannot mean anything. */
export class RuleOptionError extends FieldError {
  readonly code = 'trainer-rlhf/rule-option';
}

/** A rule threw, hung or returned no number. */
export class RuleFailedError extends GptLineageError {
  readonly code = 'trainer-rlhf/rule-failed';
  readonly rule: string;

  constructor(rule: string, reason: string, options?: ErrorOptions) {
    super(`rule ${rule} ${reason}; mend it, or set onFailure to 'skip' to leave it out and count`, options);
    this.rule = rule;
  }
}
