/** A place on the image, pixels from the top left. */
export type Point = readonly [x: number, y: number];

interface Style {
  /** CSS colour name or #rrggbb. Default: the next of a palette of well separated colours. */
  readonly color?: string;
  /** Line width in pixels. Default: 1/150 of the longer side, at least 2. */
  readonly lineWidth?: number;
  /** Written beside the mark. Printable ASCII looks the same everywhere; other text needs a font on the machine. */
  readonly label?: string;
}

export interface CircleMark extends Style {
  readonly kind: 'circle';
  readonly center: Point;
  readonly radius: number;
}

export interface EllipseMark extends Style {
  readonly kind: 'ellipse';
  readonly center: Point;
  readonly radiusX: number;
  readonly radiusY: number;
}

export interface BoxMark extends Style {
  readonly kind: 'box';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface ArrowMark extends Style {
  readonly kind: 'arrow';
  readonly from: Point;
  /** Where the head is. */
  readonly to: Point;
}

/** A dot with a number, as in Set-of-Mark prompting (Yang et al. 2023). */
export interface PointMark extends Style {
  readonly kind: 'point';
  readonly at: Point;
  /** Default: 1, 2, 3, … over the points of a call. */
  readonly number?: number;
}

/** A translucent region: a polygon, or a bitmap of the image's size in which non-zero pixels belong to it. */
export interface MaskMark extends Style {
  readonly kind: 'mask';
  readonly polygon?: readonly Point[];
  readonly bitmap?: Uint8Array;
  /** 0 to 1. Default 0.4. */
  readonly opacity?: number;
}

export interface TextMark extends Style {
  readonly kind: 'text';
  readonly text: string;
  /** Top left of the text. */
  readonly at: Point;
  /** Height of a capital letter, pixels. Default: 1/30 of the longer side, at least 10. */
  readonly size?: number;
}

/** Lines with coordinates along the edges, for answers in coordinates. */
export interface GridMark extends Style {
  readonly kind: 'grid';
  /** Default 10. */
  readonly columns?: number;
  /** Default 10. */
  readonly rows?: number;
  /** What the edges say: pixels, or 0–1000 of the side, or cells A1, B2, …, or nothing. Default `pixels`. */
  readonly coordinates?: 'pixels' | 'thousandths' | 'cells' | 'none';
}

export type Mark =
  | CircleMark
  | EllipseMark
  | BoxMark
  | ArrowMark
  | PointMark
  | MaskMark
  | TextMark
  | GridMark;

/** What was drawn, for prompts and for scoring answers. */
export interface DrawnMark {
  /** 1, 2, 3, … in the order given. */
  readonly id: number;
  readonly kind: Mark['kind'];
  readonly color: string;
  readonly label?: string;
  /** Number of a point. */
  readonly number?: number;
  /** Text of a text mark. */
  readonly text?: string;
  /** Smallest box around the mark itself, cut to the image: pixels. For an arrow, the pixel it points at. */
  readonly box: Box;
  /** The same as shares of width and height, 0 to 1. */
  readonly relativeBox: Box;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
