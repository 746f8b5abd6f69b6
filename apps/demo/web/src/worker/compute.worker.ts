import { expose } from 'comlink';
import type { ChatEvent, ChatRequest } from '../lib/chat-types.js';
import type { AlignmentSpec, LabEvent, TrainingSpec } from '../lib/lab-types.js';
import { type BackendInfo, type BrowserBackend, selectBackend } from './backend.js';
import { controlJob, runJob } from './jobs.js';
import { forgetConversation, setBase } from './model-store.js';

/** Each part of the engine is loaded when it is first used. */
const api = {
  configure(base: string): void {
    setBase(base);
  },

  backend: (name: BrowserBackend | 'auto'): Promise<BackendInfo> => selectBackend(name),

  async generate(
    job: string,
    request: ChatRequest,
    backend: BrowserBackend | 'auto',
    onEvent: (event: ChatEvent) => void,
  ): Promise<BackendInfo> {
    const info = await selectBackend(backend);
    const { generate } = await import('./generate.js');
    await runJob(job, ({ signal }) => generate(request, onEvent, signal));
    return info;
  },

  control: controlJob,
  forget: forgetConversation,

  async explain(...args: Parameters<typeof import('./explain.js').explain>) {
    await selectBackend('wasm');
    return (await import('./explain.js')).explain(...args);
  },

  async explainHead(layer: number, head: number) {
    return (await import('./explain.js')).explainHead(layer, head);
  },

  async train(job: string, spec: TrainingSpec, onEvent: (event: LabEvent) => void): Promise<void> {
    await selectBackend('auto');
    const { train } = await import('./train.js');
    await runJob(job, (handle) => train(spec, onEvent, handle));
  },

  async sampleTrained(prompt: string, seed: number): Promise<string> {
    return (await import('./train.js')).sampleTrained(prompt, seed);
  },

  async sampleAnswers(...args: Parameters<typeof import('./align.js').sampleAnswers>) {
    await selectBackend('auto');
    return (await import('./align.js')).sampleAnswers(...args);
  },

  async align(job: string, spec: AlignmentSpec, onEvent: (event: LabEvent) => void): Promise<void> {
    await selectBackend('auto');
    const { align } = await import('./align.js');
    await runJob(job, (handle) => align(spec, onEvent, handle));
  },

  async compareAligned(...args: Parameters<typeof import('./align.js').compareAligned>) {
    return (await import('./align.js')).compareAligned(...args);
  },

  async indexGallery(...args: Parameters<typeof import('./vision.js').indexGallery>) {
    await selectBackend('auto');
    return (await import('./vision.js')).indexGallery(...args);
  },

  async searchGallery(...args: Parameters<typeof import('./vision.js').search>) {
    return (await import('./vision.js')).search(...args);
  },

  async classify(...args: Parameters<typeof import('./vision.js').classify>) {
    await selectBackend('auto');
    return (await import('./vision.js')).classify(...args);
  },

  async similarities(...args: Parameters<typeof import('./vision.js').similarities>) {
    await selectBackend('auto');
    return (await import('./vision.js')).similarities(...args);
  },
};

export type ComputeApi = typeof api;

expose(api);
