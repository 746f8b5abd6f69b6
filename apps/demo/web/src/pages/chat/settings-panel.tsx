import { NumberField, Select, Slider, Switch, TextField } from '../../components/fields.js';
import type { ModelInfo } from '../../lib/models.js';
import type { ChatSettings, Place } from './chat-state.js';
import { defaultSettings } from './chat-state.js';

interface SettingsPanelProps {
  readonly settings: ChatSettings;
  readonly onChange: (settings: ChatSettings) => void;
  readonly models: readonly ModelInfo[];
}

const places: readonly { value: Place; label: string }[] = [
  { value: 'server', label: 'On the server' },
  { value: 'auto', label: 'In this browser, fastest engine' },
  { value: 'webgpu', label: 'In this browser, WebGPU' },
  { value: 'webgl', label: 'In this browser, WebGL' },
  { value: 'wasm', label: 'In this browser, WebAssembly' },
];

export function SettingsPanel({ settings, onChange, models }: SettingsPanelProps) {
  const { sampling } = settings;
  const set = (part: Partial<ChatSettings>) => onChange({ ...settings, ...part });
  const sample = (part: Partial<ChatSettings['sampling']>) => set({ sampling: { ...sampling, ...part } });
  const remembers = models.some((model) => Number(model.config.memoryLength ?? 0) > 0);
  return (
    <section className="card stack" aria-label="Settings">
      <Select
        label="Where the model runs"
        value={settings.place}
        onChange={(place) => set({ place })}
        options={places}
      />
      <Select
        label="What is sent"
        value={settings.mode}
        onChange={(mode) => set({ mode })}
        options={[
          { value: 'chat', label: 'A dialogue, in the model’s template' },
          { value: 'completion', label: 'The text alone, to be continued' },
        ]}
      />
      {settings.mode === 'chat' && (
        <TextField
          label="System prompt"
          rows={3}
          value={settings.system}
          onChange={(system) => set({ system })}
          placeholder="Stands before the dialogue"
        />
      )}
      <Switch
        label="Segment memory for long dialogues"
        checked={settings.memory && remembers}
        disabled={!remembers || settings.place === 'server'}
        onChange={(memory) => set({ memory })}
      />
      {!remembers && <p className="small soft">None of the chosen models was trained with segment memory.</p>}
      <h2>Sampling</h2>
      <Slider
        label="Temperature"
        min={0}
        max={2}
        step={0.05}
        value={sampling.temperature}
        onChange={(temperature) => sample({ temperature })}
        format={(value) => (value === 0 ? 'greedy' : value.toFixed(2))}
      />
      <Slider
        label="Top-k"
        min={0}
        max={100}
        step={1}
        value={sampling.topK}
        onChange={(topK) => sample({ topK })}
        format={(value) => (value === 0 ? 'off' : String(value))}
      />
      <Slider
        label="Top-p"
        min={0.05}
        max={1}
        step={0.01}
        value={sampling.topP}
        onChange={(topP) => sample({ topP })}
        format={(value) => (value === 1 ? 'off' : value.toFixed(2))}
      />
      <Slider
        label="Min-p"
        min={0}
        max={0.5}
        step={0.01}
        value={sampling.minP}
        onChange={(minP) => sample({ minP })}
        format={(value) => (value === 0 ? 'off' : value.toFixed(2))}
      />
      <Slider
        label="Repetition penalty"
        min={1}
        max={2}
        step={0.05}
        value={sampling.repetitionPenalty}
        onChange={(repetitionPenalty) => sample({ repetitionPenalty })}
        format={(value) => (value === 1 ? 'off' : value.toFixed(2))}
      />
      <div className="row">
        <div className="grow">
          <NumberField
            label="Tokens at most"
            min={1}
            max={2_000}
            value={sampling.maxTokens}
            onChange={(maxTokens) => maxTokens >= 1 && sample({ maxTokens: Math.floor(maxTokens) })}
          />
        </div>
        <div className="grow">
          <NumberField
            label="Seed"
            min={0}
            value={sampling.seed}
            onChange={(seed) => Number.isFinite(seed) && sample({ seed: Math.floor(seed) })}
          />
        </div>
      </div>
      <TextField
        label="Stop at"
        value={sampling.stop.join(' | ')}
        onChange={(text) =>
          sample({ stop: text === '' ? [] : text.split(' | ').map((stop) => stop.replaceAll('\\n', '\n')) })
        }
        placeholder="texts, separated by  | "
        mono
      />
      <button
        type="button"
        className="button"
        onClick={() => onChange({ ...defaultSettings, place: settings.place })}
      >
        Back to the defaults
      </button>
    </section>
  );
}
