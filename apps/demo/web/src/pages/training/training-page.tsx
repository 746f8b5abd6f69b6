import { useState } from 'react';
import { Card } from '../../components/card.js';
import { Note, Problem } from '../../components/feedback.js';
import { NumberField, Select, Slider, TextField } from '../../components/fields.js';
import { LineChart, type LineSeries } from '../../components/line-chart.js';
import { PageHead } from '../../components/page-head.js';
import type { TrainingSpec } from '../../lib/lab-types.js';
import { useModels } from '../../lib/models.js';
import { startRun, useRuns } from '../../lib/runs.js';
import { RunList } from './run-list.js';
import { Samples } from './samples.js';
import './training.css';

type Field = 'loss' | 'learningRate' | 'gradientNorm' | 'tokensPerSecond';

const initial: Omit<TrainingSpec, 'text'> = {
  kind: 'pretrain',
  tokenizer: 'character',
  vocabSize: 600,
  nLayer: 2,
  nHead: 4,
  nEmbd: 64,
  contextLength: 64,
  layerPattern: ['dense'],
  steps: 200,
  batchSize: 12,
  learningRate: 3e-3,
  warmup: 20,
  dropout: 0,
  rank: 8,
  seed: 1,
};

export default function TrainingPage() {
  const runs = useRuns();
  const { models } = useModels();
  const bases = models.filter(({ kind }) => kind === 'gpt');
  const [spec, setSpec] = useState(initial);
  const [base, setBase] = useState('');
  const [place, setPlace] = useState<'browser' | 'server'>('browser');
  const [source, setSource] = useState<'alice' | 'own'>('alice');
  const [own, setOwn] = useState('');
  const [error, setError] = useState<unknown>();
  const change = (part: Partial<typeof spec>) => setSpec({ ...spec, ...part });
  const fresh = spec.kind === 'pretrain';
  const from = bases.some(({ id }) => id === base) ? base : (bases[0]?.id ?? '');
  const shown = runs.filter((run) => run.shown);

  const start = async () => {
    setError(undefined);
    try {
      const text = source === 'own' ? own : await (await fetch('./data/alice.txt')).text();
      startRun({ ...spec, text, ...(fresh ? {} : { base: from }) }, place);
    } catch (problem) {
      setError(problem);
    }
  };

  const lines = (field: Field): LineSeries[] =>
    shown.map((run) => ({
      label: run.name,
      colour: run.colour,
      points: run.events.flatMap((event) =>
        event.type === 'step' ? [[event.step, event[field]] as const] : [],
      ),
    }));
  const validations: LineSeries[] = shown.map((run) => ({
    label: `${run.name}, held-out`,
    colour: run.colour,
    dots: true,
    points: run.events.flatMap((event) =>
      event.type === 'validation' ? [[event.step, event.loss] as const] : [],
    ),
  }));

  return (
    <div className="page">
      <PageHead title="Training lab">
        Train a GPT while you watch: from scratch, on from a checkpoint, or with low-rank adapters – in this
        page or on the server – and hold several runs against each other.
      </PageHead>
      <div className="columns side-first">
        <Card title="A new run">
          <div className="stack tight">
            <Select
              label="What"
              value={spec.kind}
              onChange={(kind) =>
                change({ kind, learningRate: kind === 'pretrain' ? 3e-3 : kind === 'lora' ? 1e-3 : 3e-4 })
              }
              options={[
                { value: 'pretrain', label: 'Pretraining, from scratch' },
                { value: 'finetune', label: 'Fine-tuning of a checkpoint', disabled: bases.length === 0 },
                { value: 'lora', label: 'LoRA on a checkpoint', disabled: bases.length === 0 },
              ]}
            />
            {!fresh && (
              <Select
                label="Checkpoint"
                value={from}
                onChange={setBase}
                options={bases.map(({ id, title }) => ({ value: id, label: title }))}
              />
            )}
            <Select
              label="Where"
              value={place}
              onChange={setPlace}
              options={[
                { value: 'browser', label: 'In this page' },
                { value: 'server', label: 'On the server' },
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
            {source === 'own' && <TextField label="Your text" rows={5} value={own} onChange={setOwn} mono />}
            {fresh && (
              <>
                <Select
                  label="Tokens"
                  value={spec.tokenizer}
                  onChange={(tokenizer) => change({ tokenizer })}
                  options={[
                    { value: 'character', label: 'Characters' },
                    { value: 'bbpe', label: 'Byte-level BPE, learned first' },
                  ]}
                />
                <Slider
                  label="Layers"
                  min={1}
                  max={6}
                  step={1}
                  value={spec.nLayer}
                  onChange={(nLayer) => change({ nLayer })}
                />
                <Slider
                  label="Width"
                  min={32}
                  max={256}
                  step={32}
                  value={spec.nEmbd}
                  onChange={(nEmbd) => change({ nEmbd })}
                />
                <Select
                  label="Attention"
                  value={spec.layerPattern.join(' ')}
                  onChange={(pattern) => change({ layerPattern: pattern.split(' ') })}
                  options={[
                    { value: 'dense', label: 'Dense' },
                    { value: 'dense banded(16)', label: 'Dense and banded in turn (GPT-3)' },
                    { value: 'strided(8)', label: 'Strided' },
                    { value: 'fixed(8,2)', label: 'Fixed' },
                    { value: 'topk(8)', label: 'Top-k' },
                  ]}
                />
              </>
            )}
            {spec.kind === 'lora' && (
              <Slider
                label="Rank"
                min={1}
                max={32}
                step={1}
                value={spec.rank}
                onChange={(rank) => change({ rank })}
              />
            )}
            <Slider
              label="Context"
              min={16}
              max={256}
              step={16}
              value={spec.contextLength}
              onChange={(contextLength) => change({ contextLength })}
              format={(value) => `${value} tokens`}
            />
            <div className="row">
              <div className="grow">
                <NumberField
                  label="Steps"
                  min={1}
                  value={spec.steps}
                  onChange={(steps) => steps >= 1 && change({ steps: Math.floor(steps) })}
                />
              </div>
              <div className="grow">
                <NumberField
                  label="Rows a step"
                  min={1}
                  value={spec.batchSize}
                  onChange={(batchSize) => batchSize >= 1 && change({ batchSize: Math.floor(batchSize) })}
                />
              </div>
            </div>
            <div className="row">
              <div className="grow">
                <NumberField
                  label="Learning rate"
                  min={0}
                  step={0.0001}
                  value={spec.learningRate}
                  onChange={(learningRate) => learningRate > 0 && change({ learningRate })}
                />
              </div>
              <div className="grow">
                <NumberField
                  label="Seed"
                  min={0}
                  value={spec.seed}
                  onChange={(seed) => seed >= 0 && change({ seed: Math.floor(seed) })}
                />
              </div>
            </div>
            {error !== undefined && <Problem error={error} />}
            <button
              type="button"
              className="button primary"
              disabled={(source === 'own' && own.length < 200) || (!fresh && from === '')}
              onClick={() => void start()}
            >
              Start the run
            </button>
          </div>
        </Card>
        <div className="stack">
          <RunList runs={runs} />
          {runs.length > 0 && (
            <Card title="Curves">
              <div className="charts">
                <LineChart title="Loss, nats per token" series={lines('loss')} />
                <LineChart title="Held-out loss" series={validations} />
                <LineChart title="Learning rate" series={lines('learningRate')} />
                <LineChart title="Gradient norm" series={lines('gradientNorm')} />
                <LineChart title="Tokens per second" series={lines('tokensPerSecond')} />
              </div>
            </Card>
          )}
          {runs.length === 0 ? (
            <Note>
              Loss, held-out loss, learning rate, gradient norm and speed are drawn here as the run goes,
              those of several runs together. A run in this page uses WebGPU or WebAssembly; two layers of
              width 64 take a few minutes to learn the spelling of Alice.
            </Note>
          ) : (
            <Samples runs={runs} />
          )}
        </div>
      </div>
    </div>
  );
}
