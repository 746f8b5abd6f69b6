import { type ReactNode, useId } from 'react';

interface Common {
  readonly label: string;
  readonly hint?: ReactNode;
}

interface SliderProps extends Common {
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly format?: (value: number) => string;
  readonly disabled?: boolean;
}

export function Slider({ label, hint, value, onChange, format, ...range }: SliderProps) {
  const id = useId();
  const shown = format ? format(value) : String(value);
  return (
    <div className="field">
      <div className="name">
        <label htmlFor={id}>{label}</label>
        <span className="value" aria-hidden>
          {shown}
        </span>
      </div>
      <input
        id={id}
        type="range"
        value={value}
        aria-valuetext={shown}
        onChange={(event) => onChange(Number(event.target.value))}
        {...range}
      />
      {hint && <span className="hint">{hint}</span>}
    </div>
  );
}

interface SelectProps<T extends string> extends Common {
  readonly value: T;
  readonly onChange: (value: T) => void;
  readonly options: readonly { value: T; label: string; disabled?: boolean }[];
  readonly disabled?: boolean;
}

export function Select<T extends string>({
  label,
  hint,
  value,
  onChange,
  options,
  disabled = false,
}: SelectProps<T>) {
  const id = useId();
  return (
    <div className="field">
      <label className="name" htmlFor={id}>
        {label}
      </label>
      <select
        id={id}
        className="select"
        value={value}
        disabled={disabled}
        onChange={(event) => onChange(event.target.value as T)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled}>
            {option.label}
          </option>
        ))}
      </select>
      {hint && <span className="hint">{hint}</span>}
    </div>
  );
}

interface NumberFieldProps extends Common {
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
}

export function NumberField({ label, hint, value, onChange, ...range }: NumberFieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label className="name" htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        className="input"
        type="number"
        value={Number.isFinite(value) ? value : ''}
        onChange={(event) => onChange(event.target.valueAsNumber)}
        {...range}
      />
      {hint && <span className="hint">{hint}</span>}
    </div>
  );
}

interface TextFieldProps extends Common {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly rows?: number;
  readonly placeholder?: string;
  readonly mono?: boolean;
}

/** One line, or several with `rows`. */
export function TextField({ label, hint, value, onChange, rows, placeholder, mono }: TextFieldProps) {
  const id = useId();
  const shared = { id, value, placeholder, spellCheck: false };
  return (
    <div className="field">
      <label className="name" htmlFor={id}>
        {label}
      </label>
      {rows === undefined ? (
        <input
          className={mono ? 'input mono' : 'input'}
          {...shared}
          onChange={(event) => onChange(event.target.value)}
        />
      ) : (
        <textarea
          className={mono ? 'textarea mono' : 'textarea'}
          rows={rows}
          {...shared}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
      {hint && <span className="hint">{hint}</span>}
    </div>
  );
}

interface SwitchProps {
  readonly label: ReactNode;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly disabled?: boolean;
}

export function Switch({ label, checked, onChange, disabled = false }: SwitchProps) {
  return (
    <label className="switch">
      <input
        type="checkbox"
        role="switch"
        aria-checked={checked}
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.target.checked)}
      />
      {label}
    </label>
  );
}
