/** `1h 02m`, `3m 05s`, `12s`: a duration for people. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** `999`, `12.3k`, `4.5M`, `1.2B`. */
export function formatCount(value: number): string {
  for (const [size, suffix] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (value >= size) return `${(value / size).toPrecision(3)}${suffix}`;
  return String(Math.round(value));
}

/** `512 B`, `3.1 MB`, `1.2 GB`. */
export function formatBytes(bytes: number): string {
  return bytes < 1000
    ? `${bytes} B`
    : `${formatCount(bytes)
        .replace(/([kMBT])$/, ' $1')
        .replace(' B', ' G')}B`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
