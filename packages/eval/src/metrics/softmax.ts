/** Shares of probability from log-probabilities. */
export function softmax(logLikelihoods: readonly number[]): number[] {
  const peak = Math.max(...logLikelihoods);
  const weights = logLikelihoods.map((value) => Math.exp(value - peak));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
