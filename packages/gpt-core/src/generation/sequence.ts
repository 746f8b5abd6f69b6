import { InvalidArgumentError, NonFiniteError } from '../errors.js';
import { Random } from '../model/random.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import type { TokenConstraint } from './json-constraint.js';
import type { LogitsContext } from './logits-processor.js';
import type { ResolvedOptions } from './options.js';
import { argmax, type Draw, draw, logSumExp, topIndices } from './probabilities.js';
import { StopStrings, TokenTextDecoder } from './text-stream.js';

/**
 * Why a sequence ended: a stop string or criterion, the end token, the limit on tokens, or the caller's signal.
 */
export type FinishReason = 'stop' | 'eos' | 'length' | 'abort';

export interface TokenLogProb {
  readonly tokenId: number;
  /** Natural logarithm of the model's probability, before temperature, penalties and truncation */
  readonly logProb: number;
}

/** One generated token. */
export interface GeneratedToken extends TokenLogProb {
  /** Text that became certain with this token; may be empty, may belong to earlier tokens as well. */
  readonly text: string;
  /** The most likely tokens, best first; with the option `logprobs`. */
  readonly topLogProbs?: readonly TokenLogProb[];
  readonly finishReason?: FinishReason;
}

/** One sample of one prompt while it grows. */
export class Sequence implements LogitsContext {
  readonly row: number;
  readonly prompt: number;
  readonly tokenIds: number[];
  readonly promptLength: number;
  readonly logProbs: number[] = [];
  readonly topLogProbs: (readonly TokenLogProb[])[] = [];
  /** Tokens of `tokenIds` that the context has dropped */
  forgotten = 0;
  finishReason: FinishReason | undefined;
  stopString: string | undefined;
  readonly #options: ResolvedOptions;
  readonly #random: Random;
  readonly #decoder: TokenTextDecoder | undefined;
  readonly #stops: StopStrings;
  readonly #constraint: TokenConstraint | undefined;
  /** What the last draw was made from. */
  #drawn: { readonly scores: Float32Array; readonly draw: Draw } | undefined;
  #text = '';
  #shown = '';

  constructor(
    prompt: number,
    row: number,
    promptIds: readonly number[],
    options: ResolvedOptions,
    tokenizer: Tokenizer | undefined,
    constraint: TokenConstraint | undefined,
  ) {
    this.prompt = prompt;
    this.row = row;
    this.tokenIds = [...promptIds];
    this.promptLength = promptIds.length;
    this.#options = options;
    this.#random = new Random(options.seeds?.[prompt] ?? options.seed, `sample ${row}`);
    this.#decoder = tokenizer && new TokenTextDecoder(tokenizer);
    this.#stops = new StopStrings(options.stop);
    this.#constraint = constraint;
  }

  /** Text generated so far, stop strings and what might become one included. */
  get text(): string {
    return this.#text;
  }

  /** Text for the caller. */
  get result(): string {
    return this.#shown;
  }

  get generated(): number[] {
    return this.tokenIds.slice(this.promptLength);
  }

  get meanLogProb(): number {
    return this.logProbs.reduce((sum, logProb) => sum + logProb, 0) / Math.max(1, this.logProbs.length);
  }

  /** Scores after all processors: what the next token is drawn from. The logits themselves where nothing changes them. */
  process(logits: Float32Array): Float32Array {
    if (!this.#constraint && this.#options.processors.length === 0) return logits;
    const scores = logits.slice();
    this.#constraint?.apply(scores, this.#options.eosTokenIds);
    for (const processor of this.#options.processors) processor(scores, this);
    return scores;
  }

  /**
   * Draws the next token.
   *
   * @throws {NonFiniteError}
   */
  choose(scores: Float32Array): number {
    const tokenId = this.#options.greedy ? argmax(scores) : this.#draw(scores);
    if (tokenId >= 0) return tokenId;
    if (scores.some(Number.isNaN)) throw new NonFiniteError('Logits');
    throw new InvalidArgumentError(
      'logitsProcessors',
      'all removed',
      'at least one token must remain to choose from',
    );
  }

  #draw(scores: Float32Array): number {
    const drawn = draw(scores, this.#random.uniform());
    this.#drawn = { scores, draw: drawn };
    return drawn.tokenId;
  }

  /** A uniform number from this sample's own stream. */
  uniform(): number {
    return this.#random.uniform();
  }

  /**
   * Takes a token over, and finds out whether it ends the sequence.
   *
   * @throws {NonFiniteError}
   */
  push(tokenId: number, logits: Float32Array): GeneratedToken {
    const { logprobs, eosTokenIds, maxTokens, stoppingCriteria } = this.#options;
    // Drawing from the logits themselves has already summed them.
    const normalizer = this.#drawn?.scores === logits ? this.#drawn.draw.normalizer : logSumExp(logits);
    this.#drawn = undefined;
    if (!Number.isFinite(normalizer)) throw new NonFiniteError('Logits');
    const logProb = logits[tokenId]! - normalizer;
    const topLogProbs =
      logprobs === undefined
        ? undefined
        : topIndices(logits, logprobs).map((id) => ({ tokenId: id, logProb: logits[id]! - normalizer }));
    this.logProbs.push(logProb);
    if (topLogProbs) this.topLogProbs.push(topLogProbs);
    this.tokenIds.push(tokenId);

    const ended = eosTokenIds.includes(tokenId);
    if (!ended) this.#constraint?.accept(tokenId);
    let text = ended || !this.#decoder ? '' : this.#show(this.#decoder.push(tokenId));
    if (this.finishReason === undefined) {
      if (ended) this.finishReason = 'eos';
      else if (stoppingCriteria.some((criterion) => criterion(this)) || this.#constraint?.finished) {
        this.finishReason = 'stop';
      } else if (this.tokenIds.length - this.promptLength >= maxTokens) this.finishReason = 'length';
    }
    if (this.finishReason !== undefined && this.stopString === undefined) text += this.#release();
    return {
      tokenId,
      logProb,
      text,
      ...(topLogProbs ? { topLogProbs } : {}),
      ...(this.finishReason === undefined ? {} : { finishReason: this.finishReason }),
    };
  }

  /** Ends the sequence from outside. @returns text that was held back */
  finish(reason: FinishReason): string {
    this.finishReason = reason;
    return this.#release();
  }

  #show(text: string): string {
    this.#text += text;
    const { text: certain, stop } = this.#stops.push(text);
    this.#shown += certain;
    if (stop !== undefined) {
      this.finishReason = 'stop';
      this.stopString = stop;
    }
    return certain;
  }

  /** No token follows: what was held back is text after all, unless the last bytes complete a stop string. */
  #release(): string {
    if (!this.#decoder) return '';
    let text = this.#show(this.#decoder.flush());
    if (this.stopString === undefined) {
      const held = this.#stops.flush();
      this.#shown += held;
      text += held;
    }
    return text;
  }
}
