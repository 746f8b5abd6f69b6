import type { MetricValue } from '../report.js';

/** Five significant digits; a perplexity in the millions stays readable. */
export const number = (value: number): string =>
  Math.abs(value) >= 100_000 ? value.toExponential(3) : String(Number(value.toPrecision(5)));

export const withError = ({ value, standardError }: MetricValue): string =>
  standardError === undefined ? number(value) : `${number(value)} ± ${number(standardError)}`;

export const arrow = ({ higherIsBetter }: MetricValue): string => (higherIsBetter ? '↑' : '↓');
