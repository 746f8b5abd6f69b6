import type { ReactNode } from 'react';

export function PageHead({
  title,
  children,
  actions,
}: {
  title: string;
  children: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        <p>{children}</p>
      </div>
      {actions && <div className="row">{actions}</div>}
    </header>
  );
}
