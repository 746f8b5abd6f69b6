import { AttentionOptionError } from '../errors.js';
import { checkPositive } from '../validate.js';
import type { AttentionPattern } from './pattern.js';

export interface VisualiseOptions {
  /** Positions shown, as queries (rows) and keys (columns). Default 16. */
  readonly length?: number;
  /** Other numbers of rows and columns; queries are then the last positions of the keys. */
  readonly queryLength?: number;
  readonly keyLength?: number;
  /** Pixels per position in the images. Default 8. */
  readonly cellSize?: number;
}

export interface PatternPicture {
  /** One line per query: `■` its own position, `▪` another key that it sees, `·` a hidden one. */
  readonly ascii: string;
  /** For a canvas: `new ImageData(image.data, image.width)`. */
  readonly image: { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray };
  /** The same as a self-contained SVG document. */
  readonly svg: string;
  /** Share of the causal triangle (or of the whole, where queries see later keys) that is visible. */
  readonly density: number;
}

const COLOURS = { own: [11, 61, 145], seen: [111, 163, 224], hidden: [238, 241, 245] } as const;

/**
 * Draws which keys each query sees.
 *
 * @throws {AttentionOptionError} when a size is no integer ≥ 1, or there are more queries than keys
 */
export function visualise(pattern: AttentionPattern, options: VisualiseOptions = {}): PatternPicture {
  const { length = 16, keyLength = length, queryLength = keyLength, cellSize = 8 } = options;
  for (const [name, size] of Object.entries({ keyLength, queryLength, cellSize })) checkPositive(name, size);
  if (queryLength > keyLength) {
    throw new AttentionOptionError(
      'queryLength',
      queryLength,
      `must be at most the keyLength of ${keyLength}`,
    );
  }
  const offset = keyLength - queryLength;
  const cells = Array.from({ length: queryLength }, (_, row) =>
    Array.from({ length: keyLength }, (_, key) => {
      const query = row + offset;
      if (!pattern.allows(query, key)) return 'hidden' as const;
      return query === key ? ('own' as const) : ('seen' as const);
    }),
  );
  return {
    ascii: cells
      .map((row) => row.map((cell) => ({ own: '■', seen: '▪', hidden: '·' })[cell]).join(' '))
      .join('\n'),
    image: paint(cells, cellSize),
    svg: drawSvg(cells, cellSize, pattern.name),
    density: densityOf(cells, offset),
  };
}

type Cell = keyof typeof COLOURS;

function paint(cells: readonly (readonly Cell[])[], cellSize: number): PatternPicture['image'] {
  const width = cells[0]!.length * cellSize;
  const height = cells.length * cellSize;
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = cells[Math.floor(y / cellSize)]![Math.floor(x / cellSize)]!;
      // The last row and column of a cell stay white: a grid.
      const isGrid = cellSize > 3 && (x % cellSize === cellSize - 1 || y % cellSize === cellSize - 1);
      data.set([...(isGrid ? [255, 255, 255] : COLOURS[cell]), 255], 4 * (y * width + x));
    }
  }
  return { width, height, data };
}

function drawSvg(cells: readonly (readonly Cell[])[], cellSize: number, name: string): string {
  const [width, height] = [cells[0]!.length * cellSize, cells.length * cellSize];
  const side = Math.max(1, cellSize - 1);
  const path = (wanted: Cell) =>
    cells
      .flatMap((row, y) =>
        row.map((cell, x) =>
          cell === wanted ? `M${x * cellSize} ${y * cellSize}h${side}v${side}h-${side}z` : '',
        ),
      )
      .join('');
  const layers = (['hidden', 'seen', 'own'] as const).map(
    (cell) => `<path fill="rgb(${COLOURS[cell].join(',')})" d="${path(cell)}"/>`,
  );
  const title = name.replace(/[<&]/g, (c) => (c === '<' ? '&lt;' : '&amp;'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${title}</title>${layers.join('')}</svg>`;
}

function densityOf(cells: readonly (readonly Cell[])[], offset: number): number {
  let [seen, causal, future] = [0, 0, 0];
  cells.forEach((row, i) => {
    row.forEach((cell, key) => {
      const isPast = key <= i + offset;
      if (isPast) causal++;
      if (cell !== 'hidden') seen++;
      if (cell !== 'hidden' && !isPast) future++;
    });
  });
  return seen / (future > 0 ? cells.length * cells[0]!.length : causal);
}
