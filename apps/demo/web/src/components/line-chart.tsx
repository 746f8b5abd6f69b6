import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import './line-chart.css';

export interface LineSeries {
  readonly label: string;
  /** Place in the palette */
  readonly colour: number;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Dots instead of a line */
  readonly dots?: boolean;
}

interface LineChartProps {
  readonly title: string;
  readonly series: readonly LineSeries[];
  readonly xLabel?: string;
  readonly height?: number;
  readonly format?: (value: number) => string;
  /** Draw x and y at the same scale from 0 to 1 */
  readonly unit?: boolean;
}

const plain = (value: number) =>
  value === 0 ? '0' : Math.abs(value) < 0.01 ? value.toExponential(1) : String(Number(value.toPrecision(3)));

/** Lines over a common x axis. What a screen reader hears is the last value of each. */
export function LineChart({
  title,
  series,
  xLabel = 'step',
  height = 170,
  format = plain,
  unit,
}: LineChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(undefined);
  const shape = series.map(({ label, colour, dots }) => `${label}|${colour}|${dots ?? false}`).join('\n');
  const data = table(series);
  const latest = useRef({ data, format, series });
  latest.current = { data, format, series };

  // biome-ignore lint/correctness/useExhaustiveDependencies: another set of lines is another chart; values are set below
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const build = () => {
      chart.current?.destroy();
      const style = getComputedStyle(document.documentElement);
      const colour = (name: string) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: colour('--ink-soft'),
        grid: { stroke: colour('--line'), width: 1 },
        ticks: { show: false },
        font: `11px ${colour('--sans')}`,
      };
      chart.current = new uPlot(
        {
          width: Math.max(120, element.clientWidth),
          height,
          legend: { show: false },
          cursor: { y: false, points: { size: 7 } },
          scales: {
            x: { time: false, ...(unit ? { range: [0, 1] } : {}) },
            y: unit ? { range: [0, 1] } : {},
          },
          axes: [
            { ...axis, size: 28 },
            { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => latest.current.format(tick)) },
          ],
          series: [
            { label: xLabel },
            ...latest.current.series.map(({ label, colour: at, dots }) => {
              const stroke = colour(`--series-${at % 6}`);
              return {
                label,
                stroke,
                width: dots ? 0 : 2,
                spanGaps: true,
                points: { show: Boolean(dots), size: 7, fill: stroke },
              };
            }),
          ],
        },
        latest.current.data,
        element,
      );
    };
    build();
    const resize = new ResizeObserver(() =>
      chart.current?.setSize({ width: Math.max(120, element.clientWidth), height }),
    );
    resize.observe(element);
    const theme = new MutationObserver(build);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', build);
    return () => {
      resize.disconnect();
      theme.disconnect();
      media.removeEventListener('change', build);
      chart.current?.destroy();
      chart.current = undefined;
    };
  }, [shape, height, xLabel, unit]);

  useEffect(() => {
    chart.current?.setData(data);
  }, [data]);

  const spoken = series
    .filter(({ points }) => points.length > 0)
    .map(({ label, points }) => `${label}: ${format(points.at(-1)![1])} at ${xLabel} ${points.at(-1)![0]}`)
    .join('; ');
  return (
    <figure className="line-chart">
      <figcaption>{title}</figcaption>
      <div
        ref={holder}
        role="img"
        aria-label={`${title}. ${spoken || 'No values yet'}`}
        style={{ height }}
        data-points={data[0].length}
      />
    </figure>
  );
}

/** uPlot wants one list of x values and a column per series. */
function table(series: readonly LineSeries[]): uPlot.AlignedData {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const row = new Map(xs.map((x, at) => [x, at]));
  const columns = series.map(({ points }) => {
    const column = new Array<number | null>(xs.length).fill(null);
    for (const [x, y] of points) column[row.get(x)!] = y;
    return column;
  });
  return [xs, ...columns] as uPlot.AlignedData;
}
