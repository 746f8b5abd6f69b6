import { evaluate } from '@gpt-lineage/eval';
import { GPT, localLanguageModel } from '@gpt-lineage/gpt-core';
import type { EvaluationSpec, JobEvent } from './job-specs.js';

/** Least time between two reports of progress. */
const progressMs = 200;

/** Runs tasks on a model; the report is the last event but one. */
export async function* evaluationJob(
  spec: EvaluationSpec,
  base: string,
  signal: AbortSignal,
  tell: (event: JobEvent) => void,
): AsyncGenerator<JobEvent> {
  using model = await GPT.load(base);
  let last = 0;
  const report = await evaluate(localLanguageModel(model, { name: spec.model }), {
    tasks: spec.tasks,
    ...(spec.shots === null || spec.shots === undefined ? {} : { shots: spec.shots }),
    ...(spec.limit ? { limit: spec.limit } : {}),
    parameters: model.parameterCount,
    logSamples: true,
    signal,
    onProgress: (progress) => {
      if (Date.now() - last < progressMs && progress.done < progress.total) return;
      last = Date.now();
      tell({ type: 'progress', ...progress });
    },
  });
  yield { type: 'report', report };
  yield { type: 'end', reason: 'completed' };
}
