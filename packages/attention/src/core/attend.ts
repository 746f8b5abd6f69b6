import * as tf from '@tensorflow/tfjs-core';
import { type Dropout, dropoutMask } from './dropout-mask.js';
import { HIDDEN, type ScorePart, type Stage } from './score-part.js';
import {
  type Range,
  reduceTo,
  slicePositions,
  sumPieces,
  tileProduct,
  transposedTileProduct,
} from './shapes.js';

/** What a plan is built from besides query, key and value: masks, segment ids, offsets. Never differentiated. */
export type Context = readonly tf.Tensor[];

export interface AttendOptions {
  readonly scale: number;
  /** False when every query sees at least one key, which spares a few small operations. */
  readonly mayHideRows: boolean;
  readonly dropout: Dropout | null;
  readonly context: Context;
  /** Called with the context, or with saved copies of it in the backward pass. */
  readonly plan: (context: Context) => readonly Stage[];
}

/**
 * softmax(Q·Kᵀ·scale + bias + mask)·V over a plan of tiles, with a gradient that computes the scores again instead of
 * keeping them: memory is that of one stage, work that of the tiles in the plan.
 *
 * Several parts of one stage share one softmax: each contributes its maximum and its sum, which are then merged
 * (online softmax, Milakov & Gimelshein 2018). The backward pass uses P = exp(S − logSumExp) and
 * dS = P ∘ (dP − Σ dO ∘ O), as in FlashAttention (Dao et al. 2022, appendix B).
 *
 * @param bias `[batch or 1, heads or 1, queryLength or 1, keyLength or 1]`, differentiable, or null
 */
export function attend(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): tf.Tensor4D {
  const inputs: tf.Tensor[] = bias === null ? [query, key, value] : [query, key, value, bias];
  const { dropout } = options;
  const seed = dropout && dropout.seed instanceof tf.Tensor ? [dropout.seed] : [];
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const [q, k, v, b] = args as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor4D?];
    const forward = tf.tidy(() => forwardPass(q, k, v, b ?? null, options));
    // Everything the backward pass reads is saved: the caller may dispose of masks and seeds before it runs.
    const { output, logSumExp } = forward;
    save([q, k, v, output, logSumExp, ...options.context, ...seed, ...(b ? [b] : [])]);
    const gradFunc = (dOutput: tf.Tensor, saved: tf.Tensor[]) => {
      const [query, key, value, output, logSumExp] = saved as tf.Tensor4D[];
      const rest = saved.slice(5);
      const context = rest.splice(0, options.context.length);
      const savedSeed = rest.splice(0, seed.length)[0];
      return tf.tidy(() =>
        backwardPass(
          {
            query: query!,
            key: key!,
            value: value!,
            output: output!,
            logSumExp: logSumExp!,
            bias: (rest[0] as tf.Tensor4D | undefined) ?? null,
            dOutput: dOutput as tf.Tensor4D,
          },
          { ...options, context, dropout: dropout && savedSeed ? { ...dropout, seed: savedSeed } : dropout },
        ),
      );
    };
    return { value: output, gradFunc };
  });
  return run(...inputs) as tf.Tensor4D;
}

interface Forward {
  readonly [name: string]: tf.Tensor4D;
  /** `[batch, heads, queryLength, valueDim]` */
  readonly output: tf.Tensor4D;
  /** `[batch, heads, queryLength, 1]`; +1e30 in rows without a key, so that exp(S − logSumExp) is 0 there. */
  readonly logSumExp: tf.Tensor4D;
}

function forwardPass(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): Forward {
  const scaled = tf.mul(query, options.scale) as tf.Tensor4D;
  const results = options
    .plan(options.context)
    .map((stage) =>
      tf.tidy(() =>
        forwardStage(
          stage.parts(),
          slicePositions(scaled, stage.queries),
          slicePositions(key, stage.keys),
          slicePositions(value, stage.keys),
          bias === null ? null : sliceBias(bias, stage),
          options,
        ),
      ),
    );
  return {
    output: joinQueries(results.map((result) => result.output)),
    logSumExp: joinQueries(results.map((result) => result.logSumExp)),
  };
}

function forwardStage(
  parts: readonly ScorePart[],
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): Forward {
  const scores = parts.map((part) => partScores(part, part.takeQueries(query), part.takeKeys(key), bias));
  const maxima = parts.map((part, i) => part.putQueries(tf.max(scores[i]!, -1, true)));
  const rowMax = maxima.reduce((a, b) => tf.maximum(a, b)); // [batch, heads, queryLength, 1]
  let total: tf.Tensor | undefined;
  let output: tf.Tensor | undefined;
  parts.forEach((part, i) => {
    const exps = tf.exp(tf.sub(scores[i]!, part.takeQueries(rowMax)));
    const kept = options.dropout ? tf.mul(exps, dropoutMask(exps.shape, options.dropout, part.id)) : exps;
    const partTotal = part.putQueries(tf.sum(exps, -1, true));
    const partOutput = part.putQueries(tileProduct(kept, part.takeKeys(value)));
    total = total ? tf.add(total, partTotal) : partTotal;
    output = output ? tf.add(output, partOutput) : partOutput;
  });
  const normalized = tf.div(output!, total!) as tf.Tensor4D;
  const logSumExp = tf.add(rowMax, tf.log(total!)) as tf.Tensor4D;
  if (!options.mayHideRows) return { output: normalized, logSumExp };
  const isHidden = tf.cast(tf.less(rowMax, HIDDEN / 2), 'float32');
  return {
    output: tf.mul(normalized, tf.sub(1, isHidden)),
    logSumExp: tf.add(logSumExp, tf.mul(isHidden, -2 * HIDDEN)),
  };
}

