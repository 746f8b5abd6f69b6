import { useModels } from '../lib/models.js';

/** Whether the server answers, and how many models it serves. */
export function ServerStatus() {
  const { models, error, loading } = useModels();
  const text = loading
    ? 'Asking the server'
    : error
      ? 'No server: browser only'
      : `${models.length} ${models.length === 1 ? 'model' : 'models'} on the server`;
  return (
    <p className="row tight" style={{ minHeight: '1.4rem' }}>
      <svg width="9" height="9" aria-hidden="true">
        <circle
          cx="4.5"
          cy="4.5"
          r="4"
          fill={error ? 'var(--bad)' : loading ? 'var(--line-strong)' : 'var(--good)'}
        />
      </svg>
      {text}
    </p>
  );
}
