import { ClipInputError } from '../errors.js';
import type { Box, DrawnMark, GridMark, Mark, MaskMark, Point } from './marks.js';
import { strokeFont, strokeText } from './stroke-font.js';

/** Kelly-like colours that stay apart on photographs and for colour-blind readers; each has a plain name to refer to. */
const palette = ['red', 'blue', 'yellow', 'lime', 'magenta', 'cyan', 'orange', 'white', 'purple', 'black'];

export interface Size {
  readonly width: number;
  readonly height: number;
}

interface Pen extends Size {
  readonly color: string;
  readonly line: number;
  readonly letter: number;
}

/** The marks as one SVG of the image's size, and their description. @throws {ClipInputError} */
export function marksToSvg(
  marks: readonly Mark[],
  { width, height }: Size,
): { svg: string; drawn: DrawnMark[] } {
  const longer = Math.max(width, height);
  const parts: string[] = [];
  const drawn: DrawnMark[] = [];
  let points = 0;
  marks.forEach((mark, index) => {
    const color = checkColor(mark.color ?? palette[index % palette.length]!, index);
    const line = checkNumber('lineWidth', mark.lineWidth ?? Math.max(2, longer / 150), index, 0.1);
    const pen: Pen = { width, height, color, line, letter: Math.max(10, longer / 30) };
    const number = mark.kind === 'point' ? (mark.number ?? ++points) : undefined;
    checkMark(mark, index, width * height);
    parts.push(drawMark(mark, pen, number));
    const box = cut(boxOf(mark, { width, height }), { width, height });
    if (mark.label !== undefined) parts.push(label(mark.label, box, pen));
    drawn.push({
      id: index + 1,
      kind: mark.kind,
      color,
      ...(mark.label === undefined ? {} : { label: mark.label }),
      ...(number === undefined ? {} : { number }),
      ...(mark.kind === 'text' ? { text: mark.text } : {}),
      box,
      relativeBox: {
        x: box.x / width,
        y: box.y / height,
        width: box.width / width,
        height: box.height / height,
      },
    });
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" fill="none" stroke-linecap="round" stroke-linejoin="round">${parts.join('')}</svg>`;
  return { svg, drawn };
}

function drawMark(mark: Mark, pen: Pen, number?: number): string {
  const stroke = `stroke="${pen.color}" stroke-width="${n(pen.line)}"`;
  switch (mark.kind) {
    case 'circle':
      return `<circle cx="${n(mark.center[0])}" cy="${n(mark.center[1])}" r="${n(mark.radius)}" ${stroke}/>`;
    case 'ellipse':
      return `<ellipse cx="${n(mark.center[0])}" cy="${n(mark.center[1])}" rx="${n(mark.radiusX)}" ry="${n(mark.radiusY)}" ${stroke}/>`;
    case 'box':
      return `<rect x="${n(mark.x)}" y="${n(mark.y)}" width="${n(mark.width)}" height="${n(mark.height)}" ${stroke}/>`;
    case 'arrow':
      return arrow(mark.from, mark.to, pen);
    case 'point':
      return point(mark.at, number!, pen);
    case 'mask':
      return mask(mark, pen);
    case 'text':
      return text(mark.text, mark.at, mark.size ?? pen.letter, pen.color);
    case 'grid':
      return grid(mark, pen);
  }
}

function arrow([x1, y1]: Point, [x2, y2]: Point, { color, line }: Pen): string {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const head = Math.min(5 * line, length);
  const [bx, by] = [x2 - ux * head, y2 - uy * head]; // where the head begins
  const side = head * 0.6;
  const tip = [
    [x2, y2],
    [bx - uy * side, by + ux * side],
    [bx + uy * side, by - ux * side],
  ];
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(bx)}" y2="${n(by)}" stroke="${color}" stroke-width="${n(line)}"/><polygon points="${tip.map(([x, y]) => `${n(x!)},${n(y!)}`).join(' ')}" fill="${color}"/>`;
}

function point([x, y]: Point, number: number, { color, letter }: Pen): string {
  const digits = String(number);
  const size = letter * 0.8;
  const radius = letter * (0.75 + 0.25 * (digits.length - 1));
  const ink = ['white', 'yellow', 'lime', 'cyan', 'orange'].includes(color) ? 'black' : 'white';
  const width = (strokeText(digits)!.width * size) / strokeFont.capHeight;
  return `<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}" fill="${color}" stroke="${ink}" stroke-width="${n(letter / 10)}"/>${letters(digits, [x - width / 2, y - size / 2], size, ink)}`;
}

function mask({ polygon, bitmap, opacity = 0.4 }: MaskMark, { color, line, width }: Pen): string {
  if (polygon) {
    const list = polygon.map(([x, y]) => `${n(x)},${n(y)}`).join(' ');
    return `<polygon points="${list}" fill="${color}" fill-opacity="${n(opacity)}" stroke="${color}" stroke-width="${n(line)}"/>`;
  }
  // Runs of a row as rectangles of one path.
  let path = '';
  for (let at = 0; at < bitmap!.length; ) {
    const rowEnd = at - (at % width) + width;
    if (!bitmap![at]) {
      at++;
      continue;
    }
    let end = at;
    while (end < rowEnd && bitmap![end]) end++;
    path += `M${at % width} ${Math.floor(at / width)}h${end - at}v1h${at - end}z`;
    at = end;
  }
  return `<path d="${path}" fill="${color}" fill-opacity="${n(opacity)}" shape-rendering="crispEdges"/>`;
}

function grid(
  { columns = 10, rows = 10, coordinates = 'pixels' }: GridMark,
  { color, line, width, height, letter }: Pen,
): string {
  const parts: string[] = [];
  const thin = `stroke="${color}" stroke-width="${n(line / 2)}" stroke-opacity="0.7"`;
  const size = letter * 0.6;
  const say = (share: number, side: number) =>
    String(Math.round(coordinates === 'thousandths' ? share * 1000 : share * side));
  for (let i = 1; i < columns; i++) {
    const x = (i * width) / columns;
    parts.push(`<line x1="${n(x)}" y1="0" x2="${n(x)}" y2="${height}" ${thin}/>`);
    if (coordinates === 'pixels' || coordinates === 'thousandths') {
      parts.push(text(say(i / columns, width), [x + line, line], size, color));
    }
  }
  for (let i = 1; i < rows; i++) {
    const y = (i * height) / rows;
    parts.push(`<line x1="0" y1="${n(y)}" x2="${width}" y2="${n(y)}" ${thin}/>`);
    if (coordinates === 'pixels' || coordinates === 'thousandths') {
      parts.push(text(say(i / rows, height), [line, y + line], size, color));
    }
  }
  if (coordinates === 'cells') {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at: Point = [(column * width) / columns + line, (row * height) / rows + line];
        parts.push(text(cellName(column, row), at, size, color));
      }
    }
  }
  return parts.join('');
}

