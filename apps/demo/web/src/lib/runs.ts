import { proxy } from 'comlink';
import { useSyncExternalStore } from 'react';
import { type Engine, ownEngine } from '../worker/engine.js';
import type { LabEvent, TrainingSpec } from './lab-types.js';
import { refreshModels } from './models.js';
import { problemOf } from './server-chat.js';

export type RunStatus = 'starting' | 'running' | 'paused' | 'done' | 'stopped' | 'failed';

/** A training run, wherever it runs. */
export interface Run {
  readonly id: string;
  readonly name: string;
  readonly colour: number;
  readonly place: 'browser' | 'server';
  readonly spec: TrainingSpec;
  readonly status: RunStatus;
  readonly error?: string;
  readonly shown: boolean;
  readonly events: readonly LabEvent[];
}

interface Handle {
  control(action: 'pause' | 'resume' | 'stop'): Promise<void> | void;
  sample?(prompt: string, seed: number): Promise<string>;
  close?(): void;
}

let runs: readonly Run[] = [];
const handles = new Map<string, Handle>();
const listeners = new Set<() => void>();
let made = 0;

function set(next: readonly Run[]): void {
  runs = next;
  for (const listener of listeners) listener();
}

function change(id: string, part: (run: Run) => Partial<Run>): void {
  set(runs.map((run) => (run.id === id ? { ...run, ...part(run) } : run)));
}

export function useRuns(): readonly Run[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => runs,
  );
}

export function startRun(spec: TrainingSpec, place: Run['place']): void {
  made++;
  const run: Run = {
    id: crypto.randomUUID(),
    name: `Run ${made}`,
    colour: made - 1,
    place,
    spec,
    status: 'starting',
    shown: true,
    events: [],
  };
  set([...runs, run]);
  const work = place === 'browser' ? inBrowser(run.id, spec) : onServer(run.id, spec);
  work.catch((error: unknown) =>
    change(run.id, () => ({ status: 'failed', error: (error as Error).message })),
  );
}

function receive(id: string, event: LabEvent): void {
  change(id, (run) => {
    const events = [...run.events, event];
    if (event.type === 'end') return { events, status: event.reason === 'aborted' ? 'stopped' : 'done' };
    return { events, status: run.status === 'starting' ? 'running' : run.status };
  });
}

async function inBrowser(id: string, spec: TrainingSpec): Promise<void> {
  const { engine, close }: { engine: Engine; close: () => void } = ownEngine();
  handles.set(id, {
    control: (action) => engine.control(id, action),
    sample: (prompt, seed) => engine.sampleTrained(prompt, seed),
    close,
  });
  await engine.train(
    id,
    spec,
    proxy((event: LabEvent) => receive(id, event)),
  );
  change(id, (run) => ({
    status: run.status === 'running' || run.status === 'paused' ? 'stopped' : run.status,
  }));
}

async function onServer(id: string, spec: TrainingSpec): Promise<void> {
  const {
    kind,
    text,
    base,
    tokenizer,
    vocabSize,
    nLayer,
    nHead,
    nEmbd,
    contextLength,
    layerPattern,
    ...rest
  } = spec;
  const { dropout, rank, ...options } = rest;
  const response = await fetch('./api/training', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      kind,
      data: text,
      ...(base ? { model: base } : {}),
      config: { tokenizer, vocabSize, nLayer, nHead, nEmbd, contextLength, layerPattern, dropout },
      options: { ...options, rank },
    }),
  });
  if (!response.ok) throw new Error(await problemOf(response));
  const { id: remote } = (await response.json()) as { id: string };
  const path = `./api/training/${encodeURIComponent(remote)}`;
  const source = new EventSource(`${path}/events`);
  handles.set(id, {
    control: async (action) => {
      const answer = await fetch(`${path}/${action}`, { method: 'POST' });
      if (!answer.ok) throw new Error(await problemOf(answer));
    },
    close: () => source.close(),
  });
  source.onmessage = ({ data }: MessageEvent<string>) => {
    const event = JSON.parse(data) as LabEvent | { type: 'error'; message: string } | { type: 'saved' };
    if (event.type === 'error') {
      source.close();
      change(id, () => ({ status: 'failed', error: event.message }));
      return;
    }
    if (event.type === 'saved') {
      // The trained model is served now: the chat can talk to it.
      void refreshModels();
      return;
    }
    receive(id, event);
    if (event.type === 'end') source.close();
  };
}

export function controlRun(id: string, action: 'pause' | 'resume' | 'stop'): void {
  const next = { pause: 'paused', resume: 'running', stop: undefined } as const;
  void Promise.resolve(handles.get(id)?.control(action)).then(
    () => {
      const status = next[action];
      if (status) change(id, () => ({ status }));
    },
    (error: unknown) => change(id, () => ({ status: 'failed', error: (error as Error).message })),
  );
}

export function showRun(id: string, shown: boolean): void {
  change(id, () => ({ shown }));
}

export function removeRun(id: string): void {
  handles.get(id)?.close?.();
  handles.delete(id);
  set(runs.filter((run) => run.id !== id));
}

/** Continues a text with what the run has learned; only where its model is still in this page. */
export function sampleRun(id: string, prompt: string, seed: number): Promise<string> | undefined {
  return handles.get(id)?.sample?.(prompt, seed);
}
