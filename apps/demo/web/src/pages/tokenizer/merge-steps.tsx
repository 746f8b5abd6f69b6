import { ChevronLeft, ChevronRight, Pause, Play } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { visible } from '../../lib/format.js';
import type { MergeStep } from '../../worker/merge-steps.js';
import { tokenizers } from '../../worker/tokenizers.js';

interface MergeStepsProps {
  readonly text: string;
  readonly names: readonly string[];
  readonly labelOf: (name: string) => string;
  readonly version: number;
}

/** Byte-pair encoding of one word, a merge at a time. */
export function MergeSteps({ text, names, labelOf, version }: MergeStepsProps) {
  const words = useMemo(() => {
    const found = text.match(/ ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+/gu) ?? [];
    return [...new Set(found)].sort((a, b) => b.length - a.length).slice(0, 14);
  }, [text]);
  const [asked, setWord] = useState('');
  const [name, setName] = useState(names[0]!);
  const [steps, setSteps] = useState<readonly MergeStep[]>([]);
  const [at, setAt] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [error, setError] = useState<unknown>();
  const word = words.includes(asked) ? asked : (words[0] ?? '');
  const using = names.includes(name) ? name : names[0]!;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a vocabulary of the same name may have been trained anew
  useEffect(() => {
    let current = true;
    setError(undefined);
    tokenizers()
      .mergeSteps(using, word)
      .then(
        (found) => {
          if (!current) return;
          setSteps(found);
          setAt(0);
        },
        (problem: unknown) => current && setError(problem),
      );
    return () => {
      current = false;
    };
  }, [using, word, version]);

  const last = steps.length - 1;
  useEffect(() => {
    if (!playing) return;
    if (at >= last) {
      setPlaying(false);
      return;
    }
    const timer = setTimeout(() => setAt(at + 1), 700);
    return () => clearTimeout(timer);
  }, [playing, at, last]);

  const step = steps[Math.min(at, last)];
  return (
    <Card
      title="Merges, one at a time"
      actions={
        <select
          className="select compact"
          style={{ width: 'auto' }}
          aria-label="Encoding whose merges are shown"
          value={using}
          onChange={(event) => setName(event.target.value)}
        >
          {names.map((entry) => (
            <option key={entry} value={entry}>
              {labelOf(entry)}
            </option>
          ))}
        </select>
      }
    >
      <div className="stack tight">
        <fieldset className="row tight">
          <legend className="visually-hidden">Word</legend>
          {words.map((entry) => (
            <button
              key={entry}
              type="button"
              className="button compact mono"
              aria-pressed={entry === word}
              onClick={() => setWord(entry)}
            >
              {visible(entry)}
            </button>
          ))}
        </fieldset>
        {error !== undefined && <Problem error={error} />}
        <p className="merge-parts" aria-live="polite">
          {step?.parts.map((part, index) => (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: a part is its place
              key={index}
              className="merge-part"
              data-next={step.next && (index === step.next.at || index === step.next.at + 1) ? '' : undefined}
            >
              {visible(part)}
            </span>
          ))}
        </p>
        <p className="small soft merge-note">
          {step?.next
            ? `Next: merge ${(step.next.rank + 1).toLocaleString('en')} of the vocabulary makes “${visible(step.next.makes)}”.`
            : step
              ? `No rule is left: ${step.parts.length} ${step.parts.length === 1 ? 'token' : 'tokens'}.`
              : ''}
        </p>
        <div className="row">
          <button
            type="button"
            className="button icon compact"
            aria-label="One merge back"
            disabled={at === 0}
            onClick={() => setAt(at - 1)}
          >
            <ChevronLeft size={16} aria-hidden />
          </button>
          <button
            type="button"
            className="button icon compact"
            aria-label={playing ? 'Pause' : 'Play the merges'}
            disabled={last < 1}
            onClick={() => {
              if (at >= last) setAt(0);
              setPlaying(!playing);
            }}
          >
            {playing ? <Pause size={15} aria-hidden /> : <Play size={15} aria-hidden />}
          </button>
          <button
            type="button"
            className="button icon compact"
            aria-label="One merge on"
            disabled={at >= last}
            onClick={() => setAt(at + 1)}
          >
            <ChevronRight size={16} aria-hidden />
          </button>
          <input
            type="range"
            className="grow"
            aria-label="Merges done"
            min={0}
            max={Math.max(0, last)}
            value={Math.min(at, Math.max(0, last))}
            onChange={(event) => setAt(Number(event.target.value))}
          />
          <span className="small soft number">
            {Math.min(at, Math.max(0, last))} of {Math.max(0, last)}
          </span>
        </div>
      </div>
    </Card>
  );
}
