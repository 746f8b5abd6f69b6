/** `4d 03h`, `1h 02m`, `3m 05s`, `12s`: a duration for people. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h ${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24).toLocaleString('en')}d ${pad(hours % 24)}h`;
}

/** `999`, `12.3k`, `4.5M`, `1.2B`: a count for people, with the short scale's letters. */
export function formatCount(value: number): string {
  return scaled(value, ['k', 'M', 'B', 'T']).join('');
}

/** `512 B`, `3.10 MB`, `1.20 GB`. */
export function formatBytes(bytes: number): string {
  return formatQuantity(bytes, 'B');
}

/** `3.10 MB`, `4.65 TFLOP`: a value with the prefixes of the SI. */
export function formatQuantity(value: number, unit: string): string {
  const [digits, prefix] = scaled(value, ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']);
  return `${digits} ${prefix}${unit}`;
}

function scaled(value: number, letters: readonly string[]): [digits: string, letter: string] {
  for (let power = letters.length; power > 0; power--)
    if (value >= 1000 ** power) return [(value / 1000 ** power).toPrecision(3), letters[power - 1]!];
  return [String(Math.round(value)), ''];
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