/** Columns A … Z, AA, AB, …; rows from 1: as in a spreadsheet. */
function cellName(column: number, row: number): string {
  let name = '';
  for (let rest = column; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    name = String.fromCharCode(65 + (rest % 26)) + name;
  }
  return `${name}${row + 1}`;
}

/** Text over a dark outline, so that it reads on any ground. */
function text(content: string, at: Point, size: number, color: string): string {
  return letters(content, at, size, color, color === 'black' ? 'white' : 'black');
}

function letters(content: string, [x, y]: Point, size: number, color: string, outline?: string): string {
  const strokes = strokeText(content);
  if (!strokes) {
    const halo = outline ? ` stroke="${outline}" stroke-width="${n(size / 5)}" paint-order="stroke"` : '';
    return `<text x="${n(x)}" y="${n(y + size)}" font-family="sans-serif" font-size="${n(size / 0.72)}" fill="${color}"${halo}>${escapeXml(content)}</text>`;
  }
  const scale = size / strokeFont.capHeight;
  const d = strokes.path
    .map((glyph) => `<path d="${glyph.d}" transform="translate(${n(glyph.x)} 0)"/>`)
    .join('');
  const group = (ink: string, width: number) =>
    `<g transform="translate(${n(x)} ${n(y - strokeFont.capTop * scale)}) scale(${n(scale)})" stroke="${ink}" stroke-width="${width}">${d}</g>`;
  return `${outline ? group(outline, 7) : ''}${group(color, 3.2)}`;
}

/** Above the mark where there is room, else inside its top edge. */
function label(content: string, box: Box, { color, letter, line, width }: Pen): string {
  const above = box.y - letter - 2 * line;
  const textWidth = ((strokeText(content)?.width ?? content.length * 15) * letter) / strokeFont.capHeight;
  const x = Math.max(0, Math.min(box.x, width - textWidth));
  return text(content, [x, above >= 0 ? above : box.y + 2 * line], letter, color);
}

function boxOf(mark: Mark, { width, height }: Size): Box {
  switch (mark.kind) {
    case 'circle':
      return around(mark.center, mark.radius, mark.radius);
    case 'ellipse':
      return around(mark.center, mark.radiusX, mark.radiusY);
    case 'box':
      return { x: mark.x, y: mark.y, width: mark.width, height: mark.height };
    case 'arrow':
      return { x: mark.to[0], y: mark.to[1], width: 1, height: 1 };
    case 'point':
      return { x: mark.at[0], y: mark.at[1], width: 1, height: 1 };
    case 'mask':
      return bounds(mark.polygon ?? bitmapCorners(mark.bitmap!, width));
    case 'text': {
      const size = mark.size ?? Math.max(10, Math.max(width, height) / 30);
      const textWidth =
        ((strokeText(mark.text)?.width ?? mark.text.length * 15) * size) / strokeFont.capHeight;
      return { x: mark.at[0], y: mark.at[1], width: textWidth, height: size };
    }
    case 'grid':
      return { x: 0, y: 0, width, height };
  }
}

