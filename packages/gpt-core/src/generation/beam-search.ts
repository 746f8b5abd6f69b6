import { ContextLengthError, InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import type { GeneratedCompletion, GenerateResult } from './generate.js';
import { openSession } from './open-session.js';
import type { ResolvedOptions } from './options.js';
import { logSoftmax, topIndices } from './probabilities.js';

interface Beam {
  readonly tokenIds: readonly number[];
  readonly logProbs: readonly number[];
  /** Sum of the log-probabilities */
  readonly score: number;
}

interface Finished extends Beam {
  /** `score / length ** lengthPenalty` */
  readonly ranking: number;
  readonly ended: 'eos' | 'length';
}

/**
 * Beam search as transformers does it: of the `2 * numBeams` best continuations, those among the first `numBeams` that
 * end become finished hypotheses, ranked by `score / length ** lengthPenalty`; the best `numBeams` others go on.
 *
 * @returns the `n` best hypotheses, best first
 */
export async function beamSearch(
  model: GPT,
  prompt: readonly number[],
  options: ResolvedOptions,
): Promise<GenerateResult> {
  const { numBeams, maxTokens, lengthPenalty, eosTokenIds } = options;
  if (options.stop.length > 0 || options.jsonSchema || options.stoppingCriteria.length > 0) {
    throw new InvalidArgumentError(
      'numBeams',
      numBeams,
      'beam search takes no stop strings, stopping criteria or JSON schema; use sampling',
    );
  }
  const { contextLength, vocabSize } = model.config;
  if (prompt.length + maxTokens - 1 > contextLength) {
    throw new ContextLengthError(prompt.length + maxTokens, contextLength, 'lower maxTokens for beam search');
  }
  let beams: Beam[] = [{ tokenIds: [], logProbs: [], score: 0 }];
  let finished: Finished[] = [];
  const session = openSession(model, {
    capacity: prompt.length + maxTokens,
    rows: numBeams,
    weights: options.weights,
    softTokens: options.softTokens,
  });
  try {
    let logits = (await session.read([prompt])).map((row) => row[0]!);
    for (let length = 1; length <= maxTokens; length++) {
      if (options.signal?.aborted) break;
      const candidates = continuations(beams, logits, prompt, options, 2 * numBeams, vocabSize);
      const running: { beam: Beam; parent: number }[] = [];
      candidates.forEach(({ beam, parent }, rank) => {
        const ended = eosTokenIds.includes(beam.tokenIds.at(-1)!)
          ? 'eos'
          : length === maxTokens
            ? 'length'
            : null;
        if (ended === null) {
          if (running.length < numBeams) running.push({ beam, parent });
        } else if (rank < numBeams) {
          finished.push({ ...beam, ended, ranking: beam.score / length ** lengthPenalty });
        }
      });
      // Stable: an earlier hypothesis stays before a later one of the same rank.
      finished = finished.sort((a, b) => b.ranking - a.ranking).slice(0, numBeams);
      if (running.length === 0 || isDone(finished, running[0]!.beam, length, options)) break;
      await session.select(running.map(({ parent }) => parent));
      beams = running.map(({ beam }) => beam);
      logits = (await session.read(beams.map(({ tokenIds }) => [tokenIds.at(-1)!]))).map((row) => row[0]!);
    }
  } finally {
    session.dispose();
  }
  if (finished.length === 0) {
    finished = beams.map((beam) => ({
      ...beam,
      ended: 'length',
      ranking: beam.score / Math.max(1, beam.tokenIds.length) ** lengthPenalty,
    }));
  }
  const choices = finished
    .slice(0, options.n)
    .map((hypothesis) => completionOf(model, hypothesis, eosTokenIds));
  if (options.signal?.aborted) {
    for (const choice of choices) (choice as { finishReason: string }).finishReason = 'abort';
  }
  return { ...choices[0]!, promptTokenIds: prompt, choices };
}

/** The best `count` pairs of beam and token, best first. */
function continuations(
  beams: readonly Beam[],
  logits: readonly Float32Array[],
  prompt: readonly number[],
  options: ResolvedOptions,
  count: number,
  vocabSize: number,
): { beam: Beam; parent: number }[] {
  const totals = new Float64Array(beams.length * vocabSize);
  const logProbs = beams.map((beam, parent) => {
    // transformers runs its processors on log-probabilities here.
    const own = logSoftmax(logits[parent]!);
    const scores = Float32Array.from(own);
    const tokenIds = [...prompt, ...beam.tokenIds];
    const context = { tokenIds, promptLength: prompt.length, text: '', row: parent };
    for (const processor of options.processors) processor(scores, context);
    const processed = options.processors.length > 0 ? Float64Array.from(scores) : own;
    for (let id = 0; id < vocabSize; id++) totals[parent * vocabSize + id] = beam.score + processed[id]!;
    return own;
  });
  return topIndices(totals, count)
    .filter((index) => totals[index]! > Number.NEGATIVE_INFINITY)
    .map((index) => {
      const parent = Math.floor(index / vocabSize);
      const tokenId = index % vocabSize;
      const from = beams[parent]!;
      return {
        parent,
        beam: {
          tokenIds: [...from.tokenIds, tokenId],
          logProbs: [...from.logProbs, logProbs[parent]![tokenId]!],
          score: totals[index]!,
        },
      };
    });
}

function isDone(
  finished: readonly Finished[],
  best: Beam,
  length: number,
  options: ResolvedOptions,
): boolean {
  if (finished.length < options.numBeams) return false;
  if (options.earlyStopping) return true;
  return best.score / length ** options.lengthPenalty <= finished.at(-1)!.ranking;
}

function completionOf(
  model: GPT,
  hypothesis: Finished,
  eosTokenIds: readonly number[],
): GeneratedCompletion & { score: number } {
  const { tokenIds, logProbs, ended, ranking } = hypothesis;
  const spoken = tokenIds.filter((id) => !eosTokenIds.includes(id));
  return {
    tokenIds: [...tokenIds],
    text: model.tokenizer ? model.tokenizer.decode(spoken) : '',
    logProbs: [...logProbs],
    meanLogProb: logProbs.reduce((sum, logProb) => sum + logProb, 0) / Math.max(1, logProbs.length),
    finishReason: ended,
    score: ranking,
  };
}
