import { number } from '../format.js';
import { at, escapeHtml, line, svg, text } from './svg.js';

export interface Bar {
  readonly label: string;
  /** From 0 to 1. */
  readonly value: number;
  readonly standardError?: number | undefined;
}

/** Horizontal bars on one scale, one standard error as a whisker. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  if (bars.length === 0) return '';
  const [label, width, step] = [220, 460, 26];
  const body = bars.map(({ label: name, value, standardError = 0 }, index) => {
    const y = index * step;
    const [low, high] = [Math.max(0, value - standardError), Math.min(1, value + standardError)];
    return `<g><title>${escapeHtml(`${name}: ${number(value)}`)}</title>${text(label - 8, y + 16, name, 'end')}<rect x="${label}" y="${y + 4}" width="${at(Math.max(1, value * width))}" height="16" rx="3"/>${line(label + low * width, y + 12, label + high * width, y + 12)}${text(label + Math.max(value, high) * width + 6, y + 16, number(value))}</g>`;
  });
  return svg(title, label + width + 80, bars.length * step, body.join(''));
}