function around([x, y]: Point, radiusX: number, radiusY: number): Box {
  return { x: x - radiusX, y: y - radiusY, width: 2 * radiusX, height: 2 * radiusY };
}

function bounds(points: readonly Point[]): Box {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

function bitmapCorners(bitmap: Uint8Array, width: number): Point[] {
  let [left, right, top, bottom] = [width, -1, -1, -1];
  for (let i = 0; i < bitmap.length; i++) {
    if (!bitmap[i]) continue;
    const x = i % width;
    if (x < left) left = x;
    if (x > right) right = x;
    if (top < 0) top = Math.floor(i / width);
    bottom = Math.floor(i / width);
  }
  return right < 0
    ? [[0, 0]]
    : [
        [left, top],
        [right + 1, bottom + 1],
      ];
}

function cut(box: Box, { width, height }: Size): Box {
  const x = Math.min(width, Math.max(0, box.x));
  const y = Math.min(height, Math.max(0, box.y));
  return {
    x,
    y,
    width: Math.max(0, Math.min(width, box.x + box.width) - x),
    height: Math.max(0, Math.min(height, box.y + box.height) - y),
  };
}

/** Every number is checked before it becomes part of the SVG, every text escaped, every colour matched. */
function checkMark(mark: Mark, index: number, pixels: number): void {
  const check = (field: string, value: number, minimum = -1e6) => checkNumber(field, value, index, minimum);
  const checkPoint = (field: string, at: Point) => {
    check(`${field}[0]`, at?.[0]);
    check(`${field}[1]`, at?.[1]);
  };
  switch (mark.kind) {
    case 'circle':
      checkPoint('center', mark.center);
      check('radius', mark.radius, 0);
      return;
    case 'ellipse':
      checkPoint('center', mark.center);
      check('radiusX', mark.radiusX, 0);
      check('radiusY', mark.radiusY, 0);
      return;
    case 'box':
      check('x', mark.x);
      check('y', mark.y);
      check('width', mark.width, 0);
      check('height', mark.height, 0);
      return;
    case 'arrow':
      checkPoint('from', mark.from);
      checkPoint('to', mark.to);
      return;
    case 'point':
      checkPoint('at', mark.at);
      if (mark.number !== undefined) check('number', mark.number, 0);
      return;
    case 'text':
      checkPoint('at', mark.at);
      if (mark.size !== undefined) check('size', mark.size, 1);
      return;
    case 'grid':
      for (const field of ['columns', 'rows'] as const) {
        const count = mark[field];
        if (count !== undefined && !(Number.isSafeInteger(count) && count >= 1 && count <= 200)) {
          throw new ClipInputError(
            `marks[${index}].${field}`,
            `must be an integer from 1 to 200, received ${count}`,
          );
        }
      }
      return;
    case 'mask':
      if (!mark.polygon === !mark.bitmap) {
        throw new ClipInputError(`marks[${index}]`, 'needs either polygon or bitmap');
      }
      mark.polygon?.forEach((at, i) => {
        checkPoint(`polygon[${i}]`, at);
      });
      if (mark.bitmap && mark.bitmap.length !== pixels) {
        throw new ClipInputError(
          `marks[${index}].bitmap`,
          `must have one byte per pixel (${pixels}), has ${mark.bitmap.length}`,
        );
      }
      check('opacity', mark.opacity ?? 0.4, 0);
      return;
    default:
      throw new ClipInputError(`marks[${index}].kind`, `is unknown: ${JSON.stringify((mark as Mark).kind)}`);
  }
}

function checkNumber(field: string, value: number, index: number, minimum: number): number {
  if (typeof value !== 'number' || !(value >= minimum && value <= 1e6)) {
    throw new ClipInputError(
      `marks[${index}].${field}`,
      `must be a number from ${minimum} to 1000000, received ${value}`,
    );
  }
  return value;
}

function checkColor(color: string, index: number): string {
  if (!/^(#[0-9a-f]{3}|#[0-9a-f]{6}|[a-z]{3,30})$/i.test(color)) {
    throw new ClipInputError(
      `marks[${index}].color`,
      `must be a colour name or #rrggbb, received ${JSON.stringify(color)}`,
    );
  }
  return color;
}

/** Characters that XML forbids are left out, the five special ones escaped. */
function escapeXml(content: string): string {
  return content
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A number for SVG: two decimals, never in exponent form. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
