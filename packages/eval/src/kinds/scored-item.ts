import type { LanguageModel } from '@gpt-lineage/gpt-core';
import type { SandboxOptions } from '../code-execution/sandbox.js';
import type { BleuOptions } from '../metrics/bleu.js';
import type { RequestRunner } from '../requests/runner.js';
import type { Doc } from '../tasks/task.js';

/** An item with everything that precedes its own prompt. */
export interface ItemContext {
  readonly doc: Doc;
  readonly preamble: string;
}

/** One item's share of a metric, and how shares become the metric. */
export interface ItemMetric {
  /** Shown in the report's samples. */
  readonly perItem: number;
  /** `mean` of `perItem`; `exp-mean` = e^(−mean); `ratio` = f(Σ numerator / Σ denominator); `corpus` = all pairs at once. */
  readonly how:
    | { readonly kind: 'mean' }
    | { readonly kind: 'exp-mean' }
    | {
        readonly kind: 'ratio';
        readonly numerator: number;
        readonly denominator: number;
        readonly unit: 'exp' | 'bits';
      }
    | {
        readonly kind: 'corpus';
        readonly metric: 'bleu' | 'chrf';
        readonly prediction: string;
        readonly references: readonly string[];
        readonly tokenizer?: BleuOptions['tokenizer'];
      }
    | {
        /** Statistics of a whole confusion table. */
        readonly kind: 'classes';
        readonly metric: 'f1' | 'macro_f1' | 'mcc';
        readonly predicted: number;
        readonly target: number;
        /** Number of classes there are. */
        readonly classes: number;
      };
  readonly higherIsBetter: boolean;
}

export interface ScoredItem {
  readonly prompt: string;
  readonly target: string;
  readonly metrics: Readonly<Record<string, ItemMetric>>;
  readonly outputs: readonly unknown[];
  readonly truncated: boolean;
  /** Multiple choice: probability of each choice among the choices, and the right one. */
  readonly probabilities?: { readonly values: readonly number[]; readonly target: number };
}

/** How programs are run; see `runSandboxed`. */
export type SandboxSettings = Omit<SandboxOptions, 'allowCodeExecution' | 'language' | 'signal'>;

export interface ScoringTools {
  readonly model: LanguageModel;
  readonly runner: RequestRunner;
  readonly seed: number;
  readonly allowCodeExecution: boolean;
  readonly sandbox?: SandboxSettings | undefined;
  /** A second model that grades what the first one wrote, for tasks with a rubric. */
  readonly judge?: { readonly model: LanguageModel; readonly runner: RequestRunner } | undefined;
  readonly signal?: AbortSignal;
}

export const meanMetric = (value: number | boolean, higherIsBetter = true): ItemMetric => ({
  perItem: Number(value),
  how: { kind: 'mean' },
  higherIsBetter,
});
