import { ChevronLeft, ChevronRight, Copy, RefreshCw } from 'lucide-react';
import { useState } from 'react';
import { Problem } from '../../components/feedback.js';
import { Markdown } from '../../components/markdown.js';
import { TokenStrip } from '../../components/token-strip.js';
import type { TokenInfo } from '../../lib/chat-types.js';
import { bytes, count, percent, visible } from '../../lib/format.js';
import type { Answer } from './chat-state.js';

export type AnswerMode = 'text' | 'markdown' | 'tokens';

interface AnswerViewProps {
  readonly model: string;
  readonly title: string;
  readonly answer: Answer;
  readonly attempts: number;
  readonly attempt: number;
  readonly mode: AnswerMode;
  readonly busy: boolean;
  readonly onChoose: (at: number) => void;
  readonly onRegenerate: () => void;
}

export function AnswerView({ title, answer, attempts, attempt, mode, busy, ...on }: AnswerViewProps) {
  const [copied, setCopied] = useState(false);
  const writing = answer.status === 'waiting' || answer.status === 'streaming';
  return (
    <article
      className="answer"
      aria-label={`Answer of ${title}`}
      aria-busy={writing}
      data-status={answer.status}
    >
      <header className="row between">
        <h2 className="answer-title">{title}</h2>
        {answer.where && <span className="chip">{answer.where}</span>}
      </header>
      <div className="answer-body">
        {answer.status === 'waiting' && (
          <p className="soft row tight">
            <span className="spinner" aria-hidden />
            {answer.loaded
              ? `Fetching the model: ${bytes(answer.loaded.loaded)}${answer.loaded.total ? ` of ${bytes(answer.loaded.total)}` : ''}`
              : 'Reading'}
          </p>
        )}
        {mode === 'tokens' && answer.tokens.length > 0 ? (
          <TokenProbabilities tokens={answer.tokens} />
        ) : mode === 'markdown' && !writing ? (
          <Markdown text={answer.text} />
        ) : (
          <p className="answer-text" data-testid="answer-text">
            {answer.text}
            {answer.status === 'streaming' && <span className="caret" aria-hidden />}
          </p>
        )}
        {answer.status === 'failed' && <Problem error={answer.error} />}
      </div>
      <footer className="row between small soft">
        <span className="number">
          {answer.status === 'stopped' && 'stopped · '}
          {answer.finishReason === 'length' && answer.status === 'done' && 'length limit · '}
          {answer.tokens.length > 0 && `${count(answer.tokens.length)} tokens`}
          {answer.tokensPerSecond ? ` · ${answer.tokensPerSecond.toFixed(1)} tokens/s` : ''}
        </span>
        <span className="row tight">
          {attempts > 1 && (
            <>
              <button
                type="button"
                className="button quiet icon compact"
                aria-label="Answer before"
                disabled={attempt === 0}
                onClick={() => on.onChoose(attempt - 1)}
              >
                <ChevronLeft size={15} aria-hidden />
              </button>
              <span className="number">
                {attempt + 1}/{attempts}
              </span>
              <button
                type="button"
                className="button quiet icon compact"
                aria-label="Next answer"
                disabled={attempt === attempts - 1}
                onClick={() => on.onChoose(attempt + 1)}
              >
                <ChevronRight size={15} aria-hidden />
              </button>
            </>
          )}
          <button
            type="button"
            className="button quiet icon compact"
            aria-label={copied ? 'Copied' : 'Copy the answer'}
            onClick={() => {
              void navigator.clipboard?.writeText(answer.text).then(() => setCopied(true));
            }}
          >
            <Copy size={15} aria-hidden />
          </button>
          <button
            type="button"
            className="button quiet icon compact"
            aria-label={`Another answer of ${title}`}
            disabled={busy}
            onClick={on.onRegenerate}
          >
            <RefreshCw size={15} aria-hidden />
          </button>
        </span>
      </footer>
    </article>
  );
}

/** Tokens shaded by how likely the model found them; what else it considered, below. */
function TokenProbabilities({ tokens }: { tokens: readonly TokenInfo[] }) {
  const shown = tokens.map((token, id) => ({ ...token, id }));
  return (
    <div className="probabilities">
      <TokenStrip
        label="Tokens of the answer, shaded by probability"
        tokens={shown}
        colour={({ logProb }) => `rgb(var(--heat-alt) / ${((1 - Math.exp(logProb)) * 0.42).toFixed(3)})`}
        detail={(token) => (
          <div className="alternatives">
            <span>
              “{visible(token.text)}” {percent(Math.exp(token.logProb))}
            </span>
            <ul>
              {token.top.map((entry, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: two tokens may have one text
                <li key={at} data-own={entry.text === token.text || undefined}>
                  <span>{visible(entry.text)}</span>
                  <span className="bar" style={{ width: `${Math.max(1, 100 * Math.exp(entry.logProb))}%` }} />
                  <span>{percent(Math.exp(entry.logProb))}</span>
                </li>
              ))}
            </ul>
          </div>
        )}
      />
    </div>
  );
}
