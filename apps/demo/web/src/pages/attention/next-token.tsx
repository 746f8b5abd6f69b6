import { useMemo, useState } from 'react';
import { Card } from '../../components/card.js';
import { Slider } from '../../components/fields.js';
import { fixed, percent, visible } from '../../lib/format.js';
import type { Explanation } from '../../worker/explain.js';
import { candidates } from './sampling.js';

/** From the last state to the next token, with the sampling options in hand. */
export function NextToken({ explanation }: { explanation: Explanation }) {
  const [temperature, setTemperature] = useState(1);
  const [topK, setTopK] = useState(0);
  const [topP, setTopP] = useState(1);
  const found = useMemo(
    () => candidates(explanation.logits, explanation.vocabulary, { temperature, topK, topP }, 12),
    [explanation, temperature, topK, topP],
  );
  return (
    <div className="pair">
      <Card title="The next token">
        <div className="stack tight">
          <div className="sliders">
            <div>
              <Slider
                label="Temperature"
                min={0}
                max={2}
                step={0.05}
                value={temperature}
                onChange={setTemperature}
                format={(value) => (value === 0 ? 'greedy' : value.toFixed(2))}
              />
            </div>
            <div>
              <Slider
                label="Top-k"
                min={0}
                max={40}
                step={1}
                value={topK}
                onChange={setTopK}
                format={(value) => (value === 0 ? 'off' : String(value))}
              />
            </div>
            <div>
              <Slider
                label="Top-p"
                min={0.05}
                max={1}
                step={0.01}
                value={topP}
                onChange={setTopP}
                format={(value) => (value === 1 ? 'off' : value.toFixed(2))}
              />
            </div>
          </div>
          <div className="scroll-x">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Token</th>
                  <th scope="col" className="number">
                    Logit
                  </th>
                  <th scope="col" className="number">
                    Softmax
                  </th>
                  <th scope="col" style={{ width: '45%' }}>
                    After the options
                  </th>
                </tr>
              </thead>
              <tbody>
                {found.map((entry) => (
                  <tr key={entry.id} data-cut={entry.sampled === 0 || undefined}>
                    <td className="mono">“{visible(entry.text)}”</td>
                    <td className="number">{fixed(entry.logit, 2)}</td>
                    <td className="number">{percent(entry.probability)}</td>
                    <td>
                      <span className="bar-cell">
                        <span className="bar" style={{ width: `${Math.max(0.5, 100 * entry.sampled)}%` }} />
                        <span className="number">{entry.sampled === 0 ? 'cut' : percent(entry.sampled)}</span>
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </div>
      </Card>
      <Card title="What each layer would say">
        <p className="small soft" style={{ marginBottom: '0.6rem' }}>
          The last position’s state after every layer, read through the final norm and the output matrix as if
          it were the last.
        </p>
        <div className="scroll-x">
          <table className="table lens">
            <tbody>
              {explanation.lens.map((top, layer) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a layer is its place
                <tr key={layer}>
                  <th scope="row">{layer === 0 ? 'Embedding' : `Layer ${layer}`}</th>
                  {top.slice(0, 4).map((entry, rank) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: a rank is its place
                    <td key={rank} className="mono">
                      “{visible(entry.text)}” <span className="soft">{percent(entry.probability, 0)}</span>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
    </div>
  );
}
