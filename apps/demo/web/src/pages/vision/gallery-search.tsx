import { proxy } from 'comlink';
import { ImageUp } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { duration, fixed } from '../../lib/format.js';
import { engine } from '../../worker/engine.js';
import { EmojiTile } from './emoji-tile.js';
import { cutOut, type Gallery, loadGallery } from './gallery.js';

interface Hit {
  readonly at: number;
  readonly score: number;
}

/** Search by description, or by another picture. */
export function GallerySearch({ model }: { model: string }) {
  const [gallery, setGallery] = useState<Gallery>();
  const [ready, setReady] = useState<{ done: number; total: number }>();
  const [query, setQuery] = useState('');
  const [asked, setAsked] = useState<string>();
  const [hits, setHits] = useState<readonly Hit[]>([]);
  const [time, setTime] = useState<number>();
  const [error, setError] = useState<unknown>();
  const indexed = ready !== undefined && ready.done === ready.total;

  useEffect(() => {
    let current = true;
    (async () => {
      const found = await loadGallery();
      if (!current) return;
      setGallery(found);
      const total = found.items.length;
      setReady({ done: 0, total });
      await engine('vision').indexGallery(
        model,
        found.sheet,
        found.items.map(({ file, emoji, name }) => ({ file, emoji, name })),
        found.columns,
        found.size,
        proxy((done: number) => current && setReady({ done, total })),
      );
      if (current) setReady({ done: total, total });
    })().catch((problem: unknown) => current && setError(problem));
    return () => {
      current = false;
    };
  }, [model]);

  const search = async (what: string | Blob, label: string) => {
    setError(undefined);
    try {
      const from = performance.now();
      const results = await engine('vision').searchGallery(model, what, 24);
      setTime(performance.now() - from);
      const place = new Map(gallery!.items.map(({ file }, at) => [file, at]));
      setHits(results.map(({ item, score }) => ({ at: place.get(item.file)!, score })));
      setAsked(label);
    } catch (problem) {
      setError(problem);
    }
  };

  return (
    <Card
      title="Search the emoji"
      actions={
        <span className="small soft" role="status">
          {indexed
            ? `${ready.total} pictures encoded`
            : ready
              ? `Encoding pictures: ${ready.done} of ${ready.total}`
              : 'Fetching the pictures'}
        </span>
      }
    >
      <div className="stack">
        <progress
          className="progress"
          aria-label="Pictures encoded"
          value={ready?.done ?? 0}
          max={ready?.total ?? 1}
        />
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault();
            void search(query, `“${query}”`);
          }}
        >
          <input
            className="input grow"
            aria-label="Description"
            placeholder="a yellow fruit"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <button type="submit" className="button primary" disabled={!indexed || query.trim() === ''}>
            Search
          </button>
          <label className="button file-button">
            <ImageUp size={16} aria-hidden />
            By picture
            <input
              type="file"
              accept="image/*"
              className="visually-hidden"
              disabled={!indexed}
              onChange={(event) => {
                const file = event.target.files?.[0];
                if (file) void search(file, file.name);
                event.target.value = '';
              }}
            />
          </label>
        </form>
        <fieldset className="row tight">
          <legend className="visually-hidden">Examples</legend>
          {['smiling face', 'something to eat', 'an animal', 'a red heart', 'rain', 'a vehicle'].map(
            (example) => (
              <button
                key={example}
                type="button"
                className="button compact"
                disabled={!indexed}
                onClick={() => {
                  setQuery(example);
                  void search(example, `“${example}”`);
                }}
              >
                {example}
              </button>
            ),
          )}
        </fieldset>
        {error !== undefined && <Problem error={error} />}
        <div className="gallery-results">
          {asked !== undefined && (
            <p className="small soft" role="status">
              Nearest to {asked}
              {time !== undefined && `, found in ${duration(time)}`}. Choose a picture to see its neighbours;
              outlined ones were not seen in training.
            </p>
          )}
          {gallery && (
            <ul className="gallery" aria-label="Pictures found">
              {(hits.length > 0
                ? hits
                : gallery.items.slice(0, 48).map((_, at) => ({ at, score: Number.NaN }))
              ).map(({ at, score }) => {
                const item = gallery.items[at]!;
                return (
                  <li key={item.file}>
                    <button
                      type="button"
                      disabled={!indexed}
                      data-held-out={item.heldOut || undefined}
                      title={item.name}
                      onClick={() => {
                        void cutOut(gallery, at).then((blob) => search(blob, item.name));
                      }}
                    >
                      <EmojiTile gallery={gallery} at={at} />
                      <span className="gallery-name">{item.name}</span>
                      <span className="small soft number">{Number.isNaN(score) ? '' : fixed(score, 2)}</span>
                    </button>
                  </li>
                );
              })}
            </ul>
          )}
        </div>
      </div>
    </Card>
  );
}
