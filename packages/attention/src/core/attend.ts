import * as tf from '@tensorflow/tfjs-core';
import { joinBias, sliceBias } from './bias.js';
import { type Dropout, dropoutMask } from './dropout-mask.js';
import { scope } from './scope.js';
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
  /** Keep the weights for the backward pass instead of computing them again: faster, at 4 bytes per score. */
  readonly keepWeights: boolean;
  /**
   * Where no gradient is recorded: scale the scores and not the query. Slower by itself, but in a graph TensorFlow makes
   * product, factor and mask one operation. Default false.
   */
  readonly scaleScores?: boolean;
}

/**
 * softmax(Q·Kᵀ·scale + bias + mask)·V over a plan of tiles, with a gradient that computes the scores again or keeps them.
 *
 * Parts of one stage share one softmax, whose maximum and sum run along while the parts pass by (online softmax,
 * Milakov & Gimelshein 2018). The backward pass uses P = exp(S − logSumExp) and dS = P ∘ (dP − Σ dO ∘ O), as in
 * FlashAttention (Dao et al. 2022, appendix B).
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
  if (!isTaping()) return scope(() => forwardPass(query, key, value, bias, options, 'output').output);
  const inputs: tf.Tensor[] = bias === null ? [query, key, value] : [query, key, value, bias];
  const { dropout, context } = options;
  const seed = dropout && dropout.seed instanceof tf.Tensor ? [dropout.seed] : [];
  const need = options.keepWeights ? 'weights' : 'logSumExp';
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const [q, k, v, b] = args as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor4D?];
    const { output, logSumExp, kept } = scope(() => forwardPass(q, k, v, b ?? null, options, need));
    // Everything the backward pass reads is saved: the caller may dispose of masks and seeds before it runs.
    save([q, k, v, output, logSumExp!, ...context, ...seed, ...(b ? [b] : []), ...kept]);
    const gradFunc = (dOutput: tf.Tensor, saved: tf.Tensor[]) => {
      const rest = [...saved];
      const [query, key, value, output, logSumExp] = rest.splice(0, 5) as Tensors<5>;
      const ownContext = rest.splice(0, context.length);
      const ownSeed = rest.splice(0, seed.length)[0];
      const bias = b ? (rest.splice(0, 1)[0] as tf.Tensor4D) : null;
      const own = { ...options, context: ownContext };
      return tf.tidy(() =>
        backwardPass(
          { query, key, value, output, logSumExp, bias, kept: rest, dOutput: dOutput as tf.Tensor4D },
          dropout && ownSeed ? { ...own, dropout: { ...dropout, seed: ownSeed } } : own,
        ),
      );
    };
    return { value: output, gradFunc };
  });
  return run(...inputs) as tf.Tensor4D;
}

type Tensors<N extends number, Rest extends tf.Tensor4D[] = []> = Rest['length'] extends N
  ? Rest
  : Tensors<N, [...Rest, tf.Tensor4D]>;

/** Whether a gradient is being recorded: otherwise nothing is kept for it. */
export function isTaping(): boolean {
  return (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth > 0;
}

/** What is wanted besides the output: nothing, log-sum-exp, or that and the weights. */
type Need = 'output' | 'logSumExp' | 'weights';

interface Forward {
  /** `[batch, heads, queryLength, valueDim]` */
  readonly output: tf.Tensor4D;
  /** `[batch, heads, queryLength, 1]`; +1e30 in rows without a key, so that exp(S − logSumExp) is 0 there. */
  readonly logSumExp: tf.Tensor4D | null;
  /** For every part in order: exp(S − running maximum) as a view, and that maximum per query of the stage. */
  readonly kept: tf.Tensor[];
}

function forwardPass(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
  need: Need,
): Forward {
  const scaled = options.scaleScores ? query : scaleBy(query, options.scale);
  const results = options
    .plan(options.context)
    .map((stage) => scope(() => forwardStage(stage, scaled, key, value, bias, options, need)));
  return {
    output: joinQueries(results.map((result) => result.output)),
    logSumExp: need === 'output' ? null : joinQueries(results.map((result) => result.logSumExp!)),
    kept: results.flatMap((result) => result.kept),
  };
}

/** Running state of the online softmax, all `[batch, heads, queries, ·]`. */
interface Running {
  readonly max: tf.Tensor4D;
  readonly total: tf.Tensor4D;
  readonly output: tf.Tensor4D;
}

function forwardStage(
  stage: Stage,
  scaled: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
  need: Need,
): Forward {
  const query = slicePositions(scaled, stage.queries);
  if (need === 'output' && stage.parts.length === 1) {
    const output = softmaxPart(stage.parts[0]!(), query, key, value, stage.queries, bias, options);
    return { output, logSumExp: null, kept: [] };
  }
  const kept: tf.Tensor[] = [];
  let running: Running | null = null;
  for (const makePart of stage.parts) {
    const before: Running | null = running;
    const step: { next: Running; kept: tf.Tensor[] } = scope(() => {
      const part = makePart();
      const partBias = bias === null ? null : sliceBias(bias, stage.queries, part.keys);
      const keys = part.takeKeys(slicePositions(key, part.keys));
      const scores = partScores(part, part.takeQueries(query), keys, partBias, scoreScale(options));
      const partMax = part.putQueries(tf.max(scores, -1, true));
      const max = before === null ? partMax : tf.maximum<tf.Tensor4D>(before.max, partMax);
      const exps = tf.exp(tf.sub(scores, part.takeQueries(max)));
      const dropped = options.dropout
        ? tf.mul(exps, dropoutMask(exps.shape, options.dropout, part.id))
        : exps;
      const values = part.takeKeys(slicePositions(value, part.keys));
      const own: Running = {
        max,
        total: part.putQueries(tf.sum(exps, -1, true)),
        output: part.putQueries(tileProduct(dropped as tf.Tensor, values)),
      };
      return {
        next: before === null ? own : merge(before, own),
        kept: need === 'weights' ? [exps, max] : [],
      };
    });
    running = step.next;
    kept.push(...step.kept);
  }
  const { max, total, output } = running!;
  const normalized = tf.div(output, total) as tf.Tensor4D;
  const logSumExp = need === 'output' ? null : (tf.add(max, tf.log(total)) as tf.Tensor4D);
  if (!options.mayHideRows) return { output: normalized, logSumExp, kept };
  const isHidden = tf.cast(tf.less(max, HIDDEN / 2), 'float32');
  return {
    output: tf.mul(normalized, tf.sub(1, isHidden)),
    logSumExp: logSumExp && tf.add(logSumExp, tf.mul(isHidden, -2 * HIDDEN)),
    kept,
  };
}

/** All keys of a stage in one part, and nothing to keep: one softmax kernel instead of its steps. */
function softmaxPart(
  part: ScorePart,
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  queries: Range,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): tf.Tensor4D {
  const keys = part.takeKeys(slicePositions(key, part.keys));
  const partBias = bias === null ? null : sliceBias(bias, queries, part.keys);
  const scores = partScores(part, part.takeQueries(query), keys, partBias, scoreScale(options));
  const weights = tf.softmax(scores);
  const isSeen = options.mayHideRows
    ? tf.cast(tf.greaterEqual(tf.max(scores, -1, true), HIDDEN / 2), 'float32')
    : null;
  scores.dispose(); // its memory is still in the cache: the next large result takes it
  const dropped = options.dropout
    ? tf.mul(weights, dropoutMask(weights.shape, options.dropout, part.id))
    : weights;
  const product = tileProduct(dropped, part.takeKeys(slicePositions(value, part.keys)));
  return part.putQueries(isSeen === null ? product : tf.mul(product, isSeen));
}

/** Rescales what came before to the new maximum and adds. */
function merge(before: Running, own: Running): Running {
  const shrink = tf.exp(tf.sub(before.max, own.max));
  return {
    max: own.max,
    total: tf.add(tf.mul(before.total, shrink), own.total),
    output: tf.add(tf.mul(before.output, shrink), own.output),
  };
}

function scoreScale({ scaleScores, scale }: AttendOptions): number {
  return scaleScores ? scale : 1;
}

/** Scores of one part, masked: `[batch, heads, …tiles, rows, columns]`. `scale` is what the query is not scaled by. */
function partScores(
  part: ScorePart,
  query: tf.Tensor,
  key: tf.Tensor,
  bias: tf.Tensor4D | null,
  scale = 1,
): tf.Tensor {
  return tf.tidy(() => {
    let scores = tileProduct(query, key, true);
    if (scale !== 1) scores = tf.mul(scores, scale);
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
  readonly kept: readonly tf.Tensor[];
  readonly dOutput: tf.Tensor4D;
}

interface Piece {
  readonly range: Range;
  readonly value: tf.Tensor4D;
}

function backwardPass(saved: Saved, options: AttendOptions): tf.Tensor[] {
  const scaled = scaleBy(saved.query, options.scale);
  const delta = tf.sum(tf.mul(saved.dOutput, saved.output), -1, true) as tf.Tensor4D; // [batch, heads, queryLength, 1]
  const kept = [...saved.kept];
  const dQueries: tf.Tensor4D[] = [];
  const [dKeys, dValues]: [Piece[], Piece[]] = [[], []];
  const dBiases: { queries: Range; keys: Range; value: tf.Tensor4D }[] = [];
  for (const stage of options.plan(options.context)) {
    const rows = {
      query: slicePositions(scaled, stage.queries),
      logSumExp: slicePositions(saved.logSumExp, stage.queries),
      delta: slicePositions(delta, stage.queries),
      dOutput: slicePositions(saved.dOutput, stage.queries),
    };
    let dQuery: tf.Tensor4D | null = null;
    for (const makePart of stage.parts) {
      const before: tf.Tensor4D | null = dQuery;
      const own = kept.splice(0, 2);
      const step = scope(() => {
        const part = makePart();
        const bias = saved.bias === null ? null : sliceBias(saved.bias, stage.queries, part.keys);
        const gradients = backwardPart(part, saved, rows, bias, own, options);
        const { dQuery } = gradients;
        return { ...gradients, dQuery: before === null ? dQuery : tf.add(before, dQuery), keys: part.keys };
      });
      dQuery = step.dQuery as tf.Tensor4D;
      dKeys.push({ range: step.keys, value: step.dKey });
      dValues.push({ range: step.keys, value: step.dValue });
      if (step.dBias !== null) dBiases.push({ queries: stage.queries, keys: step.keys, value: step.dBias });
    }
    dQueries.push(dQuery!);
  }
  const keyLength = saved.key.shape[2];
  const result: tf.Tensor[] = [
    scaleBy(joinQueries(dQueries), options.scale),
    sumPieces(dKeys, keyLength),
    sumPieces(dValues, keyLength),
  ];
  if (saved.bias !== null) result.push(joinBias(dBiases, saved.bias.shape));
  return result;
}

interface StageRows {
  readonly query: tf.Tensor4D;
  readonly logSumExp: tf.Tensor4D;
  readonly delta: tf.Tensor4D;
  readonly dOutput: tf.Tensor4D;
}

/**
 * Gradients of one part. The softmax weights are `weights · factor` with a factor per query: with kept weights
 * exp(running maximum − logSumExp), so that it can be multiplied into dOutput, which is far smaller; otherwise 1.
 */
function backwardPart(
  part: ScorePart,
  saved: Saved,
  rows: StageRows,
  bias: tf.Tensor4D | null,
  kept: readonly tf.Tensor[],
  options: AttendOptions,
) {
  const query = part.takeQueries(rows.query);
  const key = part.takeKeys(slicePositions(saved.key, part.keys));
  const value = part.takeKeys(slicePositions(saved.value, part.keys));
  const [keptWeights, keptMax] = kept;
  const weights =
    keptWeights ??
    tf.tidy(() =>
      // Rows that no query fills get weight 0, not exp(score).
      tf.exp(tf.sub(partScores(part, query, key, bias), part.takeQueries(rows.logSumExp, -HIDDEN))),
    );
  const factor = keptMax === undefined ? null : tf.exp(tf.sub(keptMax, rows.logSumExp));
  const byFactor = (x: tf.Tensor4D): tf.Tensor4D => (factor === null ? x : tf.mul(x, factor));
  const dOutput = part.takeQueries(byFactor(rows.dOutput));
  const delta = part.takeQueries(byFactor(rows.delta));
  const drop = options.dropout ? dropoutMask(weights.shape, options.dropout, part.id) : null;
  const dropped = drop === null ? weights : tf.mul(weights, drop);
  const dValue = part.addKeys(transposedTileProduct(dropped, dOutput, value.shape));
  const dScores = tf.tidy(() => {
    const dWeights = tileProduct(dOutput, value, true);
    return tf.mul(weights, tf.sub(drop === null ? dWeights : tf.mul(dWeights, drop), delta));
  });
  return {
    dQuery: part.putQueries(tileProduct(dScores, key)),
    dKey: part.addKeys(transposedTileProduct(dScores, query, key.shape)),
    dValue,
    dBias: bias === null ? null : (reduceTo(dScores, bias.shape) as tf.Tensor4D),
  };
}

function scaleBy(x: tf.Tensor4D, scale: number): tf.Tensor4D {
  return scale === 1 ? x : tf.mul(x, scale);
}

function joinQueries(pieces: readonly tf.Tensor4D[]): tf.Tensor4D {
  return pieces.length === 1 ? pieces[0]! : tf.concat([...pieces], 2);
}
