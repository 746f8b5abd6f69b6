import type { CalibrationBin } from '../../metrics/calibration.js';
import { number } from '../format.js';
import { at, escapeHtml, line, svg, text } from './svg.js';

/** Reliability diagram: accuracy of the answers given with each confidence; a calibrated model is on the diagonal. */
export function reliabilityPlot(title: string, bins: readonly CalibrationBin[]): string {
  const [left, top, size] = [44, 10, 200];
  const x = (value: number) => left + value * size;
  const y = (value: number) => top + (1 - value) * size;
  const axes = [0, 0.5, 1].map(
    (tick) =>
      text(x(tick), top + size + 16, String(tick), 'middle') +
      text(left - 6, y(tick) + 4, String(tick), 'end'),
  );
  const bars = bins.map(({ low, high, count, accuracy, confidence }) =>
    accuracy === undefined
      ? ''
      : `<rect x="${at(x(low) + 1)}" y="${at(y(accuracy))}" width="${at((high - low) * size - 2)}" height="${at(Math.max(1, accuracy * size))}"><title>${escapeHtml(`${count} answers, confidence ${number(confidence!)}, accuracy ${number(accuracy)}`)}</title></rect>`,
  );
  const frame = line(left, top, left, top + size) + line(left, top + size, left + size, top + size);
  return svg(
    title,
    left + size + 20,
    top + size + 24,
    `${bars.join('')}${frame}${line(x(0), y(0), x(1), y(1), 'grid')}${axes.join('')}`,
  );
}
