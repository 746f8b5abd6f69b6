import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { EagerSession } from '../generation/eager-session.js';
import type { Prompt } from '../generation/generate.js';
import type { CompletionScore, ScoreRequest } from '../language-model/language-model.js';
import type { GPT } from '../model/gpt.js';

export interface ScoreOptions {
  /** Tokens of one batch, padding included. Default 4096. */
  readonly batchTokens?: number;
  readonly signal?: AbortSignal;
}

interface Job {
  readonly index: number;
  /** What the model reads: prompt and completion without its last token */
  readonly input: readonly number[];
  readonly targets: readonly number[];
  /** Tokens of `input` before the one that predicts `targets[0]` */
  readonly start: number;
  /** Identical for requests that can share the reading of their prompt */
  readonly prompt: readonly number[];
}

/**
 * Log-likelihoods of completions given prompts. Requests with a common prompt read it once; others go in batches of
 * similar length, padded on the right, where causal attention does not see it.
 *
 * A request longer than the context loses the beginning of its prompt.
 *
 * @param prefixTokenId stands before a request without a prompt
 */
export async function scoreRequests(
  model: GPT,
  requests: readonly ScoreRequest[],
  prefixTokenId: number,
  options: ScoreOptions = {},
): Promise<CompletionScore[]> {
  const { batchTokens = 4096, signal } = options;
  const jobs = requests.map((request, index) => jobOf(model, request, index, prefixTokenId));
  const results: CompletionScore[] = new Array(requests.length);
  const groups = new Map<string, Job[]>();
  for (const job of jobs) {
    const key = job.prompt.join();
    groups.set(key, [...(groups.get(key) ?? []), job]);
  }
  const single: Job[] = [];
  for (const group of groups.values()) {
    if (group.length === 1 || group[0]!.start === 0) single.push(...group);
    else {
      for (const part of batches(group, batchTokens, (job) => job.targets.length)) {
        signal?.throwIfAborted();
        await scoreShared(model, part, results);
      }
    }
  }
  single.sort((a, b) => b.input.length - a.input.length);
  for (const batch of batches(single, batchTokens, (job) => job.input.length)) {
    signal?.throwIfAborted();
    await scoreBatch(model, batch, results);
  }
  return results;
}

function jobOf(model: GPT, request: ScoreRequest, index: number, prefixTokenId: number): Job {
  const { contextLength, vocabSize } = model.config;
  const { completionTokenIds: targets } = request;
  if (targets.length === 0) {
    throw new InvalidArgumentError(`completions[${index}]`, targets, 'a completion needs at least one token');
  }
  const prompt = request.promptTokenIds.length > 0 ? request.promptTokenIds : [prefixTokenId];
  const whole = [...prompt, ...targets];
  const odd = whole.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (odd !== undefined) {
    throw new InvalidArgumentError(`requests[${index}]`, odd, `token ids go from 0 to ${vocabSize - 1}`);
  }
  if (targets.length > contextLength) {
    throw new InvalidArgumentError(
      `completions[${index}]`,
      `${targets.length} tokens`,
      `the context has ${contextLength}; use rollingLogLikelihood for long texts`,
    );
  }
  const input = whole.slice(Math.max(0, whole.length - 1 - contextLength), -1);
  const start = input.length - targets.length;
  return { index, input, targets, start, prompt: input.slice(0, start) };
}

/** Consecutive jobs whose padded batch stays within the budget; a single job may exceed it. */
function* batches(jobs: readonly Job[], budget: number, length: (job: Job) => number): Generator<Job[]> {
  let batch: Job[] = [];
  let longest = 0;
  for (const job of jobs) {
    const next = Math.max(longest, length(job));
    if (batch.length > 0 && next * (batch.length + 1) > budget) {
      yield batch;
      batch = [];
      longest = 0;
    }
    batch.push(job);
    longest = Math.max(longest, length(job));
  }
  if (batch.length > 0) yield batch;
}

