import { InvalidArgumentError } from '../errors.js';
import {
  completionOf,
  type GenerateResult,
  type Prompt,
  prepare,
  type StreamEvent,
} from '../generation/generate.js';
import { jsonConstraint, type TokenConstraint } from '../generation/json-constraint.js';
import type { GenerateOptions, ResolvedOptions } from '../generation/options.js';
import { logSumExp, topIndices } from '../generation/probabilities.js';
import { type GeneratedToken, Sequence, type TokenLogProb } from '../generation/sequence.js';
import type { GPT } from '../model/gpt.js';
import { CapturedSlots } from './captured-slots.js';
import { EagerSlots } from './eager-slots.js';
import { EngineClosedError, QueueFullError } from './errors.js';
import { chooseSlot, type SlotContent } from './prefix-cache.js';
import type { Slots } from './slots.js';

export interface BatchEngineOptions {
  /** Sequences that are decoded together. Default 8. */
  readonly slots?: number;
  /** Most tokens of a sequence, prompt included; memory of a slot grows with it. Default: the model's context. */
  readonly capacity?: number;
  /** Sequences that may wait for a slot; more are refused. Default 256. */
  readonly maxWaiting?: number;
  /** Prompt tokens read between two tokens of the running sequences. Default 256. */
  readonly prefillTokens?: number;
  /** Keep what slots hold, so that a prompt with the same beginning need not be read again. Default `true`. */
  readonly prefixCache?: boolean;
}

/** What `generate` gives, and what serving it took. */
export interface EngineResult extends GenerateResult {
  /** Prompt tokens that were not read because a slot held them already */
  readonly cachedTokens: number;
  /** With `promptLogprobs` and `logprobs`: the most likely tokens at each place of the prompt; none for the first */
  readonly promptTopLogProbs?: readonly (readonly TokenLogProb[] | null)[];
}

/** A request on its way. */
export interface EngineJob {
  readonly promptTokenIds: readonly number[];
  readonly result: Promise<EngineResult>;
  /** Frees its slots; what there is becomes the result, with `finishReason: 'abort'`. */
  abort(): void;
}

export interface EngineStats {
  readonly slots: number;
  readonly active: number;
  readonly waiting: number;
  /** Since the engine was made */
  readonly generatedTokens: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Steps that decoded, and sequences in all of them: their ratio is the mean batch. */
  readonly steps: number;
  readonly stepSequences: number;
}

interface Job {
  readonly promptIds: readonly number[];
  readonly options: ResolvedOptions;
  readonly onToken: ((event: StreamEvent) => void) | undefined;
  readonly lanes: Lane[];
  readonly resolve: (result: EngineResult) => void;
  readonly reject: (error: unknown) => void;
  cachedTokens: number;
  promptLogProbs: (number | null)[];
  promptTopLogProbs: (readonly TokenLogProb[] | null)[];
  settled: boolean;
}

/** One sequence of a job. */
interface Lane {
  readonly job: Job;
  readonly sequence: Sequence;
  slot: number | undefined;
  /** The slot that it has or had: a step may still be writing there */
  lastSlot: number;
  /** Tokens to read before the next one can be chosen */
  pending: number[];
  /** Reading a prompt (in parts), not continuing it */
  reading: boolean;
}

interface Slot extends SlotContent {
  tokenIds: number[];
  busy: boolean;
  usedAt: number;
}

/**
 * Continuous batching: sequences of many requests share the model step by step, and each joins and leaves when it likes
 * (Yu et al. 2022, Orca: iteration-level scheduling). Prompts are read in parts between the steps of those that are
 * being continued (Agrawal et al. 2023, Sarathi), and beginnings that some slot holds are not read again.
 *
 * A request gives what `generate` gives with the same options, whatever runs beside it.
 */
export class BatchEngine {
  readonly model: GPT;
  readonly #slots: Slots;
  readonly #contents: Slot[];
  readonly #options: Required<BatchEngineOptions>;
  readonly #constraints = new Map<string, () => TokenConstraint>();
  #waiting: Lane[] = [];
  #active: Lane[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  #clock = 0;
  #generatedTokens = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #steps = 0;
  #stepSequences = 0;

