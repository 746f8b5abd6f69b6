import { number } from '../format.js';

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/gu, (character) => `&#${character.codePointAt(0)};`);

/** Coordinates need no more than a tenth of a pixel. */
export const at = (value: number): string => String(Math.round(value * 10) / 10);

/** A drawing with a name that screen readers say. */
export const svg = (label: string, width: number, height: number, body: string): string =>
  `<figure><svg role="img" aria-label="${escapeHtml(label)}" viewBox="0 0 ${width} ${height}" style="max-width:${width}px">${body}</svg><figcaption>${escapeHtml(label)}</figcaption></figure>`;

export const text = (
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
): string => `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`;

export const line = (x1: number, y1: number, x2: number, y2: number, kind = ''): string =>
  `<line${kind ? ` class="${kind}"` : ''} x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}"/>`;

/** Colours that colour-blind readers can tell apart (Okabe and Ito 2008). */
export const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f'];

/** Round numbers that cover a range, at most six. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

export const tickLabel = (value: number): string =>
  value >= 1e9
    ? `${number(value / 1e9)}B`
    : value >= 1e6
      ? `${number(value / 1e6)}M`
      : value >= 1e4
        ? `${number(value / 1e3)}k`
        : number(value);
