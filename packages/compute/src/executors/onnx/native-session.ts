import type { HostArray } from '../../capture/graph.js';
import type { Pointer } from '../koffi.js';
import { OT } from './model.js';
import type { OnnxLibrary } from './native-library.js';
import type { OnnxRuntime, OnnxSession, OnnxTensor } from './runtime.js';

const everyOptimization = 99;

/** Milliseconds of one picture at 60 Hz: so long the caller's thread may be kept from other work. */
const frame = 16;

/** ONNX Runtime as its C API has it: results go straight into memory that they are given. */
export function nativeRuntime(library: OnnxLibrary): OnnxRuntime {
  return {
    InferenceSession: { create: async (model, options = {}) => createSession(library, model, options) },
    Tensor: HostTensor,
  };
}

class HostTensor implements OnnxTensor {
  readonly type: keyof typeof OT;
  readonly data: HostArray;
  readonly dims: readonly number[];
  private held: { readonly library: OnnxLibrary; readonly value: Pointer } | undefined;
  isHeld = false;

  constructor(type: string, data: HostArray, dims: readonly number[]) {
    this.type = type as keyof typeof OT;
    this.data = data;
    this.dims = dims;
  }

  hold(): void {
    this.isHeld = true;
  }

  /** The runtime's value over this memory; the caller hands it to `release`. */
  valueIn(library: OnnxLibrary): Pointer {
    if (this.held !== undefined) return this.held.value;
    const { data, dims, type } = this;
    const { c, memory } = library;
    const value = library.made('take a tensor', (out) =>
      c.CreateTensorWithDataAsOrtValue(memory, data, data.byteLength, dims, dims.length, OT[type], out),
    );
    if (this.isHeld) this.held = { library, value };
    return value;
  }

  release(value: Pointer, library: OnnxLibrary): void {
    if (this.held?.value !== value) library.c.ReleaseValue(value);
  }

  dispose(): void {
    this.held?.library.c.ReleaseValue(this.held.value);
    this.held = undefined;
  }
}

function createSession(
  library: OnnxLibrary,
  model: string | Uint8Array,
  { intraOpNumThreads, logSeverityLevel }: Record<string, unknown>,
): NativeSession {
  const { c, env } = library;
  const options = library.made('make options', (out) => c.CreateSessionOptions(out));
  const set = (status: Pointer) => library.check('set an option', status);
  try {
    set(c.SetSessionGraphOptimizationLevel(options, everyOptimization));
    if (typeof logSeverityLevel === 'number') set(c.SetSessionLogSeverityLevel(options, logSeverityLevel));
    if (typeof intraOpNumThreads === 'number') set(c.SetIntraOpNumThreads(options, intraOpNumThreads));
    // Threads that wait for more work by spinning would take the processor from whatever runs between two calls.
    set(c.AddSessionConfigEntry(options, 'session.force_spinning_stop', '1'));
    const session = library.made('load the model', (out) =>
      typeof model === 'string'
        ? c.CreateSession(env, model, options, out)
        : c.CreateSessionFromArray(env, model, model.length, options, out),
    );
    return new NativeSession(library, session);
  } finally {
    c.ReleaseSessionOptions(options);
  }
}

type Tensors = Readonly<Record<string, OnnxTensor | null>>;

class NativeSession implements OnnxSession {
  private readonly library: OnnxLibrary;
  private session: Pointer;
  /** By the sizes of the arguments: whether the last run took less than a frame. */
  private readonly short = new Map<string, boolean>();

  constructor(library: OnnxLibrary, session: Pointer) {
    this.library = library;
    this.session = session;
  }

  async run(feeds: Tensors, fetches: Tensors): Promise<Record<string, OnnxTensor>> {
    const call = new Call(this.library, feeds, fetches);
    try {
      const start = performance.now();
      const isShort = this.short.get(call.sizes) === true;
      const status = isShort ? this.runHere(call) : await this.runElsewhere(call);
      this.short.set(call.sizes, performance.now() - start < frame);
      const results = call.results(status);
      // A loop that awaits one short run after the other would never let timers, sockets and signals have their turn.
      if (isShort) await new Promise((resolve) => setImmediate(resolve));
      return results;
    } finally {
      call.release();
    }
  }

  private runHere(call: Call): Pointer {
    return this.library.c.Run(...call.parameters(this.session));
  }

