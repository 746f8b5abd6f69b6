import { GptLineageError } from '@gpt-lineage/gpt-core';

export interface MetricValue {
  readonly value: number;
  /** Of the value; `undefined` where no formula or resample applies (a single item). */
  readonly standardError: number | undefined;
  readonly higherIsBetter: boolean;
}

/** What one item came to. */
export interface Sample {
  readonly index: number;
  /** SHA-256 (first 16 hex digits) of the prompt, so that two runs can be compared without storing texts. */
  readonly promptHash: string;
  /** Per item and metric: what the mean is taken of. */
  readonly metrics: Readonly<Record<string, number>>;
  /** With `logSamples`. */
  readonly prompt?: string;
  readonly target?: string;
  /** Choices with their log-likelihoods, completions, or programs with their outcome. */
  readonly outputs?: readonly unknown[];
}

export interface TaskResult {
  readonly task: string;
  readonly version: number;
  readonly shots: number;
  readonly items: number;
  readonly seed: number;
  /** The first is the headline. */
  readonly metrics: Readonly<Record<string, MetricValue>>;
  /** Items whose prompt lost text on the left because it did not fit the context. */
  readonly truncated: number;
  readonly samples: readonly Sample[];
}

/** Everything a run says; plain data, the same for the same model, tasks and seed. */
export interface Report {
  readonly format: 'gpt-lineage.eval/1';
  readonly model: string;
  readonly tokenizer: string | undefined;
  readonly tasks: readonly TaskResult[];
  /** Mean of the headline metric over a group's tasks, and over all their items. */
  readonly groups: Readonly<Record<string, { metric: string; macro: number; micro: number; tasks: number }>>;
}

class ReportError extends GptLineageError {
  readonly code = 'eval/report';
}

/** Reads a report back, refusing anything else. */
export function parseReport(json: string, where: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ReportError(`${where} is no JSON (${(cause as Error).message})`, { cause });
  }
  if ((value as Report | null)?.format !== 'gpt-lineage.eval/1' || !Array.isArray((value as Report).tasks)) {
    throw new ReportError(`${where} is no evaluation report: write one with gpt-eval run --json`);
  }
  return value as Report;
}

export const headline = (result: TaskResult): [name: string, metric: MetricValue] =>
  Object.entries(result.metrics)[0]!;