/** Scores of one part, masked: `[batch, heads, …tiles, rows, columns]`. The query is scaled already. */
function partScores(part: ScorePart, query: tf.Tensor, key: tf.Tensor, bias: tf.Tensor4D | null): tf.Tensor {
  return tf.tidy(() => {
    let scores = tileProduct(query, key, true);
    if (bias !== null) scores = tf.add(scores, bias);
    if (part.mask !== null) scores = tf.add(scores, part.mask);
    return part.select ? tf.add(scores, part.select(scores)) : scores;
  });
}

interface Saved {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly output: tf.Tensor4D;
  readonly logSumExp: tf.Tensor4D;
  readonly bias: tf.Tensor4D | null;
  readonly dOutput: tf.Tensor4D;
}

function backwardPass(saved: Saved, options: AttendOptions): tf.Tensor[] {
  const { query, key, value, bias } = saved;
  const scaled = tf.mul(query, options.scale) as tf.Tensor4D;
  const delta = tf.sum(tf.mul(saved.dOutput, saved.output), -1, true) as tf.Tensor4D; // [batch, heads, queryLength, 1]
  const stages = options.plan(options.context);
  const gradients = stages.map((stage) =>
    tf.tidy(() => {
      const parts = stage.parts();
      const stageBias = bias === null ? null : sliceBias(bias, stage);
      const stageInputs = {
        query: slicePositions(scaled, stage.queries),
        key: slicePositions(key, stage.keys),
        value: slicePositions(value, stage.keys),
        logSumExp: slicePositions(saved.logSumExp, stage.queries),
        delta: slicePositions(delta, stage.queries),
        dOutput: slicePositions(saved.dOutput, stage.queries),
      };
      return parts
        .map((part) => tf.tidy(() => backwardPart(part, stageInputs, stageBias, options)))
        .reduce((a, b) => a.map((x, i) => tf.add(x, b[i]!)));
    }),
  );
  const keyPieces = (index: number) =>
    sumPieces(
      stages.map((stage, i) => ({ range: stage.keys, value: gradients[i]![index] as tf.Tensor4D })),
      key.shape[2],
    );
  const dQuery = joinQueries(gradients.map((g) => g[0] as tf.Tensor4D));
  const result: tf.Tensor[] = [tf.mul(dQuery, options.scale), keyPieces(1), keyPieces(2)];
  if (bias !== null)
    result.push(
      joinBias(
        gradients.map((g) => g[3] as tf.Tensor4D),
        stages,
        bias.shape,
      ),
    );
  return result;
}

interface StageInputs {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly logSumExp: tf.Tensor4D;
  readonly delta: tf.Tensor4D;
  readonly dOutput: tf.Tensor4D;
}

/** Gradients of one part: [dQuery (of the scaled query), dKey, dValue, dBias when there is a bias]. */
function backwardPart(
  part: ScorePart,
  inputs: StageInputs,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): tf.Tensor[] {
  const query = part.takeQueries(inputs.query);
  const key = part.takeKeys(inputs.key);
  const value = part.takeKeys(inputs.value);
  const dOutput = part.takeQueries(inputs.dOutput);
  const weights = tf.tidy(() =>
    // Rows that no query fills get weight 0, not exp(score).
    tf.exp(tf.sub(partScores(part, query, key, bias), part.takeQueries(inputs.logSumExp, -HIDDEN))),
  );
  const keep = options.dropout ? dropoutMask(weights.shape, options.dropout, part.id) : null;
  const kept = keep === null ? weights : tf.mul(weights, keep);
  const dValue = part.addKeys(transposedTileProduct(kept, dOutput, value.shape));
  const dScores = tf.tidy(() => {
    const dWeights = tileProduct(dOutput, value, true);
    const dKept = keep === null ? dWeights : tf.mul(dWeights, keep);
    return tf.mul(weights, tf.sub(dKept, part.takeQueries(inputs.delta)));
  });
  const dQuery = part.putQueries(tileProduct(dScores, key));
  const dKey = part.addKeys(transposedTileProduct(dScores, query, key.shape));
  return bias === null ? [dQuery, dKey, dValue] : [dQuery, dKey, dValue, reduceTo(dScores, bias.shape)];
}

function joinQueries(pieces: readonly tf.Tensor4D[]): tf.Tensor4D {
  return pieces.length === 1 ? pieces[0]! : tf.concat([...pieces], 2);
}

function sliceBias(bias: tf.Tensor4D, stage: Stage): tf.Tensor4D {
  const [batch, heads, rows, columns] = bias.shape;
  const take = (size: number, range: Range): [number, number] =>
    size === 1 ? [0, 1] : [range.begin, range.end - range.begin];
  const [row, rowCount] = take(rows, stage.queries);
  const [column, columnCount] = take(columns, stage.keys);
  if (rowCount === rows && columnCount === columns) return bias;
  return tf.slice(bias, [0, 0, row, column], [batch, heads, rowCount, columnCount]);
}

/** Puts the stages' gradients of the bias together, with zeros where a stage saw no key. */
function joinBias(
  pieces: readonly tf.Tensor4D[],
  stages: readonly Stage[],
  shape: [number, number, number, number],
): tf.Tensor4D {
  const wide = pieces.map((piece, i) => {
    const { begin, end } = stages[i]!.keys;
    if (shape[3] === 1 || (begin === 0 && end === shape[3])) return piece;
    return tf.pad(piece, [
      [0, 0],
      [0, 0],
      [0, 0],
      [begin, shape[3] - end],
    ]) as tf.Tensor4D;
  });
  if (shape[2] === 1) return wide.reduce((a, b) => tf.add(a, b));
  return joinQueries(wide);
}
