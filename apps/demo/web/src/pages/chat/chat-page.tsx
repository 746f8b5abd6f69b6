import { Download, Eraser, Pencil, SlidersHorizontal } from 'lucide-react';
import { DropdownMenu } from 'radix-ui';
import { useEffect, useRef, useState } from 'react';
import { Problem } from '../../components/feedback.js';
import { Segments } from '../../components/segments.js';
import { saveFile } from '../../lib/files.js';
import { compact } from '../../lib/format.js';
import { type ModelInfo, useModels } from '../../lib/models.js';
import { useNarrow } from '../../lib/narrow.js';
import { useStored } from '../../lib/stored.js';
import { type AnswerMode, AnswerView } from './answer-view.js';
import './chat.css';
import { answerOf, type ChatSettings, defaultSettings, type Turn, toMarkdown } from './chat-state.js';
import { Composer } from './composer.js';
import { SettingsPanel } from './settings-panel.js';
import { useChat } from './use-chat.js';

/** One model at three stages: side by side they show what each stage does. */
const stages = ['base', 'sft', 'rlhf'];
/** The stages come first, in their order. */
const place = (id: string) => (stages.includes(id) ? stages.indexOf(id) : stages.length);
const preferred = ['rlhf', 'sft', 'base', 'shakespeare-char'];

export default function ChatPage() {
  const { models, loading, error } = useModels();
  const chatModels = models
    .filter(({ kind }) => kind !== 'clip')
    .sort((a, b) => place(a.id) - place(b.id) || a.title.localeCompare(b.title));
  const [stored, setChosen] = useStored<readonly string[]>('chat-models', []);
  const isThere = (id: string) => chatModels.some((model) => model.id === id);
  const known = stored.filter(isThere);
  const single = preferred.find(isThere) ?? chatModels[0]?.id;
  const fallback = stages.every(isThere) ? stages : single === undefined ? [] : [single];
  const chosen = known.length > 0 ? known : fallback;
  const [settings, setSettings] = useStored<ChatSettings>('chat-settings', defaultSettings);
  const [mode, setMode] = useStored<AnswerMode>('chat-view', 'text');
  const narrow = useNarrow();
  // Beside the dialogue the panel stays as it was left; on a phone it covers the dialogue, and is opened when needed.
  const [beside, setBeside] = useStored('chat-settings-open', true);
  const [over, setOver] = useState(false);
  const [open, setOpen] = narrow ? [over, setOver] : [beside, setBeside];
  const chat = useChat(chosen, settings);
  const end = useRef<HTMLDivElement>(null);

  const length = chat.turns.length;
  useEffect(() => {
    if (length > 0) end.current?.scrollIntoView({ block: 'end' });
  }, [length]);

  const titleOf = (id: string) => models.find((model) => model.id === id)?.title ?? id;
  const exportAs = (kind: 'markdown' | 'json') =>
    kind === 'markdown'
      ? saveFile('dialogue.md', toMarkdown(chat.turns, chosen, settings), 'text/markdown')
      : saveFile(
          'dialogue.json',
          JSON.stringify({ settings, turns: chat.turns }, null, 2),
          'application/json',
        );

  return (
    <div className="chat" data-settings={open || undefined}>
      <div className="chat-main">
        <header className="chat-head">
          <h1 className="visually-hidden">Chat</h1>
          <ModelPicker models={chatModels} chosen={chosen} onChange={setChosen} loading={loading} />
          <div className="row tight">
            <Segments
              label="How answers are shown"
              value={mode}
              onChange={setMode}
              options={[
                { value: 'text', label: 'Text' },
                { value: 'markdown', label: 'Markdown' },
                { value: 'tokens', label: 'Tokens' },
              ]}
            />
            <DropdownMenu.Root>
              <DropdownMenu.Trigger
                className="button icon"
                aria-label="Save the dialogue"
                disabled={length === 0}
              >
                <Download size={16} aria-hidden />
              </DropdownMenu.Trigger>
              <DropdownMenu.Portal>
                <DropdownMenu.Content className="popover menu" align="end" sideOffset={6}>
                  <DropdownMenu.Item onSelect={() => exportAs('markdown')}>As Markdown</DropdownMenu.Item>
                  <DropdownMenu.Item onSelect={() => exportAs('json')}>
                    As JSON, with tokens and probabilities
                  </DropdownMenu.Item>
                </DropdownMenu.Content>
              </DropdownMenu.Portal>
            </DropdownMenu.Root>
            <button
              type="button"
              className="button icon"
              aria-label="Begin a new dialogue"
              disabled={length === 0}
              onClick={chat.clear}
            >
              <Eraser size={16} aria-hidden />
            </button>
            <button
              type="button"
              className="button icon"
              aria-label="Settings"
              aria-pressed={open}
              onClick={() => setOpen(!open)}
            >
              <SlidersHorizontal size={16} aria-hidden />
            </button>
          </div>
        </header>

        <div className="dialogue" role="log" aria-label="Dialogue" aria-live="off">
          {error !== undefined && (
            <Problem error={`The server does not answer (${error}). Start it with npm start.`} />
          )}
          {length === 0 && (
            <Welcome models={chatModels} chosen={chosen} onAsk={(text) => chat.send(text, [])} />
          )}
          {chat.turns.map((turn) => (
            <section key={turn.id} className="turn" aria-label="Turn">
              <Question turn={turn} busy={chat.running} onEdit={(text) => chat.edit(turn.id, text)} />
              <div className="answers">
                {Object.keys(turn.answers).map((model) => {
                  const answer = answerOf(turn, model);
                  const attempts = turn.answers[model]!.length;
                  return (
                    answer && (
                      <AnswerView
                        key={model}
                        model={model}
                        title={titleOf(model)}
                        answer={answer}
                        attempts={attempts}
                        attempt={Math.min(turn.chosen[model] ?? attempts - 1, attempts - 1)}
                        mode={mode}
                        busy={chat.running}
                        onChoose={(at) => chat.choose(turn.id, model, at)}
                        onRegenerate={() => chat.regenerate(turn.id, model)}
                      />
                    )
                  );
                })}
              </div>
            </section>
          ))}
          <div ref={end} />
        </div>
        <Composer
          running={chat.running}
          disabled={chosen.length === 0}
          mode={settings.mode}
          onSend={chat.send}
          onStop={chat.stop}
        />
      </div>
      {open && (
        <div className="chat-side">
          {narrow && (
            <button type="button" className="button primary chat-side-close" onClick={() => setOpen(false)}>
              Back to the dialogue
            </button>
          )}
          <SettingsPanel
            settings={settings}
            onChange={setSettings}
            models={chatModels.filter(({ id }) => chosen.includes(id))}
          />
        </div>
      )}
    </div>
  );
}

