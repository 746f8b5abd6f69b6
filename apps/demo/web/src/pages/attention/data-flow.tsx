import type { ReactNode } from 'react';
import { Card } from '../../components/card.js';
import { Heatmap } from '../../components/heatmap.js';
import { percent, visible } from '../../lib/format.js';
import type { Explanation, HeadDetail } from '../../worker/explain.js';

interface DataFlowProps {
  readonly explanation: Explanation;
  readonly detail: HeadDetail;
  readonly layer: number;
  readonly head: number;
  readonly row: number;
  readonly onRow: (row: number) => void;
}

/** One head from its input to its output, then the rest of its block; every number is the model's own. */
export function DataFlow({ explanation, detail, layer, head, row, onRow }: DataFlowProps) {
  const { tokens, nEmbd, headDim, embeddings, layers } = explanation;
  const length = tokens.length;
  const nInner = detail.inner.length / length;
  const hidden = (query: number, key: number) => detail.visible[query * length + key] === 0;
  const best = Array.from(detail.weights.subarray(row * length, (row + 1) * length), (weight, at) => ({
    weight,
    at,
  }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, 4);
  const square = (values: Float32Array, label: string, more: object = {}) => (
    <Heatmap
      rows={length}
      columns={length}
      values={values}
      label={label}
      selected={{ row }}
      onSelect={(at) => onRow(at)}
      {...more}
    />
  );
  const vectors = (values: Float32Array, width: number, label: string) => (
    <Heatmap
      rows={length}
      columns={width}
      values={values}
      signed
      label={label}
      selected={{ row }}
      className="wide"
    />
  );
  return (
    <Card
      title={`Layer ${layer + 1}, head ${head + 1}, step by step`}
      actions={
        <span
          className="chip"
          title="Largest difference between these steps and the model’s own pass"
          data-testid="deviation"
        >
          {detail.deviation === 0
            ? 'equal to the model’s pass'
            : `equal to the model’s pass within ${detail.deviation.toExponential(0)}`}
        </span>
      }
    >
      <ol className="flow">
        <Step number={1} title="Embedding" formula={`${length} × ${nEmbd}`}>
          {vectors(embeddings.token, nEmbd, 'Token embeddings')}
          {embeddings.position && vectors(embeddings.position, nEmbd, 'Position embeddings')}
          <p>
            {embeddings.position
              ? 'Each token’s vector, and below it the vector of its place; the model reads their sum.'
              : `Each token’s vector; places enter later (${explanation.positions}).`}
          </p>
        </Step>
        <Step number={2} title="What the layer reads" formula={`${length} × ${nEmbd}`}>
          {vectors(detail.blockInput, nEmbd, 'Input of the block')}
          <p>The stream as the layers before have left it.</p>
        </Step>
        <Step number={3} title="Query, key, value" formula={`3 × ${length} × ${headDim}`}>
          <div className="flow-row">
            <figure>
              {vectors(detail.query, headDim, 'Queries')}
              <figcaption>Q: what I look for</figcaption>
            </figure>
            <figure>
              {vectors(detail.key, headDim, 'Keys')}
              <figcaption>K: what I am found by</figcaption>
            </figure>
            <figure>
              {vectors(detail.value, headDim, 'Values')}
              <figcaption>V: what I give</figcaption>
            </figure>
          </div>
        </Step>
        <Step number={4} title="Scores" formula="Q · Kᵀ / √d">
          {square(detail.scores, 'Scores before the mask', { signed: true })}
          <p>How well each query fits each key, also those it may not see.</p>
        </Step>
        <Step number={5} title="Mask" formula={layers[layer] ?? ''}>
          {square(Float32Array.from(detail.visible), 'Which keys each query may see', { scale: 1 })}
          <p>
            {percent(detail.visible.reduce((sum, seen) => sum + seen, 0) / ((length * (length + 1)) / 2), 0)}{' '}
            of the causal triangle is seen.
          </p>
        </Step>
        <Step number={6} title="Softmax" formula="each row sums to 1">
          {square(detail.weights, 'Attention weights', { hidden, scale: 1 })}
          <p>
            “{visible(tokens[row]!.text)}” looks at{' '}
            {best
              .filter(({ weight }) => weight > 0.005)
              .map(({ weight, at }) => `“${visible(tokens[at]!.text)}” ${percent(weight, 0)}`)
              .join(', ')}
            .
          </p>
        </Step>
        <Step number={7} title="Head output" formula={`weights · V, ${length} × ${headDim}`}>
          {vectors(detail.output, headDim, 'Output of the head')}
          <p>The heads’ outputs stand side by side, are mixed by one matrix, and added to the stream.</p>
        </Step>
        <Step number={8} title="MLP" formula={`${length} × ${nInner}`}>
          {vectors(detail.inner, nInner, 'Inner activations of the MLP')}
          <p>{percent(share(detail.inner, row, nInner), 0)} of this token’s inner neurons are above 0.1.</p>
        </Step>
        <Step number={9} title="What the layer leaves" formula={`${length} × ${nEmbd}`}>
          {vectors(detail.blockOutput, nEmbd, 'Output of the block')}
          <p>Input plus attention plus MLP: what the next layer reads.</p>
        </Step>
      </ol>
    </Card>
  );
}

function share(inner: Float32Array, row: number, width: number): number {
  let active = 0;
  for (let at = row * width; at < (row + 1) * width; at++) if (inner[at]! > 0.1) active++;
  return active / width;
}

interface StepProps {
  readonly number: number;
  readonly title: string;
  readonly formula: string;
  readonly children: ReactNode;
}

function Step({ number, title, formula, children }: StepProps) {
  return (
    <li className="flow-step">
      <h3>
        <span className="flow-number" aria-hidden>
          {number}
        </span>
        {title}
        <span className="soft mono small">{formula}</span>
      </h3>
      {children}
    </li>
  );
}
