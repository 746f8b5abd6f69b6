import { Menu, X } from 'lucide-react';
import { Dialog } from 'radix-ui';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { Link } from '../components/link.js';
import { pages } from '../pages/index.js';
import { ServerStatus } from './server-status.js';
import { ThemeSwitch } from './theme-switch.js';

/** Navigation at the side (a drawer on small screens), the page beside it. */
export function Shell({ children }: { children: ReactNode }) {
  const [location] = useLocation();
  const [drawer, setDrawer] = useState(false);
  const title = pages.find(({ path }) => path === location)?.title;
  const first = useRef(true);

  useEffect(() => {
    document.title = title ? `${title} · GPT Lineage` : 'GPT Lineage';
    setDrawer(false);
    // A reader of the screen is told that the page has changed; the first page needs no announcement.
    if (!first.current) document.getElementById('main')?.focus({ preventScroll: true });
    first.current = false;
    scrollTo(0, 0);
  }, [title]);

  return (
    <>
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the page
      </button>
      <div className="shell">
        <aside className="side" aria-label="Navigation">
          <Brand />
          <Navigation location={location} />
          <footer>
            <ServerStatus />
            <ThemeSwitch />
          </footer>
        </aside>
        <header className="topbar">
          <Dialog.Root open={drawer} onOpenChange={setDrawer}>
            <Dialog.Trigger className="button quiet icon" aria-label="Open the menu">
              <Menu size={20} aria-hidden />
            </Dialog.Trigger>
            <Dialog.Portal>
              <Dialog.Overlay className="overlay" />
              <Dialog.Content className="drawer" aria-describedby={undefined}>
                <div className="row between">
                  <Dialog.Title asChild>
                    <span className="brand">GPT Lineage</span>
                  </Dialog.Title>
                  <Dialog.Close className="button quiet icon" aria-label="Close the menu">
                    <X size={20} aria-hidden />
                  </Dialog.Close>
                </div>
                <Navigation location={location} />
                <footer>
                  <ServerStatus />
                  <ThemeSwitch />
                </footer>
              </Dialog.Content>
            </Dialog.Portal>
          </Dialog.Root>
          <span className="brand">{title ?? 'GPT Lineage'}</span>
        </header>
        <main className="main" id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
    </>
  );
}

function Brand() {
  return (
    <Link className="brand" to="/">
      <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="currentColor" />
        <g fill="none" stroke="var(--accent-ink)" strokeWidth="2.4" strokeLinecap="round">
          <path d="M8 24V12a4 4 0 0 1 4-4h12" />
          <path d="M8 16h9a3 3 0 0 1 3 3v5" />
        </g>
        <g fill="var(--accent-ink)">
          <circle cx="8" cy="24" r="2.6" />
          <circle cx="24" cy="8" r="2.6" />
          <circle cx="20" cy="24" r="2.6" />
        </g>
      </svg>
      GPT Lineage
    </Link>
  );
}

function Navigation({ location }: { location: string }) {
  return (
    <nav aria-label="Pages">
      <ul className="nav">
        {pages.map(({ path, title, Icon }) => (
          <li key={path}>
            <Link to={path} aria-current={location === path ? 'page' : undefined}>
              <Icon size={18} aria-hidden />
              {title}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
