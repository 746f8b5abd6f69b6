import { useSyncExternalStore } from 'react';

const query = matchMedia('(max-width: 860px)');

function subscribe(listener: () => void): () => void {
  query.addEventListener('change', listener);
  return () => query.removeEventListener('change', listener);
}

/** Whether the window is as narrow as a phone; the style sheets use the same width. */
export const useNarrow = (): boolean => useSyncExternalStore(subscribe, () => query.matches);
