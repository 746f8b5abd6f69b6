import { runVerified } from '../code-execution/verified-run.js';
import { CodeExecutionDisabledError } from '../errors.js';
import { passAtK } from '../metrics/pass-at-k.js';
import type { CodeTask } from '../tasks/task.js';
import { resolveText } from '../tasks/template.js';
import { type ItemContext, meanMetric, type ScoredItem, type ScoringTools } from './scored-item.js';

/** Runs what the model wrote against the task's tests, in the sandbox. */
export async function scoreCode(
  task: CodeTask,
  contexts: readonly ItemContext[],
  { runner, seed, allowCodeExecution, sandbox, signal }: ScoringTools,
): Promise<ScoredItem[]> {
  if (!allowCodeExecution) throw new CodeExecutionDisabledError();
  const samples = task.samples ?? 1;
  const prompts = contexts.map(({ doc, preamble }) => preamble + resolveText(task.prompt, doc, task.name));
  const completions = await runner.generate(
    prompts.map((prompt) => ({
      prompt,
      stop: task.stop,
      maxTokens: task.maxTokens ?? 512,
      temperature: samples === 1 ? 0 : (task.temperature ?? 0.2),
      n: samples,
      seed,
    })),
  );
  const scored: ScoredItem[] = [];
  for (const [index, { doc }] of contexts.entries()) {
    const outputs: { completion: string; status: string }[] = [];
    for (const completion of completions[index]!.texts) {
      const { status } = await runVerified(task.program(doc, completion), {
        ...sandbox,
        allowCodeExecution,
        language: task.language ?? 'python',
        ...(signal ? { signal } : {}),
      });
      outputs.push({ completion, status });
    }
    const passed = outputs.filter((output) => output.status === 'passed').length;
    const metrics = Object.fromEntries(
      (task.k ?? [1])
        .filter((k) => k <= samples)
        .map((k) => [`pass@${k}`, meanMetric(passAtK(samples, passed, k))]),
    );
    scored.push({
      prompt: prompts[index]!,
      target: '',
      metrics,
      outputs,
      truncated: completions[index]!.truncated,
    });
  }
  return scored;
}
