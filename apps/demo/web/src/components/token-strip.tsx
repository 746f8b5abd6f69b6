import { type KeyboardEvent, memo, type ReactNode, useCallback, useId, useRef, useState } from 'react';
import { visible } from '../lib/format.js';
import './token-strip.css';

export interface StripToken {
  readonly text: string;
  readonly id: number;
}

interface TokenStripProps<T extends StripToken> {
  readonly tokens: readonly T[];
  readonly label: string;
  /** What stands in a token: its text by default */
  readonly content?: (token: T) => string;
  /** Shown below the strip for the token under the pointer or the focus */
  readonly detail: (token: T, index: number) => ReactNode;
  readonly colour?: (token: T, index: number) => string;
  readonly more?: number;
  readonly onPick?: (token: T, index: number) => void;
}

/**
 * Tokens in colours that differ from their neighbours'. One stop for the Tab key; arrows move inside. What is known of
 * a token stands below in a line of fixed height, so that nothing jumps.
 */
export function TokenStrip<T extends StripToken>(props: TokenStripProps<T>) {
  const { tokens, label, detail, more = 0 } = props;
  const [active, setActive] = useState(0);
  const [shown, setShown] = useState<number>();
  const id = useId();
  const current = Math.min(active, Math.max(0, tokens.length - 1));
  const token = shown === undefined ? undefined : tokens[shown];

  // Stable over renders, so that pointing at one token does not render all of them.
  const latest = useRef(props);
  latest.current = props;
  const pick = useCallback((at: number) => {
    setActive(at);
    setShown(at);
    latest.current.onPick?.(latest.current.tokens[at]!, at);
  }, []);

  const move = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -tokens.length, End: tokens.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(tokens.length - 1, current + step));
    setActive(next);
    setShown(next);
    const buttons = event.currentTarget.querySelectorAll('button');
    buttons[next]?.focus();
  };

  return (
    <div className="token-strip">
      <fieldset
        className="tokens"
        aria-label={label}
        onKeyDown={move}
        onMouseLeave={() => setShown(undefined)}
        onBlur={(event) => {
          if (!event.currentTarget.contains(event.relatedTarget)) setShown(undefined);
        }}
      >
        {tokens.map((entry, index) => (
          <Token
            // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
            key={index}
            index={index}
            content={props.content ? props.content(entry) : entry.text}
            plain={props.content === undefined}
            colour={props.colour?.(entry, index)}
            focusable={index === current}
            chosen={index === shown}
            describedBy={id}
            onShow={setShown}
            onPick={pick}
          />
        ))}
        {more > 0 && <span className="soft small"> and {more.toLocaleString('en')} more</span>}
      </fieldset>
      <div className="token-detail" id={id} aria-live="polite">
        {token ? detail(token, shown!) : <span className="soft">Point at a token</span>}
      </div>
    </div>
  );
}

interface TokenProps {
  readonly index: number;
  readonly content: string;
  readonly plain: boolean;
  readonly colour: string | undefined;
  readonly focusable: boolean;
  readonly chosen: boolean;
  readonly describedBy: string;
  readonly onShow: (index: number) => void;
  readonly onPick: (index: number) => void;
}

const Token = memo(function Token({
  index,
  content,
  plain,
  colour,
  focusable,
  chosen,
  describedBy,
  ...on
}: TokenProps) {
  const text = plain ? visible(content) : content;
  return (
    <>
      <button
        type="button"
        className="token"
        style={{ background: colour ?? `var(--token-${index % 6})` }}
        tabIndex={focusable ? 0 : -1}
        data-chosen={chosen || undefined}
        aria-describedby={chosen ? describedBy : undefined}
        onMouseEnter={() => on.onShow(index)}
        onFocus={() => on.onShow(index)}
        onClick={() => on.onPick(index)}
      >
        {text === '' ? '∅' : text}
      </button>
      {plain && content.includes('\n') && <br />}
    </>
  );
});
