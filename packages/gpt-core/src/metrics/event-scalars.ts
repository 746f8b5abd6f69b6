import type { TrainingEvent } from '../training/events.js';

/** A training event, or another trainer's: anything with a step and numbers by name. */
export type LoggedEvent =
  | TrainingEvent
  | {
      readonly type: 'rollout' | 'update' | 'round' | 'selection';
      readonly step?: number;
      readonly metrics?: Readonly<Record<string, number>>;
    };

/** The numbers of an event under the names that plotting tools show; `undefined` when it has none. */
export function eventScalars(event: LoggedEvent): Record<string, number> | undefined {
  switch (event.type) {
    case 'step':
      return defined({
        'loss/train': event.loss,
        'bits_per_byte/train': event.bitsPerByte,
        'optimizer/learning_rate': event.learningRate,
        'optimizer/gradient_norm': event.gradientNorm,
        'optimizer/batch_size': event.batchSize,
        'speed/tokens_per_second': event.tokensPerSecond,
        'speed/mfu': event.mfu,
        'memory/bytes': event.memoryBytes,
      });
    case 'validation':
      return defined({
        'loss/validation': event.loss,
        'perplexity/validation': event.perplexity,
        'bits_per_byte/validation': event.bitsPerByte,
        ...event.metrics,
      });
    case 'guard':
      return { 'guard/learning_rate_scale': event.learningRateScale };
    case 'rollout':
    case 'update':
    case 'round':
      return event.metrics && { ...event.metrics };
    default:
      return undefined;
  }
}

function defined(values: Record<string, number | undefined>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}
