import { Heatmap } from '../../components/heatmap.js';
import type { Explanation } from '../../worker/explain.js';

interface HeadGridProps {
  readonly explanation: Explanation;
  readonly place: { readonly layer: number; readonly head: number };
  readonly onPlace: (place: { layer: number; head: number }) => void;
}

/** Small pictures of all attention maps; one of them is looked at in detail. */
export function HeadGrid({ explanation, place, onPlace }: HeadGridProps) {
  const { attentions, nLayer, nHead, tokens, layers } = explanation;
  const size = tokens.length * tokens.length;
  return (
    <div className="scroll-x">
      <div
        className="head-grid"
        style={{ gridTemplateColumns: `8.5rem repeat(${nHead}, minmax(3.6rem, 7rem))` }}
      >
        {Array.from({ length: nLayer }, (_, layer) => layer).map((layer) => [
          <span key={`name-${layer}`} className="head-grid-name">
            <strong>Layer {layer + 1}</strong>
            <span className="small soft mono">{layers[layer]}</span>
          </span>,
          ...Array.from({ length: nHead }, (_, head) => head).map((head) => (
            <button
              key={`${layer}-${head}`}
              type="button"
              className="head-cell"
              aria-label={`Layer ${layer + 1}, head ${head + 1}`}
              aria-pressed={place.layer === layer && place.head === head}
              onClick={() => onPlace({ layer, head })}
            >
              <Heatmap
                rows={tokens.length}
                columns={tokens.length}
                values={attentions[layer]!.subarray(head * size, (head + 1) * size)}
                scale={1}
                label={`Attention of layer ${layer + 1}, head ${head + 1}`}
              />
            </button>
          )),
        ])}
      </div>
    </div>
  );
}
