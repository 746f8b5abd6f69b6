export interface GalleryEntry {
  readonly file: string;
  readonly emoji: string;
  readonly name: string;
  /** Not among the pictures that the model was trained on */
  readonly heldOut: boolean;
}

export interface Gallery {
  readonly size: number;
  readonly columns: number;
  readonly items: readonly GalleryEntry[];
  readonly sheet: Blob;
  readonly url: string;
}

let loading: Promise<Gallery> | undefined;

/** The emoji sheet and what is on it, fetched once. */
export function loadGallery(): Promise<Gallery> {
  loading ??= (async () => {
    const [index, sheet] = await Promise.all([
      fetch('./data/emoji/index.json').then(
        (response) => response.json() as Promise<Pick<Gallery, 'size' | 'columns' | 'items'>>,
      ),
      fetch('./data/emoji/sheet.webp').then((response) => response.blob()),
    ]);
    return { ...index, sheet, url: './data/emoji/sheet.webp' };
  })();
  loading.catch(() => {
    loading = undefined;
  });
  return loading;
}

/** One picture of the sheet as a file of its own. */
export async function cutOut(gallery: Gallery, at: number): Promise<Blob> {
  const { size, columns, sheet } = gallery;
  const bitmap = await createImageBitmap(
    sheet,
    (at % columns) * size,
    Math.floor(at / columns) * size,
    size,
    size,
  );
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/png' });
}
