import { useEffect, useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Problem } from '../../components/feedback.js';
import { TokenStrip } from '../../components/token-strip.js';
import { duration, visible } from '../../lib/format.js';
import type { Encoded, ShownToken } from '../../worker/tokenizer.worker.js';
import { tokenizers } from '../../worker/tokenizers.js';

export type TokenView = 'text' | 'ids' | 'bytes' | 'offsets';

interface PanelProps {
  readonly name: string;
  readonly label: string;
  readonly note: string;
  readonly text: string;
  readonly view: TokenView;
}

const hex = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

const contents: Record<TokenView, ((token: ShownToken) => string) | undefined> = {
  text: undefined,
  ids: (token) => ` ${token.id} `,
  bytes: (token) => ` ${hex(token.bytes)} `,
  offsets: (token) => (token.start === undefined ? ' – ' : ` ${token.start}–${token.end} `),
};

export function TokenizerPanel({ name, label, note, text, view }: PanelProps) {
  const [encoded, setEncoded] = useState<Encoded>();
  const [error, setError] = useState<unknown>();

  useEffect(() => {
    let current = true;
    setError(undefined);
    tokenizers()
      .encode(name, text)
      .then(
        (result) => current && setEncoded(result),
        (problem: unknown) => current && setError(problem),
      );
    return () => {
      current = false;
    };
  }, [name, text]);

  return (
    <Card title={label} actions={<span className="chip">{note}</span>} className="tokenizer-panel">
      {error !== undefined && <Problem error={error} />}
      {!encoded && error === undefined && <Loading>Loading the vocabulary</Loading>}
      {encoded && (
        <>
          <dl className="stats">
            <div>
              <dt>Tokens</dt>
              <dd data-testid={`count-${name}`}>{encoded.count.toLocaleString('en')}</dd>
            </div>
            <div>
              <dt>Bytes per token</dt>
              <dd>{encoded.count ? (encoded.bytes / encoded.count).toFixed(2) : '–'}</dd>
            </div>
            <div>
              <dt>Vocabulary</dt>
              <dd>{encoded.vocabSize.toLocaleString('en')}</dd>
            </div>
            <div>
              <dt>Time</dt>
              <dd>{encoded.milliseconds < 1 ? '< 1 ms' : duration(encoded.milliseconds)}</dd>
            </div>
          </dl>
          <TokenStrip
            tokens={encoded.tokens}
            label={`Tokens of ${label}`}
            {...(contents[view] ? { content: contents[view] } : {})}
            more={encoded.count - encoded.tokens.length}
            detail={(token, index) => (
              <>
                #{index} “{visible(token.text)}” · id {token.id} · bytes {hex(token.bytes)}
                {token.start !== undefined && ` · ${token.start}–${token.end}`}
              </>
            )}
          />
        </>
      )}
    </Card>
  );
}
