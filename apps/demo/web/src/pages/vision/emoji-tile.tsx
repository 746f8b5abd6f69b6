import type { Gallery } from './gallery.js';

interface EmojiTileProps {
  readonly gallery: Gallery;
  readonly at: number;
  readonly size?: number;
}

/** A picture of the sheet, without a file of its own. */
export function EmojiTile({ gallery, at, size = 64 }: EmojiTileProps) {
  const { columns, items, url } = gallery;
  const rows = Math.ceil(items.length / columns);
  return (
    <span
      className="emoji-tile"
      role="img"
      aria-label={items[at]!.name}
      style={{
        width: size,
        height: size,
        backgroundImage: `url(${url})`,
        backgroundSize: `${columns * size}px ${rows * size}px`,
        backgroundPosition: `${-(at % columns) * size}px ${-Math.floor(at / columns) * size}px`,
      }}
    />
  );
}