  /** The model stays its owner's. Its adapters must not change while the engine uses it. */
  constructor(model: GPT, options: BatchEngineOptions = {}) {
    const { contextLength } = model.config;
    this.model = model;
    this.#options = {
      slots: whole('slots', options.slots ?? 8, 1),
      capacity: Math.min(contextLength, whole('capacity', options.capacity ?? contextLength, 2)),
      maxWaiting: whole('maxWaiting', options.maxWaiting ?? 256, 0),
      prefillTokens: whole('prefillTokens', options.prefillTokens ?? 256, 1),
      prefixCache: options.prefixCache ?? true,
    };
    const { slots, capacity } = this.#options;
    const Kind = model.decodePrograms.available ? CapturedSlots : EagerSlots;
    this.#slots = new Kind(model, slots, capacity);
    this.#contents = Array.from({ length: slots }, (_, slot) => ({
      slot,
      tokenIds: [],
      busy: false,
      usedAt: 0,
    }));
  }

  /** Most tokens of prompt and text together. */
  get capacity(): number {
    return this.#options.capacity;
  }

  get stats(): EngineStats {
    return {
      slots: this.#options.slots,
      active: this.#active.length,
      waiting: this.#waiting.length,
      generatedTokens: this.#generatedTokens,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      steps: this.#steps,
      stepSequences: this.#stepSequences,
    };
  }

  /**
   * Takes a request. Options are those of `generate`, without `numBeams`, `draft` and `weights`.
   *
   * @param onToken called with every token as soon as it is chosen
   * @throws {QueueFullError} `maxWaiting` sequences wait already
   * @throws {EngineClosedError}
   * @throws {InvalidArgumentError} as `generate`
   * @throws {ContextLengthError} the prompt is longer than the context
   */
  submit(prompt: Prompt, options: GenerateOptions = {}, onToken?: (event: StreamEvent) => void): EngineJob {
    if (this.#closed) throw new EngineClosedError();
    const run = prepare(this.model, [prompt], options);
    const resolved = run.options;
    for (const name of ['draft', 'numBeams', 'weights'] as const) {
      const plain = { draft: undefined, numBeams: 1, weights: 'float32' }[name];
      if (resolved[name] !== plain) {
        throw new InvalidArgumentError(name, resolved[name], 'is not for shared batches; use generate');
      }
    }
    const [promptIds] = run.prompts as [readonly number[]];
    if (promptIds.length > this.capacity) {
      throw new InvalidArgumentError(
        'prompt',
        `${promptIds.length} tokens`,
        `the engine has room for ${this.capacity}`,
      );
    }
    const { jsonSchema } = resolved;
    const constraint = jsonSchema === undefined ? undefined : this.#constraintOf(jsonSchema);
    const free = this.#options.slots - this.#active.length;
    const excess = this.#waiting.length + resolved.bestOf - Math.max(free, 0);
    if (excess > this.#options.maxWaiting) throw new QueueFullError(this.#waiting.length);

    let job!: Job;
    const result = new Promise<EngineResult>((resolve, reject) => {
      job = {
        promptIds,
        options: resolved,
        onToken,
        lanes: [],
        resolve,
        reject,
        cachedTokens: 0,
        promptLogProbs: [],
        promptTopLogProbs: [],
        settled: false,
      };
    });
    for (let row = 0; row < resolved.bestOf; row++) {
      const sequence = new Sequence(0, row, promptIds, resolved, this.model.tokenizer, constraint?.());
      job.lanes.push({ job, sequence, slot: undefined, lastSlot: -1, pending: [], reading: true });
    }
    const abort = () => this.#abort(job);
    const { signal } = resolved;
    if (signal?.aborted) abort();
    else {
      signal?.addEventListener('abort', abort, { once: true });
      const settle = () => signal?.removeEventListener('abort', abort);
      result.then(settle, settle);
      this.#promptTokens += promptIds.length;
      this.#waiting.push(...job.lanes);
      this.#running ??= this.#loop().finally(() => {
        this.#running = undefined;
      });
    }
    return { promptTokenIds: promptIds, result, abort };
  }

  /** `submit` for callers that want all of the text. */
  generate(prompt: Prompt, options: GenerateOptions = {}): Promise<EngineResult> {
    return this.submit(prompt, options).result;
  }

  /** Takes no more requests, and waits for those that it has. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running) await this.#running;
  }

  /** Aborts what is running, and frees the slots. */
  async dispose(): Promise<void> {
    this.#closed = true;
    for (const { job } of [...this.#active, ...this.#waiting]) this.#abort(job);
    while (this.#running) await this.#running;
    this.#slots.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #constraintOf(schema: NonNullable<ResolvedOptions['jsonSchema']>): () => TokenConstraint {
    const key = JSON.stringify(schema);
    let make = this.#constraints.get(key);
    if (!make) {
      make = jsonConstraint(schema, this.model);
      const [oldest] = this.#constraints.keys();
      if (this.#constraints.size >= 16) this.#constraints.delete(oldest!);
      this.#constraints.set(key, make);
    }
    return make;
  }

  async #loop(): Promise<void> {
    await breath(); // requests of one moment begin together
    while (this.#active.length + this.#waiting.length > 0) {
      await this.#prefill();
      await this.#decode();
      await breath();
    }
  }

  /** Gives slots to those who wait, and reads as much of their prompts as one step may. */
  async #prefill(): Promise<void> {
    let budget = this.#options.prefillTokens;
    while (budget > 0) {
      const lane = this.#active.find(({ reading }) => reading) ?? (await this.#admit());
      if (!lane) return;
      const { promptLogprobs } = lane.job.options;
      const first = promptLogprobs && lane.sequence.forgotten === 0;
      const part = lane.pending.splice(0, Math.min(this.#slots.longest(first), Math.max(budget, 8)));
      budget -= part.length;
      const logits = await this.#guarded([lane], () =>
        this.#slots.extend({ slot: lane.slot!, tokenIds: part }, first),
      );
      if (!logits) continue;
      this.#contents[lane.slot ?? lane.lastSlot]!.tokenIds.push(...part);
      if (lane.sequence.finishReason !== undefined) continue;
      if (first) this.#notePrompt(lane.job, logits);
      if (lane.pending.length > 0) continue;
      lane.reading = false;
      this.#take(lane, logits.at(-1)!);
    }
  }

  /** One token for everyone who has read what there is. */
  async #decode(): Promise<void> {
    const lanes = this.#active.filter(({ reading }) => !reading);
    if (lanes.length === 0) return;
    const reads = lanes.map(({ slot, pending }) => ({ slot: slot!, tokenIds: pending }));
    const logits = await this.#guarded(lanes, () => this.#slots.advance(reads));
    if (!logits) return;
    this.#steps += 1;
    this.#stepSequences += lanes.length;
    for (const { slot, tokenIds } of reads) this.#contents[slot]!.tokenIds.push(...tokenIds);
    for (const [at, lane] of lanes.entries()) {
      if (lane.sequence.finishReason === undefined) this.#take(lane, logits[at]!);
    }
  }

  /** Chooses a lane's next token from `logits`. */
  #take(lane: Lane, logits: Float32Array): void {
    const { job, sequence } = lane;
    const { options } = job;
    if (options.maxTokens === 0) {
      sequence.finish('length');
      this.#leave(lane);
      return;
    }
    try {
      const token = sequence.push(sequence.choose(sequence.process(logits)), logits);
      this.#generatedTokens += 1;
      const full = sequence.tokenIds.length - sequence.forgotten > this.capacity;
      const stopsHere = full && options.contextOverflow === 'stop' && sequence.finishReason === undefined;
      const held = stopsHere ? sequence.finish('length') : '';
      emit(lane, stopsHere ? { ...token, text: token.text + held, finishReason: 'length' } : token);
      if (sequence.finishReason !== undefined) this.#leave(lane);
      else if (full) this.#slide(lane);
      else lane.pending = [sequence.tokenIds.at(-1)!];
    } catch (error) {
      this.#fail(job, error);
    }
  }

  /** The context is full: forgets its older half, and reads the rest again, as positions are absolute. */
  #slide(lane: Lane): void {
    const { sequence } = lane;
    sequence.forgotten = sequence.tokenIds.length - Math.ceil(this.capacity / 2);
    this.#slots.keep(lane.slot!, 0);
    this.#contents[lane.slot!]!.tokenIds = [];
    lane.pending = sequence.tokenIds.slice(sequence.forgotten);
    lane.reading = true;
  }

  /** The next of those who wait gets a slot, if one is free. */
  async #admit(): Promise<Lane | undefined> {
    const lane = this.#waiting[0];
    if (!lane) return undefined;
    const { job } = lane;
    // Predictions after every token are not kept in the cache.
    const useful = this.#options.prefixCache && !job.options.promptLogprobs;
    const choice = chooseSlot(useful ? job.promptIds : [], this.#contents);
    if (!choice) return undefined;
    this.#waiting.shift();
    const content = this.#contents[choice.slot]!;
    content.busy = true;
    content.usedAt = ++this.#clock;
    lane.slot = lane.lastSlot = choice.slot;
    this.#active.push(lane);
    const known = await this.#guarded([lane], async () =>
      choice.source === choice.slot
        ? this.#slots.keep(choice.slot, choice.shared)
        : this.#slots.copy(choice.source, choice.slot, choice.shared),
    );
    if (known === undefined) return undefined;
    content.tokenIds = job.promptIds.slice(0, known);
    lane.pending = job.promptIds.slice(known);
    if (lane.sequence.row === 0) {
      job.cachedTokens = known;
      this.#cachedTokens += known;
    }
    return lane;
  }

  /** Log-probabilities of the prompt's tokens, from predictions after each of a part of them. */
  #notePrompt(job: Job, logits: readonly Float32Array[]): void {
    const { promptIds, promptLogProbs, promptTopLogProbs, options } = job;
    if (promptLogProbs.length === 0) {
      promptLogProbs.push(null);
      promptTopLogProbs.push(null);
    }
    for (const row of logits) {
      const tokenId = promptIds[promptLogProbs.length];
      if (tokenId === undefined) return;
      const normalizer = logSumExp(row);
      promptLogProbs.push(row[tokenId]! - normalizer);
      const top = topIndices(row, options.logprobs ?? 0);
      promptTopLogProbs.push(top.map((id) => ({ tokenId: id, logProb: row[id]! - normalizer })));
    }
  }

  /** Runs something that touches slots; when it fails, so do the requests that it was for. */
  async #guarded<T>(lanes: readonly Lane[], run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      for (const { job, slot, lastSlot } of lanes) {
        const broken = slot ?? lastSlot;
        this.#slots.keep(broken, 0);
        this.#contents[broken]!.tokenIds = [];
        this.#fail(job, error);
      }
      return undefined;
    }
  }

  /** Takes a finished lane out, and settles its request with the last one. */
  #leave(lane: Lane): void {
    this.#release(lane);
    const { job } = lane;
    if (job.settled || job.lanes.some(({ sequence }) => sequence.finishReason === undefined)) return;
    job.settled = true;
    const choices = job.lanes.map(({ sequence }) => completionOf(sequence));
    const { n, bestOf, promptLogprobs } = job.options;
    if (bestOf > n) choices.sort((a, b) => b.meanLogProb - a.meanLogProb);
    const kept = choices.slice(0, n);
    job.resolve({
      ...kept[0]!,
      promptTokenIds: job.promptIds,
      choices: kept,
      cachedTokens: job.cachedTokens,
      ...(promptLogprobs
        ? { promptLogProbs: job.promptLogProbs, promptTopLogProbs: job.promptTopLogProbs }
        : {}),
    });
  }

  #abort(job: Job): void {
    for (const lane of job.lanes) {
      if (lane.sequence.finishReason !== undefined) continue;
      const text = lane.sequence.finish('abort');
      const tokenId = lane.sequence.generated.at(-1);
      if (text && tokenId !== undefined) {
        emit(lane, { tokenId, logProb: lane.sequence.logProbs.at(-1)!, text, finishReason: 'abort' });
      }
      this.#leave(lane);
    }
  }

  #fail(job: Job, error: unknown): void {
    for (const lane of job.lanes) {
      lane.sequence.finishReason ??= 'abort';
      this.#release(lane);
    }
    if (job.settled) return;
    job.settled = true;
    job.reject(error);
  }

  #release(lane: Lane): void {
    this.#waiting = this.#waiting.filter((other) => other !== lane);
    if (lane.slot === undefined) return;
    const content = this.#contents[lane.slot]!;
    content.busy = false;
    content.usedAt = ++this.#clock;
    lane.slot = undefined;
    this.#active = this.#active.filter((other) => other !== lane);
  }
}

function emit({ job, sequence }: Lane, token: GeneratedToken): void {
  job.onToken?.({ ...token, choice: sequence.row, prompt: 0 });
}

function whole(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(name, value, `must be a whole number of at least ${least}`);
}

/** Lets input and timers through between two steps. */
function breath(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}
