import { InvalidMetricInputError } from '../errors.js';
import { passAtK } from '../metrics/pass-at-k.js';
import type { SandboxOptions, SandboxResult } from './sandbox.js';
import { runVerified } from './verified-run.js';

/** A record of the HumanEval file (Chen et al. 2021). */
export interface HumanEvalProblem {
  task_id: string;
  prompt: string;
  entry_point: string;
  test: string;
  canonical_solution?: string;
}

/** The texts at which a completion of HumanEval ends. */
export const HUMAN_EVAL_STOP = ['\nclass', '\ndef', '\n#', '\nif', '\nprint'] as const;

/** The program that decides whether a completion is right: it ends with exit code 0 only if every assertion holds. */
export function humanEvalProgram(problem: HumanEvalProblem, completion: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/u.test(problem.entry_point)) {
    throw new InvalidMetricInputError(
      'entry_point',
      problem.entry_point,
      'give the name of a Python function',
    );
  }
  return `${problem.prompt}${completion}\n\n${problem.test}\n\ncheck(${problem.entry_point})\n`;
}

/** Runs one completion against its problem's tests. */
export function checkHumanEval(
  problem: HumanEvalProblem,
  completion: string,
  options: SandboxOptions,
): Promise<SandboxResult> {
  return runVerified(humanEvalProgram(problem, completion), { ...options, language: 'python' });
}

/** pass@k over problems: the mean of the unbiased estimate of each. */
export function humanEvalPassAtK(
  outcomes: readonly { samples: number; passed: number }[],
  k: number,
): number {
  if (outcomes.length === 0)
    throw new InvalidMetricInputError('outcomes', 'an empty list', 'run at least one problem');
  return (
    outcomes.reduce((sum, { samples, passed }) => sum + passAtK(samples, passed, k), 0) / outcomes.length
  );
}
