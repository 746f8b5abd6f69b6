import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError, NonFiniteError } from '../errors.js';
import { EagerSession } from '../generation/eager-session.js';
import type { Prompt } from '../generation/generate.js';
import type { CompletionScore, ScoreRequest } from '../language-model/language-model.js';
import type { GPT } from '../model/gpt.js';
import {
  type PrefixNode,
  type PrefixRow,
  prefixTree,
  type ReadableJob,
  type ReadingCosts,
} from './prefix-tree.js';

export interface ScoreOptions {
  /** Tokens of one batch, padding included. Default 4096. */
  readonly batchTokens?: number;
  /** `[count, nEmbd]`: what ids of prompts from `vocabSize` on stand for, as in `GenerateOptions`. */
  readonly softTokens?: tf.Tensor2D;
  readonly signal?: AbortSignal;
}

interface Job extends ReadableJob {
  readonly index: number;
  /** What the model reads: prompt and completion without its last token */
  readonly input: readonly number[];
  readonly targets: readonly number[];
  /** Tokens of `input` before the one that predicts `targets[0]` */
  readonly start: number;
}

/**
 * Log-likelihoods of completions given prompts. What requests have in common at their beginning is read once, at every
 * level: examples that all questions share, questions that all choices share. What has nothing in common goes in
 * batches of similar length, padded on the right, where causal attention does not see it.
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
  const { batchTokens = 4096, softTokens, signal } = options;
  const known = model.config.vocabSize + (softTokens?.shape[0] ?? 0);
  const jobs = requests.map((request, index) => jobOf(model, request, index, prefixTokenId, known));
  const results: CompletionScore[] = new Array(requests.length);
  const costs = readingCosts(model);
  const root = prefixTree(jobs, costs);
  for (const child of root.children) {
    const session = new EagerSession(model, child.longest, child.longest, undefined, softTokens);
    try {
      session.open([0]);
      await scoreBelow(model, session, child, { costs, batchTokens, signal, results });
    } finally {
      session.dispose();
    }
  }
  const single = [...root.rows].sort((a, b) => b.tokens.length - a.tokens.length);
  for (const batch of batches(single, batchTokens, ({ tokens }) => tokens.length)) {
    signal?.throwIfAborted();
    const { lastHiddenState, logits } = model.forward(padded(batch, 0), {
      logits: 'none',
      ...(softTokens ? { softTokens } : {}),
    });
    logits.dispose();
    await collect(model, lastHiddenState, batch, 0, results);
  }
  return results;
}

/**
 * A pass takes about half a millisecond a layer before it computes anything, and a token 24·nEmbd² operations a layer;
 * a cached token is 2·nEmbd numbers a layer to copy.
 */
function readingCosts(model: GPT): ReadingCosts {
  const { nEmbd } = model.config;
  return { pass: Math.min(512, Math.max(2, 6e5 / nEmbd ** 2)), cached: 8 / nEmbd };
}

function jobOf(model: GPT, request: ScoreRequest, index: number, prefixTokenId: number, known: number): Job {
  const { contextLength, vocabSize } = model.config;
  const { completionTokenIds: targets } = request;
  if (targets.length === 0) {
    throw new InvalidArgumentError(`completions[${index}]`, targets, 'a completion needs at least one token');
  }
  const prompt = request.promptTokenIds.length > 0 ? request.promptTokenIds : [prefixTokenId];
  const whole = [...prompt, ...targets];
  const wrong = (id: number, below: number) => !Number.isInteger(id) || id < 0 || id >= below;
  const odd = prompt.find((id) => wrong(id, known)) ?? targets.find((id) => wrong(id, vocabSize));
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
  return { index, input, targets, start };
}

/** Consecutive rows whose padded batch stays within the budget; a single row may exceed it. */
function* batches(rows: readonly Row[], budget: number, length: (row: Row) => number): Generator<Row[]> {
  let batch: Row[] = [];
  let longest = 0;
  for (const row of rows) {
    const next = Math.max(longest, length(row));
    if (batch.length > 0 && next * (batch.length + 1) > budget) {
      yield batch;
      batch = [];
      longest = 0;
    }
    batch.push(row);
    longest = Math.max(longest, length(row));
  }
  if (batch.length > 0) yield batch;
}

type Row = PrefixRow<Job>;

interface Reading {
  readonly costs: ReadingCosts;
  readonly batchTokens: number;
  readonly signal: AbortSignal | undefined;
  readonly results: CompletionScore[];
}

