import { useEffect, useSyncExternalStore } from 'react';

/** What the server says about one checkpoint. */
export interface ModelInfo {
  readonly id: string;
  readonly kind: 'gpt' | 'clip' | 'multimodal';
  readonly title: string;
  readonly description: string;
  readonly parameters: number;
  readonly tokenizer?: unknown;
  readonly config: Readonly<Record<string, unknown>>;
}

interface State {
  readonly models: readonly ModelInfo[];
  readonly loading: boolean;
  readonly error: string | undefined;
}

let state: State = { models: [], loading: true, error: undefined };
let asked = false;
const listeners = new Set<() => void>();

function set(next: State): void {
  state = next;
  for (const listener of listeners) listener();
}

export async function refreshModels(): Promise<void> {
  try {
    const response = await fetch('./api/models');
    if (!response.ok) throw new Error(`the server answered with status ${response.status}`);
    const body = (await response.json()) as readonly ModelInfo[] | { models: readonly ModelInfo[] };
    const models = 'models' in body ? body.models : body;
    set({ models, loading: false, error: undefined });
  } catch (error) {
    set({ models: [], loading: false, error: (error as Error).message });
  }
}

/** The server's models, asked for once. */
export function useModels(): State {
  useEffect(() => {
    if (asked) return;
    asked = true;
    void refreshModels();
  }, []);
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
