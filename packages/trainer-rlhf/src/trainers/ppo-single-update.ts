import type { GPT } from '@gpt-lineage/gpt-core';
import type { CompletionColumns } from '../rollouts/completion-columns.js';
import type { PPOTrainerOptions } from './ppo-options.js';

/** Logits of one update, 256 MB: entropies take that much again, and more than once. */
const mostLogits = 1 << 26;

/**
 * Whether an iteration is one update over all its episodes that computes what sampling would have measured: then policy
 * and value model need not be asked before it. Dropout, half precision and cut batches all make a difference; large
 * batches are measured in parts.
 */
export function isSingleUpdate(options: PPOTrainerOptions, columns: CompletionColumns): boolean {
  const { policy, value, episodes = 32, innerEpochs = 1, precision = 'float32' } = options;
  const { minibatch = episodes } = options;
  const whole = minibatch === episodes && (options.microBatchSize ?? episodes) === episodes;
  const exact = precision === 'float32' && [policy, value.gpt].every(isDeterministic);
  const logits = episodes * (columns.length - columns.first) * policy.config.vocabSize;
  return innerEpochs === 1 && whole && exact && logits <= mostLogits;
}

/** Training and measuring are the same pass: nothing is dropped. An adapter may have dropout of its own. */
function isDeterministic({ config, adapters }: GPT): boolean {
  const rates = [config.embeddingDropout, config.attentionDropout, config.residualDropout];
  return rates.every((rate) => rate === 0) && adapters.size === 0;
}