/** Reads a common beginning, scores all that follows it, and takes the session back to where it was. */
async function scoreBelow(
  model: GPT,
  session: EagerSession,
  node: PrefixNode<Job>,
  reading: Reading,
): Promise<void> {
  reading.signal?.throwIfAborted();
  session.advance([node.tokens.slice(node.start, node.end)]).dispose();
  for (const child of node.children) await scoreBelow(model, session, child, reading);
  const { costs, batchTokens, results } = reading;
  const rows = [...node.rows].sort((a, b) => b.tokens.length - a.tokens.length);
  for (const batch of batches(rows, batchTokens, ({ tokens }) => tokens.length)) {
    reading.signal?.throwIfAborted();
    const own = batch.map(({ tokens }) => tokens.length - node.end);
    const beside = own.length * (own[0]! + 2 * node.end * costs.cached) + costs.pass;
    const inTurn = own.reduce((sum, length) => sum + length + node.end * costs.cached + costs.pass, 0);
    if (batch.length > 1 && beside < inTurn) {
      const fork = session.fork(batch.map(() => 0));
      try {
        await collect(model, fork.advance(padded(batch, node.end)), batch, node.end, results);
      } finally {
        fork.dispose();
      }
    } else {
      for (const row of batch) {
        const hidden = session.advance([row.tokens.slice(node.end)]);
        await collect(model, hidden, [row], node.end, results);
        session.rewind(row.tokens.length - node.end);
      }
    }
  }
  session.rewind(node.end - node.start);
}

/** The rows from `from` on, made equally long. */
function padded(rows: readonly Row[], from: number): number[][] {
  const longest = Math.max(...rows.map(({ tokens }) => tokens.length));
  return rows.map(({ tokens }) => [
    ...tokens.slice(from),
    ...new Array<number>(longest - tokens.length).fill(0),
  ]);
}

/** Rows of the output matrix's product held at a time: bounds memory at 50,000 logits each. */
const rowsPerProduct = 512;

/** A target, and where in the flattened hidden states it is predicted. */
interface Asked {
  readonly position: number;
  readonly target: number;
}

/**
 * Log-probabilities of the targets of the rows' jobs.
 *
 * @param hidden `[rows, length, nEmbd]` of the tokens from `from` on; disposed here
 */
async function collect(
  model: GPT,
  hidden: tf.Tensor3D,
  rows: readonly Row[],
  from: number,
  results: CompletionScore[],
): Promise<void> {
  const length = hidden.shape[1];
  const asked: Asked[] = [];
  for (const [at, { jobs }] of rows.entries()) {
    for (const { start, targets } of jobs) {
      targets.forEach((target, t) => {
        asked.push({ position: at * length + start - from + t, target });
      });
    }
  }
  // Choices of one token stand at the same position: it goes through the output matrix once.
  const positions = [...new Set(asked.map(({ position }) => position))];
  const places = new Map(positions.map((position, place) => [position, place]));
  const logProbs = new Float64Array(asked.length);
  const greedy = new Uint8Array(asked.length);
  try {
    for (let first = 0; first < positions.length; first += rowsPerProduct) {
      const part = positions.slice(first, first + rowsPerProduct);
      const orders: number[] = [];
      asked.forEach(({ position }, order) => {
        const place = places.get(position)!;
        if (place >= first && place < first + part.length) orders.push(order);
      });
      const [picked, best] = tf.tidy(() => {
        const flat = tf.reshape(hidden, [-1, model.config.nEmbd]);
        const logits = model.head(tf.gather(flat, tf.tensor1d(part, 'int32')) as tf.Tensor2D);
        const placeOf = orders.map((order) => places.get(asked[order]!.position)! - first);
        const flatIds = orders.map((order, i) => placeOf[i]! * model.config.vocabSize + asked[order]!.target);
        const target = tf.gather(tf.reshape(logits, [-1]), tf.tensor1d(flatIds, 'int32'));
        const peak = tf.max(logits, -1);
        const normalizer = tf.add(tf.log(tf.sum(tf.exp(tf.sub(logits, tf.expandDims(peak, 1))), -1)), peak);
        const own = tf.tensor1d(placeOf, 'int32');
        return [tf.sub(target, tf.gather(normalizer, own)), tf.sub(target, tf.gather(peak, own))];
      }) as [tf.Tensor, tf.Tensor];
      const [values, differences] = [await picked.data(), await best.data()];
      orders.forEach((order, i) => {
        logProbs[order] = values[i]!;
        greedy[order] = Number(differences[i]! >= 0);
      });
      tf.dispose([picked, best]);
    }
  } finally {
    hidden.dispose();
  }
  let at = 0;
  for (const { index, targets } of rows.flatMap(({ jobs }) => jobs)) {
    const tokenLogProbs = [...logProbs.subarray(at, at + targets.length)];
    const isGreedy = greedy.subarray(at, at + targets.length).every((flag) => flag === 1);
    at += targets.length;
    const logLikelihood = tokenLogProbs.reduce((sum, value) => sum + value, 0);
    if (Number.isNaN(logLikelihood)) throw new NonFiniteError('Logits');
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
