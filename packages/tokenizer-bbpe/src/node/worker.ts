import { parentPort, workerData } from 'node:worker_threads';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import type { EncodedBatch, EncodeOptions, TokenizerDefinition } from '../definition.js';
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

/** Ids, or which text could not be encoded. */
export type EncodeReply = ({ job: number } & EncodedBatch) | { job: number; at: number; error: unknown };

const port = parentPort;
if (port !== null) {
  const task = workerData as WorkerTask;
  if (task.kind === 'encode') encodeFor(task);
  else countFor(task);
}

function encodeFor({ definition, steps }: WorkerTask & { kind: 'encode' }): void {
  const normalizer = steps === undefined ? undefined : normalizerOf(steps);
  const tokenizer = new ByteLevelBPETokenizer({ ...definition, normalizer });
  const canEncode = (text: string, options: EncodeOptions) => {
    try {
      tokenizer.encode(text, options);
      return true;
    } catch {
      return false;
    }
  };
  port!.on('message', ({ job, texts, options }: EncodeRequest) => {
    try {
      const { tokenIds, ends } = tokenizer.encodeBatchToUint32(texts, options);
      port!.postMessage({ job, tokenIds, ends } satisfies EncodeReply, [tokenIds.buffer, ends.buffer]);
    } catch (error) {
      const at = texts.findIndex((text) => !canEncode(text, options));
      port!.postMessage({ job, at, error } satisfies EncodeReply);
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