/** Different prompts: every row is read whole. */
async function scoreBatch(model: GPT, jobs: readonly Job[], results: CompletionScore[]): Promise<void> {
  const longest = Math.max(...jobs.map(({ input }) => input.length));
  const rows = jobs.map(({ input }) => [...input, ...new Array<number>(longest - input.length).fill(0)]);
  const { lastHiddenState, logits } = model.forward(rows, { logits: 'none' });
  logits.dispose();
  const positions = jobs.flatMap((job, row) => job.targets.map((_, t) => row * longest + job.start + t));
  await collect(model, lastHiddenState, positions, jobs, results);
}

/** One prompt: read once, then the completions beside each other. */
async function scoreShared(model: GPT, jobs: readonly Job[], results: CompletionScore[]): Promise<void> {
  const { prompt } = jobs[0]!;
  const session = new EagerSession(model, model.config.contextLength);
  try {
    session.open([0]);
    session.advance([[...prompt]]).dispose();
    session.select(jobs.map(() => 0));
    const longest = Math.max(...jobs.map(({ targets }) => targets.length));
    const rows = jobs.map(({ input, start }) => {
      const tail = input.slice(start);
      return [...tail, ...new Array<number>(longest - tail.length).fill(0)];
    });
    const hidden = session.advance(rows);
    const positions = jobs.flatMap((job, row) => job.targets.map((_, t) => row * longest + t));
    await collect(model, hidden, positions, jobs, results);
  } finally {
    session.dispose();
  }
}

/** Rows of the output matrix's product held at a time: bounds memory at 50,000 logits each. */
const rowsPerProduct = 512;

/** Log-probabilities where `positions` of the flattened hidden states predict the jobs' targets. */
async function collect(
  model: GPT,
  hidden: tf.Tensor3D,
  positions: readonly number[],
  jobs: readonly Job[],
  results: CompletionScore[],
): Promise<void> {
  const targets = jobs.flatMap((job) => [...job.targets]);
  const logProbs: number[] = [];
  const greedy: boolean[] = [];
  try {
    for (let start = 0; start < positions.length; start += rowsPerProduct) {
      const end = Math.min(start + rowsPerProduct, positions.length);
      const [picked, best] = tf.tidy(() => {
        const flat = tf.reshape(hidden, [-1, model.config.nEmbd]);
        const rows = tf.gather(flat, tf.tensor1d(positions.slice(start, end), 'int32'));
        const logits = model.head(rows as tf.Tensor2D);
        const flatIds = targets.slice(start, end).map((id, row) => row * model.config.vocabSize + id);
        const target = tf.gather(tf.reshape(logits, [-1]), tf.tensor1d(flatIds, 'int32'));
        const peak = tf.max(logits, -1);
        const normalizer = tf.add(tf.log(tf.sum(tf.exp(tf.sub(logits, tf.expandDims(peak, 1))), -1)), peak);
        return [tf.sub(target, normalizer), tf.sub(target, peak)];
      }) as [tf.Tensor, tf.Tensor];
      logProbs.push(...((await picked.data()) as Float32Array));
      greedy.push(...Array.from(await best.data(), (difference) => difference >= 0));
      tf.dispose([picked, best]);
    }
  } finally {
    hidden.dispose();
  }
  let at = 0;
  for (const { index, targets: own } of jobs) {
    const tokenLogProbs = logProbs.slice(at, at + own.length);
    const isGreedy = greedy.slice(at, at + own.length).every(Boolean);
    at += own.length;
    const logLikelihood = tokenLogProbs.reduce((sum, value) => sum + value, 0);
    results[index] = { logLikelihood, tokenLogProbs, isGreedy };
  }
}

/** Ids of a prompt and its completion, encoded as one text where both are texts, then cut where the prompt ends. */
export function encodePair(model: GPT, prompt: Prompt, completion: Prompt): ScoreRequest {
  if (typeof prompt === 'string' && typeof completion === 'string') {
    const promptTokenIds = prompt === '' ? [] : model.encode(prompt);
    const whole = model.encode(prompt + completion);
    const shared = promptTokenIds.every((id, i) => whole[i] === id);
    // Tokens that merge across the border: then the completion stands on its own.
    const completionTokenIds = shared ? whole.slice(promptTokenIds.length) : model.encode(completion);
    return { promptTokenIds, completionTokenIds };
  }
  return {
    promptTokenIds: typeof prompt === 'string' ? model.encode(prompt) : prompt,
    completionTokenIds: typeof completion === 'string' ? model.encode(completion) : completion,
  };
}