interface ModelPickerProps {
  readonly models: readonly ModelInfo[];
  readonly chosen: readonly string[];
  readonly onChange: (ids: readonly string[]) => void;
  readonly loading: boolean;
}

/** One model, or several side by side. */
function ModelPicker({ models, chosen, onChange, loading }: ModelPickerProps) {
  return (
    <fieldset className="row tight model-picker">
      <legend className="visually-hidden">Models that answer, side by side</legend>
      {loading && <span className="soft small">Looking for models …</span>}
      {models.map((model) => {
        const on = chosen.includes(model.id);
        return (
          <button
            key={model.id}
            type="button"
            className="button compact"
            aria-pressed={on}
            title={model.description}
            onClick={() => {
              if (!on) onChange([...chosen, model.id]);
              else if (chosen.length > 1) onChange(chosen.filter((id) => id !== model.id));
            }}
          >
            {model.title}
            <span className="soft">{compact(model.parameters)}</span>
          </button>
        );
      })}
    </fieldset>
  );
}

function Question({ turn, busy, onEdit }: { turn: Turn; busy: boolean; onEdit: (text: string) => void }) {
  const [draft, setDraft] = useState<string>();
  if (draft !== undefined) {
    return (
      <form
        className="question stack tight"
        onSubmit={(event) => {
          event.preventDefault();
          setDraft(undefined);
          onEdit(draft);
        }}
      >
        <textarea
          className="textarea"
          aria-label="Change the message"
          rows={3}
          value={draft}
          // biome-ignore lint/a11y/noAutofocus: the field was asked for by a click
          autoFocus
          onChange={(event) => setDraft(event.target.value)}
        />
        <div className="row tight">
          <button type="submit" className="button primary compact" disabled={busy || draft.trim() === ''}>
            Ask again
          </button>
          <button type="button" className="button compact" onClick={() => setDraft(undefined)}>
            Cancel
          </button>
        </div>
      </form>
    );
  }
  return (
    <div className="question">
      {turn.images.map((image) => (
        <img key={image.url.slice(-40)} src={image.url} alt={image.name} />
      ))}
      <p>{turn.text}</p>
      <button
        type="button"
        className="button quiet icon compact"
        aria-label="Change the message"
        disabled={busy}
        onClick={() => setDraft(turn.text)}
      >
        <Pencil size={14} aria-hidden />
      </button>
    </div>
  );
}

interface WelcomeProps {
  readonly models: readonly ModelInfo[];
  readonly chosen: readonly string[];
  readonly onAsk: (text: string) => void;
}

function Welcome({ models, chosen, onAsk }: WelcomeProps) {
  const plays = chosen[0]?.includes('shakespeare');
  const questions = plays
    ? ['ROMEO:', 'To be, or not to be', 'First Citizen:\nWe are']
    : ['How do I steal a car?', 'You are stupid.', 'What is a good name for a cat?'];
  return (
    <div className="welcome">
      <h2>Talk to a GPT that was trained in this repository</h2>
      <p className="soft">
        These models are small: they show how it works, not what is true. Choose several to see them side by
        side, and look at the tokens to see what each of them hesitated about.
      </p>
      {chosen.length === 0 && <p className="soft">Choose a model above.</p>}
      <div className="row">
        {questions.map((question) => (
          <button
            key={question}
            type="button"
            className="button"
            disabled={chosen.length === 0}
            onClick={() => onAsk(question)}
          >
            {question.split('\n')[0]}
          </button>
        ))}
      </div>
      <dl className="welcome-models">
        {models
          .filter(({ id }) => chosen.includes(id))
          .map(({ id, title, description, parameters }) => (
            <div key={id}>
              <dt>{title}</dt>
              <dd>{description || `${compact(parameters)} parameters.`}</dd>
            </div>
          ))}
      </dl>
    </div>
  );
}
