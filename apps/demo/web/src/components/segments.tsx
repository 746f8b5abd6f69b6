import { type ReactNode, useId } from 'react';

interface SegmentsProps<T extends string> {
  /** Read to screen readers */
  readonly label: string;
  readonly value: T;
  readonly onChange: (value: T) => void;
  readonly options: readonly { value: T; label: string; icon?: ReactNode }[];
  readonly iconsOnly?: boolean;
}

/** One of a few choices, all in sight. */
export function Segments<T extends string>({ label, value, onChange, options, iconsOnly }: SegmentsProps<T>) {
  const name = useId();
  return (
    <fieldset className="segments">
      <legend className="visually-hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value} title={iconsOnly ? option.label : undefined}>
          <input
            type="radio"
            name={name}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.icon}
          <span className={iconsOnly ? 'visually-hidden' : undefined}>{option.label}</span>
        </label>
      ))}
    </fieldset>
  );
}
