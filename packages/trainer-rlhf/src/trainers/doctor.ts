import type { RolloutEvent } from './on-policy-events.js';

/** Something in a run that its numbers say is wrong, with what usually causes it and what to try. */
export interface Finding {
  readonly sign:
    | 'negative-kl'
    | 'runaway-kl'
    | 'collapsed-entropy'
    | 'length-drift'
    | 'reward-hacking'
    | 'no-signal'
    | 'never-ends';
  readonly message: string;
}

const slope = (values: readonly number[]) => {
  const n = values.length;
  const center = (n - 1) / 2;
  const average = values.reduce((sum, value) => sum + value, 0) / n;
  let [cross, square] = [0, 0];
  values.forEach((value, x) => {
    cross += (x - center) * (value - average);
    square += (x - center) ** 2;
  });
  return cross / square;
};

/** Reads the rollout events of a PPO or GRPO run and explains what looks wrong; an empty list is good news. */
export function diagnose(events: readonly RolloutEvent[]): Finding[] {
  const series = (name: string) => events.flatMap(({ metrics }) => metrics[name] ?? []);
  const recent = (values: readonly number[]) => values.slice(-Math.max(3, Math.ceil(values.length / 4)));
  const average = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const findings: Finding[] = [];
  const find = (sign: Finding['sign'], message: string) => findings.push({ sign, message });

  const kl = series('objective/kl');
  if (kl.length > 0 && average(recent(kl)) < -0.1) {
    find(
      'negative-kl',
      'The mean KL is negative: completions are not sampled from the policy that is scored. Sample at temperature 1 without top-k or top-p, and start the reference from the same weights.',
    );
  }
  if (kl.length > 0 && average(recent(kl)) > 30) {
    find(
      'runaway-kl',
      'The KL exceeds 30 nats a sequence: the policy has left the reference behind. Raise klCoefficient, lower the learning rate, or use AdaptiveKLController.',
    );
  }
  const entropy = [...series('policy/entropy_avg'), ...series('entropy')];
  if (entropy.length >= 4 && average(recent(entropy)) < 0.1 * Math.max(entropy[0]!, 1e-9)) {
    find(
      'collapsed-entropy',
      'Entropy has fallen below a tenth of where it began: the policy writes one thing only. Lower the learning rate, raise the KL penalty, or reward variety.',
    );
  }
  const lengths = series('completions/mean_length');
  if (lengths.length >= 6 && Math.abs(slope(lengths)) * lengths.length > average(lengths)) {
    find(
      'length-drift',
      `Completions are getting ${slope(lengths) > 0 ? 'longer' : 'shorter'} all the time: the reward depends on length. Check it against length alone, add a length rule, or use average: 'token'.`,
    );
  }
  const scores = [...series('objective/scores'), ...series('reward')];
  if (
    scores.length >= 6 &&
    kl.length === scores.length &&
    slope(scores) > 0 &&
    average(recent(kl)) > 10 &&
    slope(kl) > 0
  ) {
    find(
      'reward-hacking',
      'Reward and KL rise together beyond 10 nats: read samples now. A reward model is only right near the data it was trained on.',
    );
  }
  const flat = series('frac_reward_zero_std');
  if (flat.length >= 3 && average(recent(flat)) > 0.8) {
    find(
      'no-signal',
      'In more than 80 % of the groups all rewards are equal, so nothing is learned: use prompts that are neither solved nor hopeless, larger groups, or a graded reward.',
    );
  }
  const cut = series('completions/clipped_ratio');
  if (cut.length >= 3 && average(recent(cut)) > 0.5) {
    find(
      'never-ends',
      'More than half of the completions are cut off before their end: raise maxTokens, or set missingEndPenalty.',
    );
  }
  return findings;
}
