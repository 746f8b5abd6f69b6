import type { TrainingEvent } from '../training/events.js';

/** The numbers of an event under the names that plotting tools show; `undefined` when it has none. */
export function eventScalars(event: TrainingEvent): Record<string, number> | undefined {
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
      });
    case 'guard':
      return { 'guard/learning_rate_scale': event.learningRateScale };
    default:
      return undefined;
  }
}

function defined(values: Record<string, number | undefined>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}
