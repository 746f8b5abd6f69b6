/** What sampling options leave of a distribution. */
export interface Candidate {
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  /** Softmax of the logits as they are */
  readonly probability: number;
  /** After temperature, top-k and top-p; 0: cut off */
  readonly sampled: number;
}

export interface SamplingOptions {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
}

/** The likeliest tokens, before and after temperature, top-k and top-p, in the order in which models apply them. */
export function candidates(
  logits: Float32Array,
  vocabulary: readonly string[],
  { temperature, topK, topP }: SamplingOptions,
  count: number,
): Candidate[] {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  const plain = softmax(order.map((id) => logits[id]!));
  let kept: number[];
  if (temperature === 0) kept = order.map((_, rank) => (rank === 0 ? 1 : 0));
  else {
    const limit = topK > 0 ? Math.min(topK, order.length) : order.length;
    kept = softmax(order.slice(0, limit).map((id) => logits[id]! / temperature));
    if (topP < 1) {
      // The smallest set whose mass reaches top-p; the token that crosses the line belongs to it.
      let mass = 0;
      kept = kept.map((probability) => {
        const inside = mass < topP;
        mass += probability;
        return inside ? probability : 0;
      });
      const total = kept.reduce((sum, probability) => sum + probability, 0);
      kept = kept.map((probability) => probability / total);
    }
  }
  return order.slice(0, count).map((id, rank) => ({
    id,
    text: vocabulary[id] ?? '',
    logit: logits[id]!,
    probability: plain[rank]!,
    sampled: kept[rank] ?? 0,
  }));
}

function softmax(values: readonly number[]): number[] {
  const largest = Math.max(...values.slice(0, 1));
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
