import { Suspense } from 'react';
import { Route, Router, Switch } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { ErrorBoundary } from './components/error-boundary.js';
import { Loading } from './components/feedback.js';
import { Link } from './components/link.js';
import { pages } from './pages/index.js';
import { Shell } from './shell/shell.js';

export function App() {
  return (
    <Router hook={useHashLocation}>
      <Shell>
        <Switch>
          {pages.map(({ path, Page }) => (
            <Route key={path} path={path}>
              <ErrorBoundary key={path}>
                <Suspense fallback={<Loading className="page page-loading">Opening the page</Loading>}>
                  <Page />
                </Suspense>
              </ErrorBoundary>
            </Route>
          ))}
          <Route>
            <div className="page">
              <h1>There is no such page</h1>
              <p>
                <Link to="/">Go to the chat</Link>
              </p>
            </div>
          </Route>
        </Switch>
      </Shell>
    </Router>
  );
}
