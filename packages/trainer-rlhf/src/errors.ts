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

/** A sequence that is too long for its row, or has nothing to train on. */
export class SequenceLengthError extends GptLineageError {
  readonly code = 'trainer-rlhf/sequence-length';
  readonly index: number;

  constructor(index: number, length: number, limit: number) {
    super(
      length === 0
        ? `sequence ${index} has an empty completion: leave it out, or let the model write at least one token`
        : `sequence ${index} has ${length} tokens, the limit is ${limit}: shorten the prompt or raise maxLength`,
    );
    this.index = index;
  }
}

/** A line of human feedback that cannot be understood. */
export class FeedbackRecordError extends FieldError {
  readonly code = 'trainer-rlhf/feedback-record';
}

/** Data a trainer cannot learn from. */
export class TrainerDataError extends FieldError {
  readonly code = 'trainer-rlhf/data';
}

/** A reward function threw, hung, or returned something that is no finite number. */
export class RewardError extends GptLineageError {
  readonly code = 'trainer-rlhf/reward';

  constructor(reason: string, options?: ErrorOptions) {
    super(
      `the reward function ${reason}: mend it, or set onRewardFailure to 'skip' to drop such completions`,
      options,
    );
  }
}

/** The servers that sample did not take over the policy's weights. */
export class EndpointSamplerError extends GptLineageError {
  readonly code = 'trainer-rlhf/endpoint-sampler';
  readonly directory: string;

  constructor(directory: string, cause: unknown) {
    super(
      `the weights in ${directory} were not taken over (${(cause as Error)?.message ?? cause}): look at the servers' logs`,
      {
        cause,
      },
    );
    this.directory = directory;
  }
}
