import type { ReactNode } from 'react';

interface CardProps {
  readonly title: string;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
  readonly className?: string;
}

export function Card({ title, actions, children, className = '' }: CardProps) {
  return (
    <section className={`card ${className}`} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {actions && <div className="row tight">{actions}</div>}
      </header>
      {children}
    </section>
  );
}
