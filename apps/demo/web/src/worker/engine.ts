import { type Remote, wrap } from 'comlink';
import type { ComputeApi } from './compute.worker.js';

export type Engine = Remote<ComputeApi>;

function start(): { engine: Engine; worker: Worker } {
  const worker = new Worker(new URL('./compute.worker.ts', import.meta.url), { type: 'module' });
  const engine = wrap<ComputeApi>(worker);
  void engine.configure(new URL('./', document.baseURI).href);
  return { engine, worker };
}

const shared = new Map<string, Engine>();

/** A worker with a name: pages that compute different things do not wait for each other. */
export function engine(name: 'chat' | 'attention' | 'alignment' | 'vision'): Engine {
  let found = shared.get(name);
  if (!found) {
    found = start().engine;
    shared.set(name, found);
  }
  return found;
}

/** A worker for one run; `close` frees everything it holds. */
export function ownEngine(): { engine: Engine; close: () => void } {
  const { engine: own, worker } = start();
  return { engine: own, close: () => worker.terminate() };
}
