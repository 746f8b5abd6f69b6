import { platform } from '#platform';
import { checkRawImage, type RawImage } from '../preprocess/raw-image.js';
import type { DrawnMark, Mark } from './marks.js';
import { marksToSvg } from './svg.js';

export interface MarkedImage {
  /** The picture with the marks on it; same size as the input. */
  readonly image: RawImage;
  /** What was drawn and where, to put into a prompt or to score an answer with. */
  readonly marks: readonly DrawnMark[];
  /** The overlay alone. */
  readonly svg: string;
}

/**
 * Draws circles, boxes, arrows, numbered points, masks, text and coordinate grids on an image: visual pointing and
 * visual referring prompting (Yang et al. 2023, "The Dawn of LMMs", section 5). The input stays as it is.
 *
 * @param image as `decodeImage` gives it
 * @param marks in drawing order; coordinates are pixels from the top left
 * @throws {ClipInputError} naming the mark and field
 */
export async function drawMarks(image: RawImage, marks: readonly Mark[]): Promise<MarkedImage> {
  checkRawImage(image);
  const { svg, drawn } = marksToSvg(marks, image);
  if (marks.length === 0) return { image, marks: drawn, svg };
  return { image: await platform.composite(image, svg), marks: drawn, svg };
}
