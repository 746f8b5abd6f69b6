import { parentPort, workerData } from 'node:worker_threads';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import type { EncodeOptions, TokenizerDefinition } from '../definition.js';
import { type NormalizationStep, normalizerOf } from '../normalization.js';
import { textAdder } from '../train.js';
import { WordCounter } from '../word-counter.js';

/** What a worker is for, given when it starts. */
export type WorkerTask =
  | { kind: 'encode'; definition: TokenizerDefinition; steps: readonly NormalizationStep[] | undefined }
  | { kind: 'count'; pattern: string; maxWords: number };

export interface EncodeRequest {
  job: number;
  texts: readonly string[];
  options: EncodeOptions;
}

/** The ids of all texts, one after the other, and how many each has. */
export type EncodeReply =
  | { job: number; ids: Uint32Array; lengths: number[] }
  | { job: number; error: unknown };

const port = parentPort;
if (port !== null) {
  const task = workerData as WorkerTask;
  if (task.kind === 'encode') encodeFor(task);
  else countFor(task);
}

function encodeFor({ definition, steps }: WorkerTask & { kind: 'encode' }): void {
  const normalizer = steps === undefined ? undefined : normalizerOf(steps);
  const tokenizer = new ByteLevelBPETokenizer({ ...definition, normalizer });
  port!.on('message', ({ job, texts, options }: EncodeRequest) => {
    try {
      const arrays = texts.map((text) => tokenizer.encodeToUint32(text, options));
      const lengths = arrays.map((array) => array.length);
      const ids = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
      let at = 0;
      for (const array of arrays) {
        ids.set(array, at);
        at += array.length;
      }
      port!.postMessage({ job, ids, lengths } satisfies EncodeReply, [ids.buffer]);
    } catch (error) {
      port!.postMessage({ job, error } satisfies EncodeReply);
    }
  });
}

function countFor({ pattern, maxWords }: WorkerTask & { kind: 'count' }): void {
  const counter = new WordCounter(maxWords);
  const add = textAdder(counter, pattern);
  port!.on('message', (text: string | null) => {
    if (text !== null) {
      add(text);
      port!.postMessage('counted');
      return;
    }
    const words = counter.words();
    port!.postMessage(words, [words.bytes.buffer, words.ends.buffer, words.counts.buffer] as ArrayBuffer[]);
  });
}
