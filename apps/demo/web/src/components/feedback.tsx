import { CircleAlert, Info } from 'lucide-react';
import type { ReactNode } from 'react';

export function Loading({ children, className = '' }: { children: ReactNode; className?: string }) {
  return (
    <p className={`row soft ${className}`} role="status">
      <span className="spinner" aria-hidden />
      {children} …
    </p>
  );
}

export function Problem({ error }: { error: unknown }) {
  return (
    <div className="notice bad" role="alert">
      <CircleAlert size={17} aria-hidden />
      <span>{messageOf(error)}</span>
    </div>
  );
}

export function Note({ children }: { children: ReactNode }) {
  return (
    <div className="notice">
      <Info size={17} aria-hidden />
      <div>{children}</div>
    </div>
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
