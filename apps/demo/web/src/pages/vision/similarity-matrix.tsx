import { useEffect, useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Problem } from '../../components/feedback.js';
import { TextField } from '../../components/fields.js';
import { fixed } from '../../lib/format.js';
import { engine } from '../../worker/engine.js';
import { EmojiTile } from './emoji-tile.js';
import { cutOut, type Gallery, loadGallery } from './gallery.js';

const wanted = [
  'grinning face',
  'red heart',
  'cat face',
  'pizza',
  'automobile',
  'sun',
  'deciduous tree',
  'rocket',
];

/** Every picture with every text, as in the paper's figure. */
export function SimilarityMatrix({ model }: { model: string }) {
  const [gallery, setGallery] = useState<Gallery>();
  const [places, setPlaces] = useState<readonly number[]>([]);
  const [texts, setTexts] = useState('');
  const [matrix, setMatrix] = useState<{ rows: number[][]; texts: readonly string[] }>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  useEffect(() => {
    loadGallery().then((found) => {
      setGallery(found);
      const known = wanted.flatMap((name) => {
        const at = found.items.findIndex((item) => item.name === name);
        return at >= 0 ? [at] : [];
      });
      const spread = Array.from({ length: 8 }, (_, at) => at * 71).filter((at) => !known.includes(at));
      const chosen = [...known, ...spread].slice(0, 6);
      setPlaces(chosen);
      setTexts(chosen.map((at) => found.items[at]!.name).join('\n'));
    }, setError);
  }, []);

  const lines = texts.split('\n').filter((line) => line.trim() !== '');
  const compare = async () => {
    setError(undefined);
    setBusy(true);
    try {
      const images = await Promise.all(places.map((at) => cutOut(gallery!, at)));
      setMatrix({ rows: await engine('vision').similarities(model, images, lines), texts: lines });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const all = matrix?.rows.flat() ?? [];
  const [least, most] = [Math.min(...all), Math.max(...all)];

  return (
    <Card title="Similarity of pictures and texts">
      <div className="columns side-first">
        <div className="stack tight">
          <TextField label="Texts, one a line" rows={7} value={texts} onChange={setTexts} />
          <div className="row tight">
            <button
              type="button"
              className="button primary"
              disabled={busy || places.length === 0 || lines.length === 0}
              onClick={() => void compare()}
            >
              Compare
            </button>
            <button
              type="button"
              className="button"
              disabled={!gallery}
              onClick={() => {
                const next = places.map((at) => (at + 37) % gallery!.items.length);
                setPlaces(next);
                setTexts(next.map((at) => gallery!.items[at]!.name).join('\n'));
                setMatrix(undefined);
              }}
            >
              Other pictures
            </button>
          </div>
          {busy && <Loading>Comparing</Loading>}
          {error !== undefined && <Problem error={error} />}
        </div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
        <section className="scroll-x" tabIndex={0} aria-label="Similarity table">
          {gallery && (
            <table className="similarity">
              <thead>
                <tr>
                  <td />
                  {places.map((at) => (
                    <th key={at} scope="col">
                      <EmojiTile gallery={gallery} at={at} size={44} />
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {(matrix?.texts ?? lines).map((text, row) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: two lines may be equal
                  <tr key={row}>
                    <th scope="row">{text}</th>
                    {places.map((at, column) => {
                      const value = matrix?.rows[column]?.[row];
                      const strength = value === undefined ? 0 : (value - least) / (most - least || 1);
                      return (
                        <td
                          key={at}
                          className="number"
                          style={{ background: `rgb(var(--heat) / ${(0.5 * strength).toFixed(3)})` }}
                        >
                          {value === undefined ? '' : fixed(value, 2)}
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      </div>
    </Card>
  );
}
