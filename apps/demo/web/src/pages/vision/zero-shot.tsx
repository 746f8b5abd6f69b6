import { useEffect, useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Problem } from '../../components/feedback.js';
import { TextField } from '../../components/fields.js';
import { percent } from '../../lib/format.js';
import { engine } from '../../worker/engine.js';
import { EmojiTile } from './emoji-tile.js';
import { cutOut, type Gallery, loadGallery } from './gallery.js';

/** Classes that are only named, never trained. */
export function ZeroShot({ model }: { model: string }) {
  const [gallery, setGallery] = useState<Gallery>();
  const [chosen, setChosen] = useState<number>();
  const [own, setOwn] = useState<{ blob: Blob; url: string }>();
  const [labels, setLabels] = useState('cat\ndog\npizza\ncar\ntree\nheart\nclock\nhouse');
  const [template, setTemplate] = useState('{}');
  const [ranking, setRanking] = useState<readonly { label: string; probability: number }[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  useEffect(() => {
    loadGallery().then((found) => {
      setGallery(found);
      const cat = found.items.findIndex(({ name }) => name === 'cat face');
      setChosen(Math.max(0, cat));
    }, setError);
  }, []);

  const names = labels.split('\n').filter((line) => line.trim() !== '');
  const classify = async () => {
    setError(undefined);
    setBusy(true);
    try {
      const image = own?.blob ?? (await cutOut(gallery!, chosen!));
      setRanking(await engine('vision').classify(model, image, names, template));
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };

  return (
    <div className="pair">
      <Card title="Picture and names">
        <div className="stack tight">
          <div className="row">
            {own ? (
              <img className="own-image" src={own.url} alt="Yours" />
            ) : (
              gallery && chosen !== undefined && <EmojiTile gallery={gallery} at={chosen} size={96} />
            )}
            <div className="stack tight">
              {gallery && (
                <select
                  className="select"
                  aria-label="Picture"
                  value={chosen}
                  onChange={(event) => {
                    setOwn(undefined);
                    setChosen(Number(event.target.value));
                  }}
                >
                  {gallery.items.map(({ name, file }, at) => (
                    <option key={file} value={at}>
                      {name}
                    </option>
                  ))}
                </select>
              )}
              <input
                type="file"
                accept="image/*"
                aria-label="A picture of your own"
                onChange={(event) => {
                  const file = event.target.files?.[0];
                  if (file) setOwn({ blob: file, url: URL.createObjectURL(file) });
                }}
              />
            </div>
          </div>
          <TextField label="Names, one a line" rows={6} value={labels} onChange={setLabels} />
          <TextField
            label="Template"
            value={template}
            onChange={setTemplate}
            hint="{} stands for the name"
            mono
          />
          <div>
            <button
              type="button"
              className="button primary"
              disabled={busy || names.length < 2 || (!own && chosen === undefined)}
              onClick={() => void classify()}
            >
              Classify
            </button>
          </div>
          {error !== undefined && <Problem error={error} />}
        </div>
      </Card>
      <Card title="Which name fits">
        {busy && <Loading>Comparing</Loading>}
        {!busy && ranking.length === 0 && (
          <p className="soft">Each name becomes a vector, and the one nearest to the picture’s wins.</p>
        )}
        {!busy && ranking.length > 0 && (
          <ol className="ranking-bars" aria-label="Names by probability">
            {ranking.map(({ label, probability }) => (
              <li key={label}>
                <span>{label}</span>
                <span className="bar" style={{ width: `${Math.max(0.6, 100 * probability)}%` }} />
                <span className="number">{percent(probability)}</span>
              </li>
            ))}
          </ol>
        )}
      </Card>
    </div>
  );
}
