import type { GPT } from '@gpt-lineage/gpt-core';
import type { PPOTrainerOptions } from './ppo-options.js';

/**
 * Whether an iteration is one update over all its episodes that computes what sampling would have measured: then policy
 * and value model need not be asked before it. Dropout, half precision and cut batches all make a difference.
 */
export function isSingleUpdate(options: PPOTrainerOptions): boolean {
  const { policy, value, episodes = 32, innerEpochs = 1, precision = 'float32' } = options;
  const { minibatch = episodes } = options;
  const whole = minibatch === episodes && (options.microBatchSize ?? episodes) === episodes;
  const exact = precision === 'float32' && [policy, value.gpt].every(isDeterministic);
  return innerEpochs === 1 && whole && exact;
}

/** Training and measuring are the same pass: nothing is dropped. An adapter may have dropout of its own. */
function isDeterministic({ config, adapters }: GPT): boolean {
  const rates = [config.embeddingDropout, config.attentionDropout, config.residualDropout];
  return rates.every((rate) => rate === 0) && adapters.size === 0;
}
