import { type KeyboardEvent, useEffect, useRef } from 'react';

interface HeatmapProps {
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
  /** Cells that do not count: drawn as empty */
  readonly hidden?: ((row: number, column: number) => boolean) | undefined;
  /** `signed` centres at 0 with a colour for either side; otherwise from 0 up */
  readonly signed?: boolean | undefined;
  /** What full colour stands for; default the largest magnitude */
  readonly scale?: number | undefined;
  readonly label: string;
  readonly selected?: { readonly row: number; readonly column?: number } | undefined;
  readonly onSelect?: (row: number, column: number) => void;
  readonly className?: string;
}

/** A matrix as colours, one cell per value, drawn on a canvas so that hundreds of them stay quick. */
export function Heatmap(props: HeatmapProps) {
  const { rows, columns, values, hidden, signed, scale, label, selected, onSelect, className = '' } = props;
  const canvas = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = () => draw(element, { rows, columns, values, hidden, signed, scale, selected });
    paint();
    // Colours come from the theme.
    const observer = new MutationObserver(paint);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', paint);
    return () => {
      observer.disconnect();
      media.removeEventListener('change', paint);
    };
  }, [rows, columns, values, hidden, signed, scale, selected]);

  const step = (event: KeyboardEvent) => {
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const move = moves[event.key];
    if (!move || !onSelect) return;
    event.preventDefault();
    const row = Math.max(0, Math.min(rows - 1, (selected?.row ?? 0) + move[0]));
    const column = Math.max(0, Math.min(columns - 1, (selected?.column ?? 0) + move[1]));
    onSelect(row, column);
  };

  const image = (
    <canvas ref={canvas} className="heatmap-canvas" role="img" aria-label={label} data-testid="heatmap" />
  );
  if (!onSelect) return <div className={`heatmap ${className}`}>{image}</div>;
  return (
    <button
      type="button"
      className={`heatmap ${className}`}
      aria-label={`${label}. Arrow keys move.`}
      onKeyDown={step}
      onClick={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        if (event.detail === 0) return; // by keyboard
        const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
        const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
        onSelect(Math.max(0, Math.min(rows - 1, row)), Math.max(0, Math.min(columns - 1, column)));
      }}
    >
      {image}
    </button>
  );
}

type Drawn = Pick<HeatmapProps, 'rows' | 'columns' | 'values' | 'hidden' | 'signed' | 'scale' | 'selected'>;

function draw(element: HTMLCanvasElement, { rows, columns, values, hidden, signed, scale, selected }: Drawn) {
  const cell = Math.max(2, Math.min(16, Math.floor(900 / Math.max(rows, columns))));
  element.width = columns * cell;
  element.height = rows * cell;
  element.style.aspectRatio = `${columns} / ${rows}`;
  const context = element.getContext('2d');
  if (!context) return;
  const style = getComputedStyle(document.documentElement);
  const heat = style.getPropertyValue('--heat').trim();
  const other = style.getPropertyValue('--heat-alt').trim();
  const sunken = style.getPropertyValue('--sunken').trim();
  const ink = style.getPropertyValue('--ink').trim();
  let largest = scale ?? 0;
  if (scale === undefined)
    for (let i = 0; i < rows * columns; i++) largest = Math.max(largest, Math.abs(values[i]!));
  const gap = cell >= 6 ? 1 : 0;
  context.fillStyle = sunken;
  context.fillRect(0, 0, element.width, element.height);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      if (hidden?.(row, column)) continue;
      const value = values[row * columns + column]!;
      const strength = largest > 0 ? Math.min(1, Math.abs(value) / largest) : 0;
      const colour = signed && value < 0 ? other : heat;
      context.fillStyle = `rgb(${colour} / ${(0.05 + 0.95 * strength).toFixed(3)})`;
      context.fillRect(column * cell, row * cell, cell - gap, cell - gap);
    }
  if (selected) {
    context.strokeStyle = ink;
    context.lineWidth = 2;
    if (selected.column === undefined)
      context.strokeRect(1, selected.row * cell + 1, element.width - 2, cell - 2);
    else context.strokeRect(selected.column * cell + 1, selected.row * cell + 1, cell - 2, cell - 2);
  }
}
