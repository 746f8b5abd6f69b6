import { proxy } from 'comlink';
import { useCallback, useRef, useState } from 'react';
import type { AlignmentSpec, LabEvent } from '../../lib/lab-types.js';
import { engine } from '../../worker/engine.js';

/** One alignment run at a time, and what it tells. */
export function useAlignment() {
  const [events, setEvents] = useState<readonly LabEvent[]>([]);
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<unknown>();
  const job = useRef('');

  const start = useCallback(async (spec: AlignmentSpec): Promise<boolean> => {
    job.current = crypto.randomUUID();
    setEvents([]);
    setError(undefined);
    setRunning(true);
    try {
      await engine('alignment').align(
        job.current,
        spec,
        proxy((event: LabEvent) => setEvents((before) => [...before, event])),
      );
      return true;
    } catch (problem) {
      if (!/abort/i.test((problem as Error).message)) setError(problem);
      return false;
    } finally {
      setRunning(false);
    }
  }, []);

  const stop = useCallback(() => void engine('alignment').control(job.current, 'stop'), []);
  return { events, running, error, start, stop };
}
