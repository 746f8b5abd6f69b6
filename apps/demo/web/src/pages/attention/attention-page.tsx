import { useEffect, useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Note, Problem } from '../../components/feedback.js';
import { Select, Slider, Switch, TextField } from '../../components/fields.js';
import { PageHead } from '../../components/page-head.js';
import { duration, visible } from '../../lib/format.js';
import { useModels } from '../../lib/models.js';
import { engine } from '../../worker/engine.js';
import type { Explanation, HeadDetail, PatternChoice } from '../../worker/explain.js';
import './attention.css';
import { DataFlow } from './data-flow.js';
import { HeadGrid } from './head-grid.js';
import { NextToken } from './next-token.js';

const kinds: readonly {
  value: PatternChoice['kind'];
  label: string;
  about: string;
  size?: string;
  extra?: string;
}[] = [
  { value: 'trained', label: 'As trained', about: 'What the checkpoint’s own configuration says.' },
  { value: 'dense', label: 'Dense', about: 'Every earlier position (Vaswani et al. 2017).' },
  {
    value: 'banded',
    label: 'Banded',
    about: 'The last few positions only; GPT-3 alternates it with dense layers.',
    size: 'Window',
  },
  {
    value: 'strided',
    label: 'Strided',
    about: 'The last positions, and every n-th before them (Child et al. 2019).',
    size: 'Stride',
  },
  {
    value: 'fixed',
    label: 'Fixed',
    about: 'The own block, and the last positions of earlier blocks (Child et al. 2019).',
    size: 'Block',
    extra: 'Summary',
  },
  {
    value: 'topk',
    label: 'Top-k',
    about: 'The k largest scores of each row, whatever their place (Zhao et al. 2019).',
    size: 'k',
  },
  {
    value: 'recurrent',
    label: 'Recurrent',
    about: 'Segment after segment, each layer remembering states of the ones before (Dai et al. 2019).',
    size: 'Segment',
    extra: 'Memory',
  },
];

export default function AttentionPage() {
  const { models, loading, error } = useModels();
  const usable = models.filter(({ kind }) => kind === 'gpt');
  const [model, setModel] = useState('');
  const [text, setText] = useState('To be, or not to be: that');
  const [choice, setChoice] = useState<PatternChoice>({
    kind: 'trained',
    size: 6,
    extra: 2,
    alternate: false,
  });
  const [explanation, setExplanation] = useState<Explanation>();
  const [place, setPlace] = useState({ layer: 0, head: 0 });
  const [query, setQuery] = useState<number>();
  const [detail, setDetail] = useState<HeadDetail>();
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const id = usable.some((entry) => entry.id === model) ? model : (usable[0]?.id ?? '');
  const kind = kinds.find(({ value }) => value === choice.kind)!;

  useEffect(() => {
    if (id === '' || text === '') return;
    let current = true;
    // Typing is quicker than a forward pass.
    const timer = setTimeout(async () => {
      setBusy(true);
      try {
        const result = await engine('attention').explain(id, text, choice);
        if (!current) return;
        setExplanation(result);
        setProblem(undefined);
        setPlace((before) => ({
          layer: Math.min(before.layer, result.nLayer - 1),
          head: Math.min(before.head, result.nHead - 1),
        }));
        setQuery(undefined);
      } catch (failure) {
        if (current) setProblem(failure);
      } finally {
        if (current) setBusy(false);
      }
    }, 180);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [id, text, choice]);

  useEffect(() => {
    if (!explanation) return;
    let current = true;
    engine('attention')
      .explainHead(place.layer, place.head)
      .then(
        (result) => current && setDetail(result),
        (failure: unknown) => current && setProblem(failure),
      );
    return () => {
      current = false;
    };
  }, [explanation, place]);

  const row = Math.min(query ?? (explanation?.tokens.length ?? 1) - 1, (explanation?.tokens.length ?? 1) - 1);

  return (
    <div className="page">
      <PageHead
        title="Attention explorer"
        actions={
          explanation && (
            <span className="chip number">
              {explanation.tokens.length} tokens in {duration(explanation.milliseconds)}, in this browser
            </span>
          )
        }
      >
        Follow a text through a model that runs here: what each head looks at, how scores become weights, and
        how the last state becomes the next token – under every attention pattern of the family.
      </PageHead>

      {error !== undefined && <Problem error={`The checkpoints cannot be listed: ${error}`} />}
      {!loading && usable.length === 0 && error === undefined && (
        <Note>There is no checkpoint to look into yet.</Note>
      )}

      <Card title="Text and model">
        <div className="explorer-controls">
          <div className="stack tight">
            <TextField label="Text" value={text} onChange={setText} mono />
            <Select
              label="Model"
              value={id}
              onChange={setModel}
              options={usable.map((entry) => ({ value: entry.id, label: entry.title }))}
            />
          </div>
          <div className="stack tight">
            <Select
              label="Attention pattern"
              value={choice.kind}
              onChange={(value) => setChoice({ ...choice, kind: value })}
              options={kinds.map(({ value, label }) => ({ value, label }))}
              hint={kind.about}
            />
            <div className="row">
              <div className="grow">
                <Slider
                  label={kind.size ?? 'Size'}
                  min={1}
                  max={24}
                  step={1}
                  value={choice.size}
                  disabled={!kind.size}
                  onChange={(size) => setChoice({ ...choice, size })}
                />
              </div>
              <div className="grow">
                <Slider
                  label={kind.extra ?? 'Extra'}
                  min={1}
                  max={24}
                  step={1}
                  value={choice.extra}
                  disabled={!kind.extra}
                  onChange={(extra) => setChoice({ ...choice, extra })}
                />
              </div>
            </div>
            <Switch
              label="Every second layer stays dense, as in GPT-3"
              checked={choice.alternate}
              disabled={!kind.size || choice.kind === 'recurrent'}
              onChange={(alternate) => setChoice({ ...choice, alternate })}
            />
          </div>
        </div>
      </Card>

      {problem !== undefined && <Problem error={problem} />}
      {!explanation && busy && <Loading>Fetching the model</Loading>}
      {explanation && (
        <>
          <Card
            title="Every head of every layer"
            actions={<span className="small soft">rows ask, columns are looked at</span>}
          >
            <HeadGrid explanation={explanation} place={place} onPlace={setPlace} />
          </Card>
          <fieldset className="query-tokens">
            <legend className="small soft">Whose eyes: the token that asks</legend>
            {explanation.tokens.map((token, at) => (
              <button
                // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
                key={at}
                type="button"
                className="token"
                aria-pressed={at === row}
                style={{ background: weightColour(detail, row, at, explanation.tokens.length) }}
                onClick={() => setQuery(at)}
              >
                {visible(token.text)}
              </button>
            ))}
          </fieldset>
          {detail && detail.weights.length === explanation.tokens.length ** 2 && (
            <DataFlow
              explanation={explanation}
              detail={detail}
              layer={place.layer}
              head={place.head}
              row={row}
              onRow={setQuery}
            />
          )}
          <NextToken explanation={explanation} />
        </>
      )}
    </div>
  );
}

function weightColour(detail: HeadDetail | undefined, row: number, column: number, length: number): string {
  if (!detail || detail.weights.length !== length * length) return 'var(--sunken)';
  return `rgb(var(--heat) / ${(0.06 + 0.6 * detail.weights[row * length + column]!).toFixed(3)})`;
}
