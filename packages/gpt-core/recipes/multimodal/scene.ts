import type { Random, RawImage } from '@gpt-lineage/vision-clip';
import type { Pictures } from './pictures.js';

/** Side of every image, pixels. */
export const side = 48;
const cells = 3;
const cellSide = side / cells;
export const objectSides = [12, 13, 14, 15];

export const colors: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [225, 40, 45],
  green: [35, 165, 60],
  blue: [45, 80, 235],
  yellow: [245, 215, 40],
  purple: [140, 50, 185],
  orange: [245, 135, 25],
  pink: [250, 140, 195],
  cyan: [60, 205, 225],
};
export const colorNames = Object.keys(colors);
export const shapes = ['circle', 'square', 'triangle', 'star', 'cross', 'diamond', 'heart', 'moon'] as const;
export const numbers = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
] as const;
export const places = [
  'top left',
  'top',
  'top right',
  'left',
  'center',
  'right',
  'bottom left',
  'bottom',
  'bottom right',
] as const;

/** Combinations that no training image shows. */
export const unseen: ReadonlySet<string> = new Set([
  'red star',
  'blue heart',
  'green moon',
  'yellow cross',
  'purple triangle',
  'cyan square',
]);

export interface SceneObject {
  readonly kind: 'shape' | 'digit' | 'emoji';
  /** `star`, `seven`, `cat` */
  readonly name: string;
  /** Of shapes and digits */
  readonly color?: string;
  /** 0 to 8, row by row */
  readonly cell: number;
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** Which handwritten digit */
  readonly picture?: number;
}

export interface Scene {
  readonly background: readonly [number, number, number];
  readonly noise: number;
  /** In reading order */
  readonly objects: readonly SceneObject[];
}

/** Training scenes, held-out scenes of the same kinds, or scenes with one combination that training never shows. */
export type Split = 'train' | 'test' | 'unseen';

export function phrase({ color, name }: Pick<SceneObject, 'color' | 'name'>): string {
  return color ? `${color} ${name}` : name;
}

/** A scene of `count` objects in different cells, no two alike. */
export function randomScene(
  random: Random,
  pictures: Pictures,
  split: Split,
  count = 1 + random.integer(5),
): Scene {
  const free = random.shuffle([...places.keys()]);
  const objects: SceneObject[] = [];
  while (objects.length < count) {
    const odd = split === 'unseen' && objects.length === 0;
    const object = randomObject(random, pictures, split, odd, objects, free[objects.length]!);
    if (objects.every((other) => phrase(other) !== phrase(object))) objects.push(object);
  }
  objects.sort((a, b) => a.cell - b.cell);
  return { ...randomBackground(random), objects };
}

export function randomBackground(random: Random): Pick<Scene, 'background' | 'noise'> {
  const grey = random.uniform() < 0.5 ? random.integer(50) : 205 + random.integer(50);
  const tint = () => Math.max(0, Math.min(255, grey + random.integer(20) - 10));
  return { background: [tint(), tint(), tint()], noise: random.uniform(0, 8) };
}

/** The same object elsewhere: another cell, size, and (for digits) the same handwriting. */
export function moved(object: SceneObject, random: Random, cell = random.integer(9)): SceneObject {
  const size = objectSides[random.integer(objectSides.length)]!;
  const play = (cellSide - size) / 2;
  return {
    ...object,
    cell,
    size,
    x: ((cell % cells) + 0.5) * cellSide + random.uniform(-play, play),
    y: (Math.floor(cell / cells) + 0.5) * cellSide + random.uniform(-play, play),
  };
}

function randomObject(
  random: Random,
  pictures: Pictures,
  split: Split,
  odd: boolean,
  others: readonly SceneObject[],
  cell: number,
): SceneObject {
  const place = { cell, x: 0, y: 0, size: 0 };
  if (odd) {
    const [color, name] = [...unseen][random.integer(unseen.size)]!.split(' ') as [string, string];
    return moved({ kind: 'shape', name, color, ...place }, random, cell);
  }
  const kind = random.uniform();
  if (kind < 0.2) {
    const names = [...pictures.emoji.keys()];
    return moved({ kind: 'emoji', name: names[random.integer(names.length)]!, ...place }, random, cell);
  }
  if (kind < 0.4) {
    const { labels } = pictures.digits[split === 'train' ? 'train' : 'test'];
    const picture = random.integer(labels.length);
    const color = colorNames[random.integer(colorNames.length)]!;
    return moved({ kind: 'digit', name: numbers[labels[picture]!]!, color, picture, ...place }, random, cell);
  }
  // Shapes repeat now and then, so that there is something to count and to compare.
  const earlier = others.filter((other) => other.kind === 'shape');
  const like = earlier[random.integer(Math.max(1, earlier.length))];
  for (;;) {
    const repeat = random.uniform();
    const name = like && repeat < 0.3 ? like.name : shapes[random.integer(shapes.length)]!;
    const color = like && repeat > 0.8 ? like.color! : colorNames[random.integer(colorNames.length)]!;
    if (!unseen.has(`${color} ${name}`)) return moved({ kind: 'shape', name, color, ...place }, random, cell);
  }
}

