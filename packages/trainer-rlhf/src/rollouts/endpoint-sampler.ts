import { type EndpointOptions, endpointLanguageModel, type GPT } from '@gpt-lineage/gpt-core';
import { EndpointSamplerError } from '../errors.js';
import { mixSeeds, type Rollout } from './rollout.js';
import type { RolloutSampler } from './sampler.js';

export interface EndpointSamplerOptions extends Omit<EndpointOptions, 'kind' | 'prefixTokenId'> {
  /** Default: the tokenizer's end token. */
  readonly eosTokenId?: number;
  /**
   * How the servers get new weights: before an iteration the policy is saved as a Hugging Face directory, then `reload`
   * tells the servers. Without it the servers' weights are the caller's affair.
   */
  readonly handOver?: {
    readonly directory: string;
    readonly reload: (directory: string, iteration: number) => Promise<void>;
    /** Iterations between two hand-overs. Default 1. */
    readonly every?: number;
  };
}

/**
 * Samples on any OpenAI-compatible server (vLLM, our own, …) through `/v1/completions` with log-probabilities. The ids are
 * those of the returned text under `tokenizer`. PPO and GRPO measure the log-probabilities again under their own policy;
 * what the server reported is kept beside them and shows in the metric `sampling/sampling_logp_difference`.
 */
export function endpointSampler(options: EndpointSamplerOptions): RolloutSampler {
  const { handOver, eosTokenId = options.tokenizer.eosTokenId, ...endpoint } = options;
  const { tokenizer, contextLength = 2048 } = options;
  const model = endpointLanguageModel({ ...endpoint, kind: 'completions' });
  return {
    async sample(prompts, { n, maxTokens, temperature, seed, signal }) {
      const encoded = prompts.map(({ prompt }) => tokenizer.encode(prompt));
      const usable = [...prompts.keys()].filter((index) => {
        const { length } = encoded[index]!;
        return length > 0 && length + maxTokens <= contextLength;
      });
      let skipped = (prompts.length - usable.length) * n;
      // One request per prompt, as each has a seed of its own; the client limits how many are under way.
      const answers = await Promise.all(
        usable.map((index) =>
          model.complete([encoded[index]!], {
            n,
            maxTokens,
            temperature,
            seed: mixSeeds(seed, index) >>> 1,
            ...(signal ? { signal } : {}),
          }),
        ),
      );
      const rollouts: Rollout[] = [];
      answers.forEach(([choices = []], position) => {
        const promptIndex = usable[position]!;
        for (const { text, tokenIds, logProbs, finishReason } of choices) {
          const endedByItself = finishReason !== 'length';
          const ends = endedByItself && eosTokenId !== null && tokenIds.at(-1) !== eosTokenId;
          const completionTokenIds = ends ? [...tokenIds, eosTokenId] : [...tokenIds];
          if (
            completionTokenIds.length === 0 ||
            encoded[promptIndex]!.length + completionTokenIds.length > contextLength
          ) {
            skipped += 1;
            continue;
          }
          rollouts.push({
            promptIndex,
            prompt: prompts[promptIndex]!.prompt,
            record: prompts[promptIndex]!.record ?? {},
            completion: text,
            promptTokenIds: encoded[promptIndex]!,
            completionTokenIds,
            endedByItself,
            // Another count means that the text was cut into other tokens than were sampled.
            ...(logProbs.length >= tokenIds.length && logProbs.length <= completionTokenIds.length
              ? { samplingLogProbs: logProbs }
              : {}),
          });
        }
      });
      return { rollouts, skipped };
    },
    ...(handOver
      ? {
          async update(policy: GPT, iteration: number) {
            if (iteration % (handOver.every ?? 1) !== 0) return;
            await policy.save(handOver.directory);
            try {
              await handOver.reload(handOver.directory, iteration);
            } catch (cause) {
              throw new EndpointSamplerError(handOver.directory, cause);
            }
          },
        }
      : {}),
  };
}
