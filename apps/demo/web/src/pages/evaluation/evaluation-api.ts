import { problemOf } from '../../lib/server-chat.js';

export interface EvaluationRequest {
  readonly model: string;
  readonly tasks: readonly string[];
  readonly shots: number;
  readonly limit: number;
}

export interface TaskResult {
  readonly task: string;
  readonly items: number;
  readonly shots: number;
  readonly metrics: Readonly<Record<string, { readonly value: number; readonly standardError?: number }>>;
  readonly samples?: readonly {
    readonly metrics: Readonly<Record<string, number>>;
    readonly outputs?: readonly unknown[];
  }[];
}

export interface EvaluationReport {
  readonly tasks: readonly TaskResult[];
}

/** Tasks of the evaluation package that a small model answers in reasonable time. */
export const tasks: readonly { name: string; label: string }[] = [
  { name: 'lambada_openai', label: 'LAMBADA: the last word' },
  { name: 'hellaswag', label: 'HellaSwag: what happens next' },
  { name: 'commonsense_qa', label: 'CommonsenseQA' },
  { name: 'arithmetic_2da', label: 'Two-digit sums' },
  { name: 'truthfulqa_mc1', label: 'TruthfulQA' },
  { name: 'wikitext', label: 'WikiText: bits per byte' },
];

type EvaluationEvent =
  | { readonly type: 'progress'; readonly task?: string; readonly done: number; readonly total: number }
  | { readonly type: 'report'; readonly report: EvaluationReport }
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'end'; readonly report?: EvaluationReport; readonly reason?: string };

/** Runs an evaluation on the server and waits for its report. */
export async function runEvaluation(
  request: EvaluationRequest,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<EvaluationReport> {
  const response = await fetch('./api/evaluation', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw new Error(await problemOf(response));
  const { id } = (await response.json()) as { id: string };
  const path = `./api/evaluation/${encodeURIComponent(id)}`;
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${path}/events`);
    let report: EvaluationReport | undefined;
    const close = () => {
      source.close();
      signal.removeEventListener('abort', stop);
    };
    const stop = () => {
      close();
      void fetch(`${path}/stop`, { method: 'POST' });
      reject(new Error('stopped'));
    };
    signal.addEventListener('abort', stop);
    source.onmessage = ({ data }: MessageEvent<string>) => {
      const event = JSON.parse(data) as EvaluationEvent;
      if (event.type === 'progress') onProgress(`${event.done} of ${event.total}`);
      if (event.type === 'report') report = event.report;
      if (event.type === 'error') {
        close();
        reject(new Error(event.message));
      }
      if (event.type === 'end') {
        close();
        report = event.report ?? report;
        if (report) resolve(report);
        else reject(new Error('The evaluation ended without a report.'));
      }
    };
  });
}

/** Accuracy in bins of confidence, for tasks that score every choice. */
export function calibrationOf(task: TaskResult): (readonly [number, number])[] {
  const pairs = (task.samples ?? []).flatMap(({ metrics, outputs }) => {
    const scores = (outputs ?? []).flatMap((output) => {
      const value = (output as { logLikelihood?: unknown } | null)?.logLikelihood;
      return typeof value === 'number' ? [value] : [];
    });
    const accuracy = metrics.acc ?? metrics.accuracy;
    if (scores.length < 2 || accuracy === undefined) return [];
    const largest = Math.max(...scores);
    const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
    return [{ confidence: 1 / total, accuracy }];
  });
  const bins = Array.from({ length: 10 }, (_, bin) =>
    pairs.filter(({ confidence }) => Math.min(9, Math.floor(confidence * 10)) === bin),
  );
  return bins.flatMap((bin) =>
    bin.length === 0
      ? []
      : [
          [
            bin.reduce((sum, { confidence }) => sum + confidence, 0) / bin.length,
            bin.reduce((sum, { accuracy }) => sum + accuracy, 0) / bin.length,
          ] as const,
        ],
  );
}
