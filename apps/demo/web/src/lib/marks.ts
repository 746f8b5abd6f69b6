import type { ArrowMark, BoxMark, CircleMark, PointMark } from '@gpt-lineage/vision-clip';

export type PlainMark = (CircleMark | BoxMark | ArrowMark | PointMark) & { readonly color: string };

/** The image with marks drawn as the models saw them in training, as a data: URL. */
export async function drawInto(url: string, marks: readonly PlainMark[]): Promise<string> {
  const { decodeImage, drawMarks, encodePng } = await import('@gpt-lineage/vision-clip');
  const source = await decodeImage(await (await fetch(url)).blob());
  const { image } = await drawMarks(source, marks);
  const png = await encodePng(image);
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(new Blob([png as Uint8Array<ArrayBuffer>], { type: 'image/png' }));
  });
}
