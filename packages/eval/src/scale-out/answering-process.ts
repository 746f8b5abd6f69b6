import { type ChildProcess, fork } from 'node:child_process';
import type { LanguageModel } from '@gpt-lineage/gpt-core';
import { answerBatch, type BatchAnswer, type RequestBatch } from '../requests/executor.js';
import type { ServedModel } from './redis.js';

type Question = { readonly id: number; readonly batch: RequestBatch };
type Reply =
  | { readonly ready: ServedModel }
  | { readonly failed: string }
  | { readonly id: number; readonly answer: BatchAnswer }
  | { readonly id: number; readonly error: string };

/** A child process that holds a model, so that this one stays free to renew its leases. */
export interface AnsweringProcess {
  readonly model: ServedModel;
  readonly child: ChildProcess;
  answer(batch: RequestBatch): Promise<BatchAnswer>;
  close(): void;
}

/** Starts `script args…`, which must call {@link serveParent}. */
export function startAnsweringProcess(script: string, args: readonly string[]): Promise<AnsweringProcess> {
  const child = fork(script, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<
    number,
    { resolve: (answer: BatchAnswer) => void; reject: (error: Error) => void }
  >();
  let next = 0;
  let closing = false;
  const answer = (batch: RequestBatch) =>
    new Promise<BatchAnswer>((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve, reject });
      child.send({ id, batch } satisfies Question);
    });
  return new Promise((resolve, reject) => {
    child.on('message', (reply: Reply) => {
      if ('ready' in reply) {
        const close = () => {
          closing = true;
          child.disconnect();
        };
        resolve({ model: reply.ready, child, answer, close });
      } else if ('failed' in reply) reject(new Error(reply.failed));
      else {
        const { resolve: done, reject: fail } = waiting.get(reply.id)!;
        waiting.delete(reply.id);
        if ('answer' in reply) done(reply.answer);
        else fail(new Error(reply.error));
      }
    });
    child.on('exit', (code, signal) => {
      const error = new Error(`the process with the model ended (${signal ?? `exit code ${code}`})`);
      reject(error);
      for (const { reject: fail } of waiting.values()) fail(error);
      // A worker without its model is of no use: whoever watches it starts it again.
      if (!closing) process.exit(1);
    });
  });
}

/** The child's side: answers the parent's batches one after the other, and ends with it. */
export async function serveParent(
  load: () => Promise<{ model: LanguageModel; identity?: string }>,
): Promise<void> {
  const send = (reply: Reply) => process.send?.(reply);
  process.on('disconnect', () => process.exit(0));
  try {
    const { model, identity } = await load();
    let last: Promise<void> = Promise.resolve();
    process.on('message', ({ id, batch }: Question) => {
      last = last.then(async () => {
        try {
          send({ id, answer: await answerBatch(model, batch, undefined) });
        } catch (error) {
          send({ id, error: (error as Error).message });
        }
      });
    });
    send({ ready: { name: model.name, fingerprint: model.fingerprint, identity } });
  } catch (error) {
    send({ failed: (error as Error).message });
    process.disconnect();
  }
}
