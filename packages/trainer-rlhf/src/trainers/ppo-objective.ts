import { softmaxCrossEntropy } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { episodeAdvantages } from '../objectives/episode-advantages.js';
import { entropyFromLogits, ppoLoss, ppoPtxLoss } from '../objectives/ppo-loss.js';
import { withoutGradient } from '../objectives/without-gradient.js';
import { completionPredictions, completionValues } from '../rollouts/completion-predictions.js';
import type { PPOTrainerOptions } from './ppo-options.js';
import type { StepMeasurements } from './step-measurements.js';
import type { UpdateStatistics } from './update-statistics.js';

export const PPO_STATISTICS = [
  'loss/policy_avg',
  'loss/value_avg',
  'policy/approxkl_avg',
  'policy/clipfrac_avg',
  'val/clipfrac_avg',
  'val/ratio',
  'val/ratio_var',
  'loss/pretraining_avg',
] as const;

export type PPOStatistic = (typeof PPO_STATISTICS)[number];

type Inputs = Readonly<Record<string, tf.Tensor>>;

/** What the loss leaves behind beside its value. */
export interface PPORecords {
  readonly statistics: UpdateStatistics<PPOStatistic>;
  /** Needed for batches that were scored, not measured. */
  readonly step?: StepMeasurements | undefined;
}

/**
 * The loss of one minibatch. `inputs` are the feeds of measured experience, or of completions that were only scored; of
 * the latter, this update is the only one, and the policy is still the one that sampled them.
 */
export function ppoObjective(
  options: PPOTrainerOptions,
  inputs: Inputs,
  pass: { readonly training: boolean; readonly seed: number | tf.Tensor },
  { statistics, step }: PPORecords,
): tf.Scalar {
  const { policy, value, ratioThreshold = 10, pretraining, temperature = 1 } = options;
  const { clipRange, clipRangeValue, valueCoefficient } = options;
  return tf.tidy(() => {
    const tokenIds = inputs.tokenIds as tf.Tensor2D;
    const mask = inputs.completionMask as tf.Tensor2D;
    const first = tokenIds.shape[1] - mask.shape[1];
    const { logProbs, logits } = completionPredictions(policy, tokenIds, first, { ...pass, temperature });
    const values = completionValues(value, tokenIds, first, pass);
    const current = { logProbs, logits, values };
    const before = inputs.oldLogProbs ? measuredBefore(inputs) : measuredNow(options, inputs, current, step!);
    const parts = ppoLoss(
      { logProbs, values, mask, ...before },
      {
        ...(clipRange === undefined ? {} : { clipRange }),
        ...(clipRangeValue === undefined ? {} : { clipRangeValue }),
        ...(valueCoefficient === undefined ? {} : { valueCoefficient }),
      },
    );
    // tf.step, unlike a comparison, may stand in a differentiated function: its gradient is zero.
    const runaway = tf.step(tf.sub(parts.ratio, ratioThreshold));
    const guarded = tf.mul(parts.loss, tf.sub(1, runaway)) as tf.Scalar;
    let [loss, languageModelLoss]: tf.Scalar[] = [guarded, tf.scalar(0)];
    if (pretraining) {
      const { logits: predictions } = policy.forward(inputs.pretrainingTokenIds as tf.Tensor2D, pass);
      languageModelLoss = softmaxCrossEntropy(predictions, inputs.pretrainingLabels as tf.Tensor2D);
      loss = ppoPtxLoss(guarded, languageModelLoss, pretraining.coefficient);
    }
    statistics.add({
      'loss/policy_avg': parts.policyLoss,
      'loss/value_avg': parts.valueLoss,
      'policy/approxkl_avg': parts.approxKL,
      'policy/clipfrac_avg': parts.clipFraction,
      'val/clipfrac_avg': parts.valueClipFraction,
      'val/ratio': parts.ratio,
      'val/ratio_var': parts.ratioVariance,
      'loss/pretraining_avg': languageModelLoss!,
    });
    return loss!;
  });
}

/** `[rows, columns]` each: what the update compares with, and what it learns from. */
interface Before {
  readonly oldLogProbs: tf.Tensor2D;
  readonly oldValues: tf.Tensor2D;
  readonly advantages: tf.Tensor2D;
  readonly returns: tf.Tensor2D;
}

function measuredBefore({ oldLogProbs, oldValues, advantages, returns }: Inputs): Before {
  return { oldLogProbs, oldValues, advantages, returns } as Record<keyof Before, tf.Tensor2D>;
}

/** The update's own log-probabilities and values are those of sampling: advantages follow from them. */
function measuredNow(
  options: PPOTrainerOptions,
  inputs: Inputs,
  current: { readonly logProbs: tf.Tensor2D; readonly logits: tf.Tensor3D; readonly values: tf.Tensor2D },
  step: StepMeasurements,
): Before {
  const all = withoutGradient([current.logProbs, current.values], (...still) => {
    const [logProbs, values] = still as [tf.Tensor2D, tf.Tensor2D];
    step.record(logProbs, entropyFromLogits(current.logits) as tf.Tensor2D, values);
    const { advantages, returns } = episodeAdvantages(
      {
        logProbs,
        values,
        referenceLogProbs: inputs.referenceLogProbs as tf.Tensor2D,
        scores: inputs.scores as tf.Tensor1D,
        mask: inputs.completionMask as tf.Tensor2D,
      },
      { ...options, klCoefficient: tf.reshape(inputs.klCoefficient!, []) as tf.Scalar },
    );
    return tf.stack([logProbs, values, advantages, returns]);
  });
  const [oldLogProbs, oldValues, advantages, returns] = tf.unstack(all) as tf.Tensor2D[];
  return { oldLogProbs, oldValues, advantages, returns } as Record<keyof Before, tf.Tensor2D>;
}
