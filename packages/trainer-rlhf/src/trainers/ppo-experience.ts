import * as tf from '@tensorflow/tfjs-core';
import { episodeAdvantages } from '../objectives/episode-advantages.js';
import {
  type CompletionColumns,
  columnsOf,
  completionMask,
  completionParts,
  spreadColumns,
} from '../rollouts/completion-columns.js';
import type { Experience } from '../rollouts/experience.js';
import type { PPOTrainerOptions } from './ppo-options.js';
import type { ScoredIteration } from './ppo-rollout-event.js';
import type { Measured } from './step-measurements.js';

/** Advantages and returns of measured completions: what several updates, or updates of parts of them, learn from. */
export async function ppoExperience(
  options: PPOTrainerOptions,
  { rollouts, scores, referenceLogProbs, klCoefficient }: ScoredIteration,
  { logProbs, values }: Measured,
  columns: CompletionColumns,
): Promise<Experience[]> {
  const own = columnsOf(rollouts, columns);
  const shape: [number, number] = [rollouts.length, own.length - own.first];
  const spread = (lists: readonly (readonly number[])[]) =>
    tf.tensor2d(spreadColumns(rollouts, lists, own), shape);
  const tensors = tf.tidy(() =>
    episodeAdvantages(
      {
        logProbs: spread(logProbs),
        referenceLogProbs: spread(referenceLogProbs),
        values: spread(values),
        scores: tf.tensor1d([...scores]),
        mask: tf.tensor2d(completionMask(rollouts, own), shape),
      },
      { ...options, klCoefficient },
    ),
  );
  const [advantages, returns] = [await tensors.advantages.data(), await tensors.returns.data()].map(
    (numbers) => completionParts(numbers, rollouts, own),
  ) as [number[][], number[][]];
  tf.dispose([tensors.advantages, tensors.returns]);
  return rollouts.map(({ promptTokenIds, completionTokenIds }, index) => ({
    promptTokenIds,
    completionTokenIds,
    oldLogProbs: logProbs[index]!,
    oldValues: values[index]!,
    advantages: advantages[index]!,
    returns: returns[index]!,
  }));
}
