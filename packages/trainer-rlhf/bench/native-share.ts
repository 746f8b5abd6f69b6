import { Session } from 'node:inspector/promises';

/**
 * Watches where this process's main thread is. ONNX Runtime computes on it, behind one JavaScript function; TensorFlow
 * computes elsewhere while it is idle.
 */
export class NativeShare {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.setSamplingInterval', { interval: 500 });
    await this.#session.post('Profiler.start');
  }

  /** Share of the time since `start` in which the thread was not in JavaScript, the engine or its garbage collector. */
  async stop(): Promise<number> {
    const { profile } = await this.#session.post('Profiler.stop');
    this.#session.disconnect();
    const native = new Set<number>();
    const own = new Set<number>();
    for (const { id, callFrame, children = [] } of profile.nodes) {
      const { functionName, url } = callFrame;
      // Callers stand before those they call.
      if (functionName === '(idle)' || /onnxruntime-node\/dist\/backend\.js$/.test(url)) native.add(id);
      if (native.has(id)) for (const child of children) native.add(child);
      if (/node:inspector$/.test(url)) own.add(id);
      if (own.has(id)) for (const child of children) own.add(child);
    }
    let [all, inside] = [0, 0];
    profile.samples!.forEach((id, at) => {
      if (own.has(id)) return; // starting to watch
      all += profile.timeDeltas![at]!;
      if (native.has(id)) inside += profile.timeDeltas![at]!;
    });
    return inside / all;
  }
}
