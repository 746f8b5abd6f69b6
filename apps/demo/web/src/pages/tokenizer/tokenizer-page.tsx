import { useDeferredValue, useEffect, useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { PageHead } from '../../components/page-head.js';
import { Segments } from '../../components/segments.js';
import { useModels } from '../../lib/models.js';
import { tokenizers } from '../../worker/tokenizers.js';
import { MergeSteps } from './merge-steps.js';
import { samples } from './samples.js';
import { TokenizerPanel, type TokenView } from './tokenizer-panel.js';
import './tokenizer.css';
import { TrainVocabulary } from './train-vocabulary.js';

const builtIn = [
  { name: 'gpt2', label: 'GPT-2 and GPT-3', note: 'byte-level BPE, 50,257 tokens' },
  { name: 'p50k_base', label: 'Codex', note: 'p50k_base' },
  { name: 'cl100k_base', label: 'GPT-3.5 and GPT-4', note: 'cl100k_base' },
  { name: 'o200k_base', label: 'GPT-4o', note: 'o200k_base' },
  { name: 'clip', label: 'CLIP', note: 'lower case, end of word marked' },
] as const;

export default function TokenizerPage() {
  const [text, setText] = useState<string>(samples[0]!.text);
  const [view, setView] = useState<TokenView>('text');
  const [chosen, setChosen] = useState<readonly string[]>(['gpt2', 'o200k_base']);
  const [extra, setExtra] = useState<readonly string[]>([]);
  const [version, setVersion] = useState(0);
  const [problem, setProblem] = useState<unknown>();
  const deferred = useDeferredValue(text);
  const { models } = useModels();
  const names = [...builtIn.map(({ name }) => name as string), ...extra];
  const labelOf = (name: string) => builtIn.find((entry) => entry.name === name)?.label ?? name;

  const add = (name: string) => {
    setExtra((before) => (before.includes(name) ? before : [...before, name]));
    setChosen((before) => (before.includes(name) ? before : [...before, name]));
    setVersion((before) => before + 1);
  };

  const open = async (name: string, contents: Promise<string>) => {
    setProblem(undefined);
    try {
      await tokenizers().open(name, await contents);
      add(name);
    } catch (error) {
      setProblem(error);
    }
  };

  return (
    <div className="page">
      <PageHead title="Tokenizer playground">
        How a text becomes the numbers that a model reads: the encodings of every generation side by side, and
        your own vocabulary, trained in this page.
      </PageHead>

      <Card
        title="Text"
        actions={samples.map((sample) => (
          <button
            key={sample.name}
            type="button"
            className="button compact"
            aria-pressed={text === sample.text}
            onClick={() => setText(sample.text)}
          >
            {sample.name}
          </button>
        ))}
      >
        <textarea
          className="textarea mono"
          aria-label="Text to encode"
          rows={5}
          value={text}
          spellCheck={false}
          onChange={(event) => setText(event.target.value)}
        />
        <p className="soft small number">
          {text.length.toLocaleString('en')} UTF-16 units, {Array.from(text).length.toLocaleString('en')}{' '}
          characters, {new TextEncoder().encode(text).length.toLocaleString('en')} bytes
        </p>
      </Card>

      <div className="row between">
        <fieldset className="row tight">
          <legend className="visually-hidden">Encodings to compare</legend>
          {names.map((name) => (
            <button
              key={name}
              type="button"
              className="button compact"
              aria-pressed={chosen.includes(name)}
              onClick={() =>
                setChosen(
                  chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name],
                )
              }
            >
              {labelOf(name)}
            </button>
          ))}
          <label className="button compact file-button">
            Open a file …
            <input
              type="file"
              accept=".json,.tiktoken,.txt"
              className="visually-hidden"
              onChange={(event) => {
                const file = event.target.files?.[0];
                if (file) void open(file.name, file.text());
                event.target.value = '';
              }}
            />
          </label>
          {models.length > 0 && (
            <select
              className="select compact"
              style={{ width: 'auto' }}
              aria-label="Add the tokenizer of a checkpoint"
              value=""
              onChange={(event) => {
                const { value } = event.target;
                void open(
                  value,
                  fetch(`./checkpoints/${value}/tokenizer.json`).then((response) => {
                    if (!response.ok) throw new Error(`${value} has no tokenizer.json`);
                    return response.text();
                  }),
                );
              }}
            >
              <option value="">Of a checkpoint …</option>
              {models.map((model) => (
                <option key={model.id} value={model.id}>
                  {model.title}
                </option>
              ))}
            </select>
          )}
        </fieldset>
        <Segments
          label="What to show of a token"
          value={view}
          onChange={setView}
          options={[
            { value: 'text', label: 'Text' },
            { value: 'ids', label: 'Ids' },
            { value: 'bytes', label: 'Bytes' },
            { value: 'offsets', label: 'Offsets' },
          ]}
        />
      </div>
      {problem !== undefined && <Problem error={problem} />}

      <div className="pair" key={version}>
        {chosen.map((name) => (
          <TokenizerPanel
            key={name}
            name={name}
            label={labelOf(name)}
            note={builtIn.find((entry) => entry.name === name)?.note ?? 'added here'}
            text={deferred}
            view={view}
          />
        ))}
      </div>

      <MergeSteps
        text={deferred}
        names={chosen.length > 0 ? chosen : ['gpt2']}
        labelOf={labelOf}
        version={version}
      />
      <TrainVocabulary onTrained={add} />
      <Preload />
    </div>
  );
}

/** Starts the worker while the page is being read. */
function Preload() {
  useEffect(() => {
    void tokenizers();
  }, []);
  return null;
}