/** The picture, RGB. @param random of the noise */
export function render(scene: Scene, pictures: Pictures, split: Split, random: Random): RawImage {
  const canvas = new Float32Array(side * side * 3);
  for (let i = 0; i < canvas.length; i++) canvas[i] = scene.background[i % 3]!;
  for (const object of scene.objects) draw(canvas, object, pictures, split);
  const data = new Uint8ClampedArray(canvas.length);
  for (let i = 0; i < data.length; i++) data[i] = canvas[i]! + (random.uniform() - 0.5) * scene.noise;
  return { width: side, height: side, channels: 3, data };
}

function draw(canvas: Float32Array, object: SceneObject, pictures: Pictures, split: Split): void {
  const { x, y, size } = object;
  const emoji = object.kind === 'emoji' ? pictures.emoji.get(object.name)!.get(size)! : undefined;
  const ink = object.color ? colors[object.color]! : undefined;
  const digit =
    object.kind === 'digit'
      ? pictures.digits[split === 'train' ? 'train' : 'test'].images[object.picture!]!
      : undefined;
  const left = emoji ? Math.round(x - size / 2) : Math.floor(x - size / 2);
  const top = emoji ? Math.round(y - size / 2) : Math.floor(y - size / 2);
  for (let row = Math.max(0, top); row < Math.min(side, top + size + 1); row++) {
    for (let column = Math.max(0, left); column < Math.min(side, left + size + 1); column++) {
      const at = (row * side + column) * 3;
      if (emoji) {
        if (row - top >= size || column - left >= size) continue;
        const from = ((row - top) * size + column - left) * 4;
        const alpha = emoji.data[from + 3]! / 255;
        for (let c = 0; c < 3; c++)
          canvas[at + c] = canvas[at + c]! * (1 - alpha) + emoji.data[from + c]! * alpha;
        continue;
      }
      // Nine samples a pixel; coordinates from −1 to 1 across the object.
      let covered = 0;
      for (let i = 0; i < 9; i++) {
        const u = ((column + ((i % 3) + 0.5) / 3 - x) * 2) / size;
        const v = ((row + (Math.floor(i / 3) + 0.5) / 3 - y) * 2) / size;
        covered += digit ? inkAt(digit, u, v) : inside(object.name, u, v) ? 1 : 0;
      }
      const alpha = covered / 9;
      for (let c = 0; c < 3; c++) canvas[at + c] = canvas[at + c]! * (1 - alpha) + ink![c]! * alpha;
    }
  }
}

/** MNIST leaves a margin of four pixels on every side. */
function inkAt(digit: Uint8Array, u: number, v: number): number {
  const column = Math.floor(4 + (u + 1) * 10);
  const row = Math.floor(4 + (v + 1) * 10);
  return column < 0 || column > 27 || row < 0 || row > 27 ? 0 : digit[row * 28 + column]! / 255;
}

function inside(shape: string, u: number, v: number): boolean {
  const r = Math.hypot(u, v);
  switch (shape) {
    case 'circle':
      return r <= 0.95;
    case 'square':
      return Math.abs(u) <= 0.8 && Math.abs(v) <= 0.8;
    case 'triangle':
      return v <= 0.8 && v >= -0.9 && Math.abs(u) <= ((v + 0.9) / 1.7) * 0.95;
    case 'star': {
      const angle = Math.atan2(u, -v);
      const fifth = (2 * Math.PI) / 5;
      const off = Math.abs((((angle % fifth) + 1.5 * fifth) % fifth) - fifth / 2);
      // Between tips (radius 1) and notches (radius 0.42), along the straight edge.
      const tip = [Math.sin(0), Math.cos(0)] as const;
      const notch = [0.42 * Math.sin(fifth / 2), 0.42 * Math.cos(fifth / 2)] as const;
      const [px, py] = [r * Math.sin(off), r * Math.cos(off)];
      return (notch[0] - tip[0]) * (py - tip[1]) - (notch[1] - tip[1]) * (px - tip[0]) <= 0;
    }
    case 'cross':
      return (Math.abs(u) <= 0.3 && Math.abs(v) <= 0.9) || (Math.abs(v) <= 0.3 && Math.abs(u) <= 0.9);
    case 'diamond':
      return Math.abs(u) * 1.35 + Math.abs(v) <= 0.98;
    case 'heart': {
      const [a, b] = [u * 1.15, -v * 1.15 + 0.15];
      return (a * a + b * b - 0.75) ** 3 - a * a * b * b * b * 1.6 <= 0;
    }
    case 'moon':
      return r <= 0.95 && Math.hypot(u - 0.45, v + 0.1) > 0.75;
    default:
      throw new Error(`no shape "${shape}"`);
  }
}
