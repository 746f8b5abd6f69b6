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

/** UTF-16 units per message: enough to make messages cheap, few enough to share the work evenly. */
const SHARE = 1 << 18;

/** A worker ended or could not be started; texts under way are lost. */
export class WorkerError extends GptLineageError {
  readonly code = 'tokenizer/worker';
}

interface Job {
  resolve(reply: Extract<EncodeReply, { ids: Uint32Array }>): void;
  reject(error: unknown): void;
  worker: Worker;
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
  readonly #workers: Worker[];
  readonly #load: Map<Worker, number>;
  readonly #jobs = new Map<number, Job>();
  readonly #canCut: boolean;
  #nextJob = 0;
  #closed = false;

  /** @throws {InvalidOptionError} for encodings whose normalizer is a function (CLIP), which cannot be sent */
  constructor(tokenizer: ByteLevelBPETokenizer, options: EncoderPoolOptions = {}) {
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
    this.#workers = Array.from({ length: workerCount(options.workers) }, () => this.#start(task));
    this.#load = new Map(this.#workers.map((worker) => [worker, 0]));
  }

  /**
   * Ids of every text.
   *
   * @throws what `encode` throws; `WorkerError` when a worker ends
   */
  async encodeBatch(texts: readonly string[], options: EncodeOptions = {}): Promise<Uint32Array[]> {
    if (this.#closed) throw new WorkerError('the pool is closed');
    const { pieces, owners } = this.#cut(texts, options);
    const replies: Promise<Uint32Array[]>[] = [];
    for (let from = 0; from < pieces.length; ) {
      let to = from;
      for (let size = 0; to < pieces.length && size < SHARE; to++) size += pieces[to]!.length + 64;
      replies.push(this.#send(pieces.slice(from, to), options));
      from = to;
    }
    const arrays = (await Promise.all(replies)).flat();
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
    for (const worker of this.#workers) void worker.terminate();
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

  async #send(texts: readonly string[], options: EncodeOptions): Promise<Uint32Array[]> {
    const worker = this.#workers.reduce((a, b) => (this.#load.get(b)! < this.#load.get(a)! ? b : a));
    const size = texts.reduce((sum, text) => sum + text.length, 0);
    this.#load.set(worker, this.#load.get(worker)! + size);
    worker.ref();
    try {
      const job = this.#nextJob++;
      const { ids, lengths } = await new Promise<Extract<EncodeReply, { ids: Uint32Array }>>(
        (resolve, reject) => {
          this.#jobs.set(job, { resolve, reject, worker });
          worker.postMessage({ job, texts, options } satisfies EncodeRequest);
        },
      );
      let at = 0;
      return lengths.map((length) => {
        const array = ids.subarray(at, at + length);
        at += length;
        return array;
      });
    } finally {
      this.#load.set(worker, this.#load.get(worker)! - size);
      if (![...this.#jobs.values()].some((job) => job.worker === worker)) worker.unref();
    }
  }

  #start(task: WorkerTask): Worker {
    const worker = startWorker(task);
    worker.on('message', (reply: EncodeReply) => {
      const job = this.#jobs.get(reply.job);
      this.#jobs.delete(reply.job);
      if ('error' in reply) job?.reject(reply.error);
      else job?.resolve(reply);
    });
    const fail = (cause: unknown) => {
      for (const [id, job] of this.#jobs) {
        if (job.worker !== worker) continue;
        this.#jobs.delete(id);
        job.reject(new WorkerError('a worker ended while it was encoding', { cause }));
      }
    };
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`exit code ${code}`)));
    return worker;
  }
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
