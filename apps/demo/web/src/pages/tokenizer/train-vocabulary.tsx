import { proxy } from 'comlink';
import { useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { Select, Slider, TextField } from '../../components/fields.js';
import { saveFile } from '../../lib/files.js';
import { duration, visible } from '../../lib/format.js';
import type { Trained } from '../../worker/tokenizer.worker.js';
import { tokenizers } from '../../worker/tokenizers.js';

/** Learns a vocabulary from a text in the page. */
export function TrainVocabulary({ onTrained }: { onTrained: (name: string) => void }) {
  const [algorithm, setAlgorithm] = useState<'bbpe' | 'bpe'>('bbpe');
  const [source, setSource] = useState<'alice' | 'own'>('alice');
  const [own, setOwn] = useState('low low low low low lower lower newest newest newest widest widest widest');
  const [vocabSize, setVocabSize] = useState(1_000);
  const [minFrequency, setMinFrequency] = useState(2);
  const [progress, setProgress] = useState<{ phase: string; share: number }>();
  const [trained, setTrained] = useState<Trained>();
  const [error, setError] = useState<unknown>();

  const train = async () => {
    setError(undefined);
    setProgress({ phase: 'Reading', share: 0 });
    try {
      const text = source === 'own' ? own : await (await fetch('./data/alice.txt')).text();
      const result = await tokenizers().train(
        { algorithm, text, vocabSize, minFrequency },
        proxy((phase: string, share: number) => setProgress({ phase, share })),
      );
      setTrained(result);
      onTrained(result.name);
    } catch (problem) {
      setError(problem);
    } finally {
      setProgress(undefined);
    }
  };

  return (
    <Card title="Train a vocabulary">
      <div className="columns side-first">
        <div className="stack tight">
          <Select
            label="Algorithm"
            value={algorithm}
            onChange={setAlgorithm}
            options={[
              { value: 'bbpe', label: 'Byte-level BPE (GPT-2)' },
              { value: 'bpe', label: 'BPE over characters (GPT-1)' },
            ]}
          />
          <Select
            label="Text"
            value={source}
            onChange={setSource}
            options={[
              { value: 'alice', label: 'Alice in Wonderland, 150 kB' },
              { value: 'own', label: 'A text of your own' },
            ]}
          />
          {source === 'own' && <TextField label="Your text" rows={4} value={own} onChange={setOwn} mono />}
          <Slider
            label="Vocabulary size"
            min={270}
            max={8_000}
            step={10}
            value={vocabSize}
            onChange={setVocabSize}
            format={(value) => value.toLocaleString('en')}
          />
          <Slider
            label="Rarest pair that is merged"
            min={1}
            max={20}
            step={1}
            value={minFrequency}
            onChange={setMinFrequency}
          />
          <button
            type="button"
            className="button primary"
            disabled={progress !== undefined}
            onClick={() => void train()}
          >
            Train
          </button>
          <div style={{ minHeight: '1.6rem' }}>
            {progress && (
              <>
                <progress className="progress" value={progress.share} aria-label={progress.phase} />
                <span className="small soft">{progress.phase}</span>
              </>
            )}
          </div>
          {error !== undefined && <Problem error={error} />}
        </div>
        <div className="stack tight">
          {trained ? (
            <>
              <div className="row between">
                <p className="small soft" role="status">
                  {trained.merges.length.toLocaleString('en')} merges learned in{' '}
                  {duration(trained.milliseconds)}; “{trained.name}” now stands among the encodings above.
                </p>
                <button
                  type="button"
                  className="button compact"
                  onClick={() => saveFile('tokenizer.json', trained.file, 'application/json')}
                >
                  Save the file
                </button>
              </div>
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
              <ol className="merge-list" aria-label="Merges in the order learned" tabIndex={0}>
                {trained.merges.slice(0, 600).map(([left, right], rank) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the order is the key
                  <li key={rank}>
                    <span className="number soft">{rank + 1}</span> {visible(left)}
                    <span className="soft"> + </span>
                    {visible(right)}
                  </li>
                ))}
              </ol>
            </>
          ) : (
            <p className="soft">
              Byte-pair encoding counts which two neighbours occur together most often, makes them one token,
              and counts again. What it learns first is what a language says most.
            </p>
          )}
        </div>
      </div>
    </Card>
  );
}
