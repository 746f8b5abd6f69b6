import { parentPort } from 'node:worker_threads';
import { type FeatureParameters, featureExtractor, type TextFeatures } from './dedup/text-features.js';
import { GptLineageError } from './errors.js';
import { runTask } from './pipeline/run-task.js';
import type { Task, TaskContext } from './pipeline/task.js';

/** What a worker thread is asked. */
export type WorkerRequest =
  | { kind: 'features'; texts: string[]; parameters: FeatureParameters | null }
  | { kind: 'task'; context: Omit<TaskContext, 'signal'>; task: Task };

/** What it answers. */
export interface WorkerReply {
  result?: unknown;
  error?: { name: string; code: string; message: string };
}

let extractor: { key: string; extract: (text: string) => TextFeatures } | undefined;

async function answer(request: WorkerRequest): Promise<unknown> {
  switch (request.kind) {
    case 'features': {
      const key = JSON.stringify(request.parameters);
      if (extractor?.key !== key) extractor = { key, extract: featureExtractor(request.parameters) };
      return request.texts.map(extractor.extract);
    }
    case 'task':
      return runTask(request.context, request.task);
  }
}

parentPort?.on('message', async (request: WorkerRequest) => {
  let reply: WorkerReply;
  try {
    reply = { result: await answer(request) };
  } catch (error) {
    const { name, message } = error as Error;
    reply = {
      error: { name, code: GptLineageError.isInstance(error) ? error.code : 'corpus/worker', message },
    };
  }
  parentPort?.postMessage(reply);
});