  /** On a thread of Node's pool. The way there and back takes up to 0.2 ms: a twentieth of a token, for small models. */
  private runElsewhere(call: Call): Promise<Pointer> {
    return new Promise((resolve, reject) => {
      this.library.c.Run.async(...call.parameters(this.session), (error: Error | null, status: Pointer) => {
        if (error) reject(error);
        else resolve(status);
      });
    });
  }

  async release(): Promise<void> {
    if (this.session === null) return;
    this.library.c.ReleaseSession(this.session);
    this.session = null;
  }
}

/** The native values of one run. Keeps the memory of the caller's arrays in reach until the run is over. */
class Call {
  private readonly library: OnnxLibrary;
  private readonly feeds: readonly [string, OnnxTensor][];
  private readonly fetches: readonly [string, OnnxTensor | null][];
  private readonly values = new Map<HostTensor, Pointer>();
  /** Results that the runtime allocated. */
  private readonly made: Pointer[] = [];
  private readonly inputs: readonly Pointer[];
  private readonly outputs: Pointer[];
  /** How long the arguments are that were made for this run, in steps of a factor of two: a cache grows with each token. */
  readonly sizes: string;

  constructor(library: OnnxLibrary, feeds: Tensors, fetches: Tensors) {
    this.library = library;
    this.feeds = Object.entries(feeds) as [string, OnnxTensor][];
    this.fetches = Object.entries(fetches);
    const own = this.feeds.filter(([, tensor]) => !(tensor as HostTensor).isHeld);
    this.sizes = own.map(([, { data }]) => Math.clz32(data.length)).join();
    this.inputs = this.feeds.map(([, tensor]) => this.valueOf(tensor as HostTensor));
    this.outputs = this.fetches.map(([, tensor]) =>
      tensor === null ? null : this.valueOf(tensor as HostTensor),
    );
  }

  private valueOf(tensor: HostTensor): Pointer {
    const pointer = this.values.get(tensor) ?? tensor.valueIn(this.library);
    this.values.set(tensor, pointer);
    return pointer;
  }

  parameters(session: Pointer): unknown[] {
    const { feeds, fetches, inputs, outputs } = this;
    const names = (list: readonly [string, unknown][]) => list.map(([name]) => name);
    const options = null;
    return [session, options, names(feeds), inputs, inputs.length, names(fetches), outputs.length, outputs];
  }

  results(status: Pointer): Record<string, OnnxTensor> {
    const { outputs, fetches, made } = this;
    this.library.check('run the model', status);
    fetches.forEach(([, tensor], i) => {
      if (tensor === null) made.push(outputs[i]);
    });
    return Object.fromEntries(
      this.fetches.map(([name, tensor], i) => [name, tensor ?? this.copyOf(outputs[i])]),
    );
  }

  /** A result that the runtime allocated. */
  private copyOf(value: Pointer): OnnxTensor {
    const { c } = this.library;
    const read = <T>(call: (out: T[]) => Pointer) => this.library.made<T>('read a result', call);
    const info = read((out) => c.GetTensorTypeAndShape(value, out));
    try {
      const rank = Number(read<number | bigint>((out) => c.GetDimensionsCount(info, out)));
      const lengths = new BigInt64Array(Math.max(1, rank));
      this.library.check('read a shape', c.GetDimensions(info, lengths, rank));
      const dims = Array.from(lengths.subarray(0, rank), Number);
      const code = read<number>((out) => c.GetTensorElementType(info, out));
      const [type] = (Object.entries(OT) as [keyof typeof OT, number][]).find(([, at]) => at === code)!;
      const size = dims.reduce((product, length) => product * length, 1);
      const data = arrayOf(type, size);
      if (size > 0) {
        const source = read<Pointer>((out) => c.GetTensorMutableData(value, out));
        this.library.copy(data, source, data.byteLength);
      }
      return new HostTensor(type, data, dims);
    } finally {
      c.ReleaseTensorTypeAndShapeInfo(info);
    }
  }

  release(): void {
    for (const [tensor, pointer] of this.values) tensor.release(pointer, this.library);
    for (const pointer of this.made) if (pointer !== null) this.library.c.ReleaseValue(pointer);
  }
}

function arrayOf(type: string, size: number): HostArray {
  if (type === 'float32') return new Float32Array(size);
  return type === 'int32' ? new Int32Array(size) : new Uint8Array(size);
}
