import { number } from '../format.js';
import { at, escapeHtml, line, palette, svg, text, tickLabel, ticks } from './svg.js';

export interface Series {
  readonly label: string;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly standardError?: number | undefined;
  }[];
}

export interface LinePlotOptions {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly logX?: boolean;
}

/** Lines with points and whiskers; those with fewer than two points are left out. */
export function linePlot(
  title: string,
  all: readonly Series[],
  { xLabel, yLabel, logX = false }: LinePlotOptions,
): string {
  const series = all.filter(({ points }) => new Set(points.map(({ x }) => x)).size > 1);
  if (series.length === 0) return '';
  const [left, top, width, height] = [60, 12, 440, 240];
  const points = series.flatMap(({ points: own }) => own);
  const scale = (x: number) => (logX ? Math.log10(x) : x);
  const [x0, x1] = [
    Math.min(...points.map(({ x }) => scale(x))),
    Math.max(...points.map(({ x }) => scale(x))),
  ];
  const lows = points.map(({ y, standardError = 0 }) => y - standardError);
  const highs = points.map(({ y, standardError = 0 }) => y + standardError);
  const pad = (Math.max(...highs) - Math.min(...lows)) * 0.05 || 0.05;
  const [y0, y1] = [Math.min(...lows) - pad, Math.max(...highs) + pad];
  const px = (x: number) => left + ((scale(x) - x0) / (x1 - x0 || 1)) * width;
  const py = (y: number) => top + (1 - (y - y0) / (y1 - y0)) * height;
  const xs = logX ? [...new Set(points.map(({ x }) => x))] : ticks(x0, x1);
  const axes = [
    ...ticks(y0, y1).map(
      (y) => line(left, py(y), left + width, py(y), 'grid') + text(left - 6, py(y) + 4, number(y), 'end'),
    ),
    ...xs.map(
      (x) =>
        line(px(x), top + height, px(x), top + height + 4) +
        text(px(x), top + height + 18, tickLabel(x), 'middle'),
    ),
    text(left + width / 2, top + height + 36, xLabel, 'middle'),
    text(left, top - 2, yLabel),
  ];
  const curves = series.map(({ label, points: own }, index) => {
    const colour = palette[index % palette.length]!;
    const sorted = [...own].sort((a, b) => a.x - b.x);
    const path = sorted.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${at(px(x))} ${at(py(y))}`).join('');
    const marks = sorted.map(
      ({ x, y, standardError = 0 }) =>
        `<circle cx="${at(px(x))}" cy="${at(py(y))}" r="3.5" fill="${colour}"><title>${escapeHtml(`${label}: ${number(y)} at ${tickLabel(x)}`)}</title></circle>${line(px(x), py(y - standardError), px(x), py(y + standardError))}`,
    );
    const legend = `<rect class="key" x="${left + width + 14}" y="${top + index * 20}" width="12" height="12" fill="${colour}"/>${text(left + width + 32, top + index * 20 + 10, label)}`;
    return `<g stroke="${colour}"><path fill="none" stroke-width="2" d="${path}"/></g><g>${marks.join('')}${legend}</g>`;
  });
  const tall = Math.max(height + 50, series.length * 20);
  return svg(title, left + width + 240, top + tall, axes.join('') + curves.join(''));
}
