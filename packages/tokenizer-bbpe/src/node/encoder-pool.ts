import type { Worker } from 'node:worker_threads';
import { GptLineageError, InvalidOptionError } from '@gpt-lineage/tokenizer-bpe';
import type { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import type { EncodeOptions, TokenizerDefinition } from '../definition.js';
import { knownPattern } from '../patterns.js';
import type { Vocabulary } from '../vocabulary.js';
import { windowEnd } from '../windows.js';
import type { EncodeReply, EncodeRequest, WorkerTask } from './worker.js';
import { startWorker, workerCount } from './worker-source.js';

export interface EncoderPoolOptions {
  /** Threads. Default: as many as the machine has cores. */
  workers?: number;
}

/** UTF-16 units per message: enough to make messages cheap, and fewer towards a batch's end so that all end together. */
const SHARE = 1 << 18;
const SMALLEST_SHARE = 1 << 14;
/** Messages that wait at a worker, so that it goes on while this thread is busy. */
const QUEUE = 3;

/** A worker ended or could not be started; texts under way are lost. */
export class WorkerError extends GptLineageError {
  readonly code = 'tokenizer/worker';
}

/** A thread, and the messages that it has not answered yet. */
interface EncodingThread {
  worker: Worker;
  underWay: Map<number, { batch: Batch; from: number }>;
}

/** A call of `encodeBatch`. */
interface Batch {
  /** Texts, long ones in parts. */
  readonly pieces: readonly string[];
  readonly options: EncodeOptions;
  /** Ids of every piece. */
  readonly results: Uint32Array[];
  /** The first piece that has not been sent. */
  next: number;
  unsentUnits: number;
  unanswered: number;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Encodes many texts on several threads. The vocabulary is shared, texts go out in messages of similar size, ids come
 * back as typed arrays without being copied. Results are those of `encodeToUint32`.
 *
 *     const pool = new EncoderPool(tokenizer, { workers: 2 });
 *     const tokenIds = await pool.encodeBatch(texts);
 *     pool.close();
 *
 * Workers do not keep the process alive while nothing is under way.
 */
export class EncoderPool implements Disposable {
  readonly #tokenizer: ByteLevelBPETokenizer;
  readonly #threads: EncodingThread[];
  /** Batches with pieces that have not been sent, in the order of the calls. */
  #waiting: Batch[] = [];
  readonly #canCut: boolean;
  #nextJob = 0;
  #closed = false;

  /** @throws {InvalidOptionError} for encodings whose normalizer is a function (CLIP), which cannot be sent */
  constructor(tokenizer: ByteLevelBPETokenizer, options: EncoderPoolOptions = {}) {
    this.#tokenizer = tokenizer;
    const { normalizer, ...definition } = tokenizer.definition;
    if (normalizer !== undefined && normalizer.steps === undefined) {
      throw new InvalidOptionError(
        `tokenizer: ${normalizer.name} rewrites texts by a function; encode them on this thread`,
      );
    }
    this.#canCut =
      knownPattern(definition.pattern) !== undefined &&
      normalizer === undefined &&
      !definition.addPrefixSpace;
    const shared: TokenizerDefinition = {
      ...definition,
      vocabulary: sharedVocabulary(definition.vocabulary),
    };
    const task: WorkerTask = { kind: 'encode', definition: shared, steps: normalizer?.steps };
    this.#threads = Array.from({ length: workerCount(options.workers) }, () => this.#start(task));
  }

  /**
   * Ids of every text.
   *
   * @throws what `encode` throws; `WorkerError` when a worker ends
   */
  async encodeBatch(texts: readonly string[], options: EncodeOptions = {}): Promise<Uint32Array[]> {
    if (this.#closed) throw new WorkerError('the pool is closed');
    const { pieces, owners } = this.#cut(texts, options);
    if (pieces.length === 0) return [];
    const arrays: Uint32Array[] = new Array(pieces.length);
    await new Promise<void>((resolve, reject) => {
      const unsentUnits = pieces.reduce((sum, piece) => sum + costOf(piece), 0);
      this.#waiting.push({
        ...{ pieces, options, results: arrays, next: 0, unsentUnits, unanswered: pieces.length },
        ...{ resolve, reject },
      });
      this.#sendAll();
    });
    if (pieces.length === texts.length) return arrays;
    const results: Uint32Array[] = [];
    for (let at = 0; at < arrays.length; ) {
      let end = at;
      while (end < arrays.length && owners[end] === owners[at]) end++;
      results.push(end === at + 1 ? arrays[at]! : joined(arrays.slice(at, end)));
      at = end;
    }
    return results;
  }

  /** Ends the workers. */
  close(): void {
    this.#closed = true;
    for (const { worker } of this.#threads) void worker.terminate();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Long texts are cut where every pattern cuts; not where special tokens are looked for, which a cut might split. */
  #cut(texts: readonly string[], options: EncodeOptions): { pieces: string[]; owners: number[] } {
    const pieces: string[] = [];
    const owners: number[] = [];
    const mayCut =
      this.#canCut && options.allowedSpecial === undefined && options.disallowedSpecial === undefined;
    texts.forEach((text, owner) => {
      if (typeof text !== 'string') {
        throw new InvalidOptionError(`texts[${owner}]: expected a string, received ${typeof text}`);
      }
      let at = 0;
      do {
        const end = mayCut && text.length > 2 * SHARE ? windowEnd(text, at, SHARE) : text.length;
        pieces.push(at === 0 && end === text.length ? text : text.slice(at, end));
        owners.push(owner);
        at = end;
      } while (at < text.length);
    });
    return { pieces, owners };
  }

  /** Gives every worker work until each has enough. */
  #sendAll(): void {
    for (let count = 0; count < QUEUE; count++) {
      for (const thread of this.#threads) {
        if (this.#waiting.length > 0 && thread.underWay.size <= count) this.#send(this.#waiting[0]!, thread);
      }
    }
  }

  #send(batch: Batch, { worker, underWay }: EncodingThread): void {
    const { pieces, options, next: from } = batch;
    const fair = batch.unsentUnits / (3 * this.#threads.length);
    const share = Math.min(SHARE, Math.max(SMALLEST_SHARE, fair));
    let units = 0;
    while (batch.next < pieces.length && units < share) units += costOf(pieces[batch.next++]!);
    batch.unsentUnits -= units;
    if (batch.next === pieces.length) this.#waiting.shift();
    const job = this.#nextJob++;
    try {
      worker.postMessage({ job, texts: pieces.slice(from, batch.next), options } satisfies EncodeRequest);
    } catch (error) {
      this.#fail(batch, error); // options that cannot be sent
      return;
    }
    if (underWay.size === 0) worker.ref();
    underWay.set(job, { batch, from });
  }

  #receive({ worker, underWay }: EncodingThread, reply: EncodeReply): void {
    const { batch, from } = underWay.get(reply.job)!;
    underWay.delete(reply.job);
    if (underWay.size === 0) worker.unref();
    this.#sendAll();
    if ('error' in reply) {
      this.#fail(batch, this.#errorOf(batch, from + reply.at, reply.error));
      return;
    }
    const { tokenIds, ends } = reply;
    for (let i = 0, start = 0; i < ends.length; i++) {
      batch.results[from + i] = tokenIds.subarray(start, ends[i]);
      start = ends[i]!;
    }
    batch.unanswered -= ends.length;
    if (batch.unanswered === 0) batch.resolve();
  }

  /** The error that `encode` throws: sent from a worker it would have lost its class. */
  #errorOf({ pieces, options }: Batch, at: number, sent: unknown): unknown {
    try {
      this.#tokenizer.encode(pieces[at]!, options);
    } catch (error) {
      return error;
    }
    return sent;
  }

  #fail(batch: Batch, error: unknown): void {
    batch.reject(error);
    this.#waiting = this.#waiting.filter((other) => other !== batch);
  }

  #start(task: WorkerTask): EncodingThread {
    const thread: EncodingThread = { worker: startWorker(task), underWay: new Map() };
    const { worker, underWay } = thread;
    worker.on('message', (reply: EncodeReply) => this.#receive(thread, reply));
    const fail = (cause: unknown) => {
      this.#closed = true;
      const error = new WorkerError('a worker ended while it was encoding', { cause });
      for (const { batch } of underWay.values()) this.#fail(batch, error);
      for (const batch of this.#waiting) this.#fail(batch, error);
      underWay.clear();
    };
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`exit code ${code}`)));
    return thread;
  }
}

/** What a piece costs, in UTF-16 units: even an empty one takes a little. */
function costOf(piece: string): number {
  return piece.length + 64;
}

/** The same arrays in shared memory: the workers read them where they are. */
function sharedVocabulary(vocabulary: Vocabulary): Vocabulary {
  const ints = (array: Int32Array) => {
    const copy = new Int32Array(new SharedArrayBuffer(array.byteLength));
    copy.set(array);
    return copy as Int32Array as Int32Array<ArrayBuffer>;
  };
  const bytes = new Uint8Array(new SharedArrayBuffer(vocabulary.bytes.length));
  bytes.set(vocabulary.bytes);
  return {
    ...vocabulary,
    bytes: bytes as Uint8Array as Uint8Array<ArrayBuffer>,
    offsets: ints(vocabulary.offsets),
    lefts: ints(vocabulary.lefts),
    rights: ints(vocabulary.rights),
    results: ints(vocabulary.results),
  };
}

function joined(arrays: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
