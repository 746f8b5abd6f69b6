import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClipInputError } from '../../src/errors.js';
import { drawMarks } from '../../src/marks/draw-marks.js';
import type { Mark } from '../../src/marks/marks.js';
import type { RawImage } from '../../src/preprocess/raw-image.js';

const grey = (width: number, height: number, channels: 1 | 2 | 3 | 4 = 3): RawImage => ({
  width,
  height,
  channels,
  data: new Uint8Array(width * height * channels).fill(128),
});

const at = (image: RawImage, x: number, y: number): number[] =>
  Array.from(
    image.data.subarray((y * image.width + x) * image.channels, (y * image.width + x + 1) * image.channels),
  );

describe('drawMarks', () => {
  it('draws a circle where it was asked to, and says where', async () => {
    const source = grey(200, 100);
    const { image, marks, svg } = await drawMarks(source, [
      { kind: 'circle', center: [100, 50], radius: 30, color: 'red', lineWidth: 6 },
    ]);
    expect([image.width, image.height, image.channels]).toEqual([200, 100, 3]);
    for (const [x, y] of [
      [70, 50],
      [130, 50],
      [100, 20],
      [100, 79],
    ] as const) {
      expect(at(image, x, y)).toEqual([255, 0, 0]);
    }
    expect(at(image, 100, 50)).toEqual([128, 128, 128]); // the inside stays to be looked at
    expect(at(source, 70, 50)).toEqual([128, 128, 128]); // the input stays as it was
    expect(marks).toEqual([
      {
        id: 1,
        kind: 'circle',
        color: 'red',
        box: { x: 70, y: 20, width: 60, height: 60 },
        relativeBox: { x: 0.35, y: 0.2, width: 0.3, height: 0.6 },
      },
    ]);
    expect(svg).toContain('<circle cx="100" cy="50" r="30"');
  });

  it('draws every kind', async () => {
    const bitmap = new Uint8Array(60 * 40);
    bitmap.fill(1, 60 * 30 + 5, 60 * 30 + 15);
    const all: Mark[] = [
      { kind: 'box', x: 2, y: 2, width: 20, height: 10, color: 'blue', label: 'dog' },
      { kind: 'ellipse', center: [45, 20], radiusX: 10, radiusY: 5, color: 'lime' },
      { kind: 'arrow', from: [5, 38], to: [30, 25], color: 'yellow' },
      { kind: 'point', at: [50, 32], color: 'magenta' },
      { kind: 'point', at: [12, 22], color: 'red' },
      {
        kind: 'mask',
        polygon: [
          [30, 2],
          [40, 2],
          [35, 10],
        ],
        color: 'cyan',
        opacity: 1,
      },
      { kind: 'mask', bitmap, color: '#00ff00', opacity: 1 },
      { kind: 'text', text: 'Hi', at: [40, 4], color: 'white' },
      { kind: 'grid', columns: 3, rows: 2, coordinates: 'cells' },
    ];
    for (const [index, mark] of all.entries()) {
      const { image, marks } = await drawMarks(grey(60, 40), [mark]);
      expect(
        image.data.some((value) => value !== 128),
        mark.kind,
      ).toBe(true);
      expect(marks[0]).toMatchObject({ id: 1, kind: mark.kind });
      if (index === 6) {
        expect(at(image, 5, 30)).toEqual([0, 255, 0]);
        expect(at(image, 15, 30)).toEqual([128, 128, 128]);
        expect(marks[0]!.box).toEqual({ x: 5, y: 30, width: 10, height: 1 });
      }
    }
    const { marks } = await drawMarks(grey(60, 40), all);
    expect(marks.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(marks.filter(({ kind }) => kind === 'point').map(({ number }) => number)).toEqual([1, 2]);
  });

  it('numbers differ to the eye on a machine without fonts', async () => {
    const draw = async (number: number) =>
      (await drawMarks(grey(80, 80), [{ kind: 'point', at: [40, 40], number, color: 'red' }])).image;
    const [one, two] = [await draw(1), await draw(2)];
    const different = Array.from(one.data).filter((value, i) => value !== two.data[i]).length;
    expect(different).toBeGreaterThan(20);
  });

  it.each([1, 2, 3, 4] as const)('keeps alpha or its absence: %i channels', async (channels) => {
    const { image } = await drawMarks(grey(30, 30, channels), [
      { kind: 'box', x: 5, y: 5, width: 10, height: 10, color: 'red' },
    ]);
    expect(image.channels).toBe(channels === 2 || channels === 4 ? 4 : 3);
    expect(at(image, 25, 25)).toEqual(
      channels === 2 || channels === 4 ? [128, 128, 128, 128] : [128, 128, 128],
    );
  });

  it('text cannot become markup', async () => {
    const evil = '</text><image href="file:///etc/passwd"/>\u0000\ud800<script>';
    const { svg } = await drawMarks(grey(50, 50), [
      { kind: 'text', text: `é${evil}`, at: [1, 10] },
      { kind: 'box', x: 1, y: 1, width: 5, height: 5, label: `é${evil}` },
    ]);
    expect(svg).not.toMatch(/<image|<script|\0/);
    await expect(
      drawMarks(grey(9, 9), [{ kind: 'box', x: 0, y: 0, width: 1, height: 1, color: 'red"/><script>' }]),
    ).rejects.toThrow(/marks\[0\].color must be a colour name/);
  });

  it('names the bad field', async () => {
    const draw = (mark: unknown) => drawMarks(grey(9, 9), [mark as Mark]);
    await expect(draw({ kind: 'circle', center: [1, Number.NaN], radius: 2 })).rejects.toThrow(
      'marks[0].center[1] must be a number',
    );
    await expect(draw({ kind: 'circle', center: [1, 1], radius: -2 })).rejects.toThrow('marks[0].radius');
    await expect(draw({ kind: 'star' })).rejects.toThrow(/kind is unknown: "star"/);
    await expect(draw({ kind: 'mask', bitmap: new Uint8Array(3) })).rejects.toThrow(
      /one byte per pixel \(81\)/,
    );
    await expect(draw({ kind: 'grid', columns: 1e9 })).rejects.toThrow(ClipInputError);
  });

  it('any marks give a picture of the same size', async () => {
    const coordinate = fc.double({ min: -1e5, max: 1e5, noNaN: true });
    const point = fc.tuple(coordinate, coordinate);
    const size = fc.double({ min: 0, max: 1e5, noNaN: true });
    const mark: fc.Arbitrary<Mark> = fc.oneof(
      fc.record({ kind: fc.constant('circle' as const), center: point, radius: size }),
      fc.record({
        kind: fc.constant('arrow' as const),
        from: point,
        to: point,
        label: fc.string({ unit: 'binary', maxLength: 8 }),
      }),
      fc.record({
        kind: fc.constant('text' as const),
        text: fc.string({ unit: 'binary', maxLength: 8 }),
        at: point,
      }),
      fc.record({
        kind: fc.constant('mask' as const),
        polygon: fc.array(point, { minLength: 1, maxLength: 5 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(mark, { maxLength: 3 }), async (marks) => {
        const { image, marks: drawn } = await drawMarks(grey(24, 16), marks);
        expect([image.width, image.height, image.data.length]).toEqual([24, 16, 24 * 16 * 3]);
        for (const { box } of drawn) {
          expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= 24 && box.y + box.height <= 16).toBe(true);
        }
      }),
      { numRuns: 60, seed: 4 },
    );
  });
});
