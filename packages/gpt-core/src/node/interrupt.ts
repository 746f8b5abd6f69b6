/**
 * Turns Ctrl-C (and a polite kill) into an abort. The first one lets the step finish and a checkpoint be written, the
 * second one leaves at once.
 *
 * @returns removes the handlers
 */
export function abortOnInterrupt(stop: AbortController): () => void {
  const handler = () => {
    if (stop.signal.aborted) process.exit(130);
    process.stderr.write('\nstopping after this step and saving; press Ctrl-C again to leave at once\n');
    stop.abort();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return () => {
    process.off('SIGINT', handler);
    process.off('SIGTERM', handler);
  };
}
