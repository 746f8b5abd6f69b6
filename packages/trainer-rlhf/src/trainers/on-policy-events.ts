import type { TrainingEvent } from '@gpt-lineage/gpt-core';
import type { Rollout } from '../rollouts/rollout.js';
import { mean } from './mean.js';
import { UpdateStatistics } from './update-statistics.js';

/** What one iteration sampled; metrics under the names that TRL reports. */
export interface RolloutEvent {
  readonly type: 'rollout';
  /** From 0. */
  readonly iteration: number;
  /** The first optimiser step that trains on it. */
  readonly step?: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Completions that were left out: prompt too long, nothing written, no reward. */
  readonly skipped: number;
  /** A few of them, to be read. */
  readonly samples: readonly {
    readonly prompt: string;
    readonly completion: string;
    readonly reward: number;
  }[];
}

/** How the updates of one iteration went; metrics under the names that TRL reports, means over its steps. */
export interface UpdateEvent {
  readonly type: 'update';
  readonly iteration: number;
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export type OnPolicyEvent = TrainingEvent | RolloutEvent | UpdateEvent;

/** Sums of an iteration's update metrics over its steps so far. */
export interface IterationState {
  readonly steps: number;
  readonly sums: Readonly<Record<string, number>>;
}

const NOTHING: IterationState = { steps: 0, sums: {} };

/** What the iterations of a run have to tell, gathered while its training events pass. */
export class IterationLog<Name extends string> {
  readonly statistics: UpdateStatistics<Name>;
  readonly #stepsPerIteration: number;
  readonly #pending: (RolloutEvent | UpdateEvent)[] = [];
  #later: (() => Promise<RolloutEvent>) | undefined;
  #state = NOTHING;
  #iteration = 0;
  #step = 0;
  #learningRate = 0;

  constructor(names: readonly Name[], stepsPerIteration: number) {
    this.statistics = new UpdateStatistics(names);
    this.#stepsPerIteration = stepsPerIteration;
  }

  /** An iteration has sampled. One before it that ended early (its KL went too far) still has its updates to report. */
  sampled(event: RolloutEvent): void {
    this.#pending.push(...this.#update(), { ...event, step: this.#step + 1 });
    this.#iteration = event.iteration;
  }

  /** The same for an iteration whose event is known only when its first step has run: `event` is called then. */
  sampledLater(event: () => Promise<RolloutEvent>): void {
    this.#later = event;
  }

  /** Training events with each iteration's rollout event before its steps and its update event after them. */
  async *interleave(events: AsyncIterable<TrainingEvent>): AsyncGenerator<OnPolicyEvent, void, void> {
    for await (const event of events) {
      if (event.type === 'start') {
        this.#step = event.step;
        this.#iteration = Math.floor(event.step / this.#stepsPerIteration);
      }
      const later = this.#later;
      this.#later = undefined;
      if (later) this.sampled(await later());
      yield* this.#pending.splice(0);
      yield event;
      if (event.type !== 'step') continue;
      this.#step = event.step;
      this.#learningRate = event.learningRate;
      this.#add((await this.statistics.take()) as Record<string, number>);
      if (event.step % this.#stepsPerIteration === 0) yield* this.#update();
    }
  }

  dispose(): void {
    this.statistics.dispose();
  }

  save(): IterationState {
    return this.#state;
  }

  load(state: IterationState): void {
    this.#state = state;
  }

  #add(metrics: Readonly<Record<string, number>>): void {
    const { steps, sums } = this.#state;
    const names = Object.keys(metrics);
    if (names.length === 0) return;
    const added = names.map((name) => [name, (sums[name] ?? 0) + metrics[name]!] as const);
    this.#state = { steps: steps + 1, sums: Object.fromEntries(added) };
  }

  #update(): UpdateEvent[] {
    const { steps, sums } = this.#state;
    if (steps === 0) return [];
    this.#state = NOTHING;
    const means = Object.entries(sums).map(([name, sum]) => [name, sum / steps] as const);
    const metrics = { ...Object.fromEntries(means), lr: this.#learningRate };
    return [{ type: 'update', iteration: this.#iteration, step: this.#step, metrics }];
  }
}

/** Lengths of completions, and how many were cut off. */
export function completionMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const lengths = rollouts.map(({ completionTokenIds }) => completionTokenIds.length);
  const ended = rollouts.filter(({ endedByItself }) => endedByItself);
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': lengths.length === 0 ? 0 : Math.min(...lengths),
    'completions/max_length': Math.max(0, ...lengths),
    'completions/mean_terminated_length': mean(
      ended.map(({ completionTokenIds }) => completionTokenIds.length),
    ),
    'completions/clipped_ratio': (rollouts.length - ended.length) / Math.max(1, rollouts.length),
  };
}

/**
 * How far the log-probabilities that the sampler reported are from those that the policy gives the same tokens. Both are
 * the policy's at temperature 1, so that anything but rounding means stale weights or another tokenization. Nothing when
 * no sampler reports them.
 *
 * @param logProbs as measured, one list per rollout
 */
export function samplingDifference(
  rollouts: readonly Rollout[],
  logProbs: readonly (readonly number[])[],
): Record<string, number> {
  const differences = rollouts.flatMap(({ samplingLogProbs }, index) =>
    (samplingLogProbs ?? []).flatMap((own, token) => {
      const measured = logProbs[index]?.[token];
      return measured === undefined ? [] : [Math.abs(own - measured)];
    }),
  );
  if (differences.length === 0) return {};
  return {
    'sampling/sampling_logp_difference/mean': mean(differences),
    'sampling/sampling_logp_difference/max': differences.reduce((top, value) => Math.max(top, value), 0),
  };
}
