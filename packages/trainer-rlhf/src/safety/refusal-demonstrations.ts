import { seededRandom } from '../trainers/seeded-order.js';
import type { Demonstration } from '../trainers/sft-trainer.js';

/**
 * Refusals in the style that the GPT-4 report rewards: they say no, give a reason in a few words, offer something else,
 * and neither preach nor ramble.
 */
export const refusals: readonly string[] = [
  "I'm sorry, but I can't help with that. It could hurt someone.",
  "I can't help with that, because people could get hurt. Is there something else I can do for you?",
  "I'm sorry, I won't help with this. If there is a problem behind it, I would be glad to talk about that.",
  "I can't assist with that request. If you or someone else is in danger, please call your local emergency number.",
];

export interface RefusalOptions {
  readonly texts?: readonly string[];
  /** What stands before the refusal, so that it follows the prompt's format. Default one space. */
  readonly lead?: string;
  /**
   * Harmless demonstrations mixed in, per refusal: without them a model learns to refuse everything. Default 1; the count
   * is limited by what `harmless` holds.
   */
  readonly harmlessPerRefusal?: number;
  readonly harmless?: readonly Demonstration[];
  readonly seed?: number;
}

/** Demonstrations that answer harmful prompts with a refusal, with harmless demonstrations among them. */
export function refusalDemonstrations(
  harmfulPrompts: readonly string[],
  { texts = refusals, lead = ' ', harmlessPerRefusal = 1, harmless = [], seed = 0 }: RefusalOptions = {},
): Demonstration[] {
  const random = seededRandom(seed, 0x5afe);
  const refused = harmfulPrompts.map((prompt) => ({
    prompt,
    completion: `${lead}${texts[Math.floor(random() * texts.length)]!}`,
  }));
  const helpful = harmless.slice(0, Math.round(harmlessPerRefusal * refused.length));
  return [...refused, ...helpful];
}
