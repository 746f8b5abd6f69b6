import { GptLineageError } from '@gpt-lineage/gpt-core';
import type { CalibrationReport } from './metrics/calibration.js';

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
  readonly category?: string;
  /** With `logSamples`. */
  readonly prompt?: string;
  readonly target?: string;
  /** Choices with their log-likelihoods, completions, or programs with their outcome. */
  readonly outputs?: readonly unknown[];
}

/** How much of a task the training data had seen, and what the rest of it scores. */
export interface CleanSubset {
  /** Words of the n-grams that were looked for. */
  readonly n: number;
  readonly clean: number;
  readonly dirty: number;
  /** Items too short to tell; counted neither as clean nor as dirty. */
  readonly tooShort: number;
  /** The task's metrics on the clean items alone; empty when there are none. */
  readonly metrics: Readonly<Record<string, MetricValue>>;
}

/** Multiple choice: do probabilities mean what they say? */
export interface TaskCalibration extends CalibrationReport {
  readonly brier: number;
}

export interface TaskResult {
  readonly task: string;
  readonly title: string;
  readonly version: number;
  readonly shots: number;
  /** Split that the examples in the prompt came from, where there were any. */
  readonly exampleSplit?: string;
  readonly items: number;
  readonly seed: number;
  /** The first is the headline. */
  readonly metrics: Readonly<Record<string, MetricValue>>;
  /** Items whose prompt lost text on the left because it did not fit the context. */
  readonly truncated: number;
  /** SHA-256 (first 16 hex digits) of all prompts: equal for runs that asked the same. */
  readonly promptsHash: string;
  /** Of a task whose items have categories: the metrics of each. */
  readonly categories?: Readonly<
    Record<string, { readonly items: number; readonly metrics: Readonly<Record<string, MetricValue>> }>
  >;
  readonly calibration?: TaskCalibration;
  readonly contamination?: CleanSubset;
  readonly samples: readonly Sample[];
}

/** What a run was asked for, as far as it can change the numbers. */
export interface ReportOptions {
  readonly tasks: readonly string[];
  readonly shots?: number;
  readonly limit?: number;
  readonly seed: number;
  readonly bootstrapResamples: number;
}

/** Everything a run says; plain data, the same for the same model, tasks and seed. */
export interface Report {
  readonly format: 'gpt-lineage.eval/1';
  readonly model: string;
  readonly tokenizer: string | undefined;
  /** What tells apart models of the same name: for a local one, a hash of its files. */
  readonly modelIdentity?: string;
  /** Trainable scalars, where known. */
  readonly parameters?: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly options: ReportOptions;
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
