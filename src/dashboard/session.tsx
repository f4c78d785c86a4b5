import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { givenKey } from './api.ts';
import { nowMs } from './clock.ts';
import { type FeedItem, type FeedState, followFeed } from './feed.ts';
import { Gateway } from './gateway-context.ts';
import { Badge } from './parts/badge.tsx';
import { useAnswer } from './use-answer.ts';
import { useHash } from './use-hash.ts';
import { Batches } from './views/batches.tsx';
import { Benchmarks } from './views/benchmarks.tsx';
import { Doctor } from './views/doctor.tsx';
import { Live } from './views/live.tsx';
import { Playground } from './views/playground.tsx';
import { Policy } from './views/policy.tsx';
import { Request, Requests } from './views/requests.tsx';
import { Routing } from './views/routing.tsx';
import type { Status } from './wire.ts';

const VIEWS = [
  { name: 'live', title: 'Live' },
  { name: 'requests', title: 'Requests' },
  { name: 'routing', title: 'Routing' },
  { name: 'benchmarks', title: 'Benchmarks' },
  { name: 'batches', title: 'Batches' },
  { name: 'policy', title: 'Policy' },
  { name: 'doctor', title: 'Doctor' },
  { name: 'playground', title: 'Playground' },
] as const;

/** Queues move without an event, so the state is asked for as often as somebody can read it. */
const STATUS_EVERY_MS = 1000;
const NEWS_EVERY_MS = 300;
const ITEMS_MAX = 200;

/** The gateway as it stands, kept up to date, and one view of it. */
export function Session({ onLocked }: { readonly onLocked: () => void }) {
  const { value: status, refresh } = useAnswer<Status>('router/status', STATUS_EVERY_MS);
  const { feedState, items } = useFeed(onLocked);
  useRefreshOnNews(items, refresh);
  const [view = 'live', detail] = useHash();
  useFocusOnChange(`${view} ${detail ?? ''}`);
  const title = VIEWS.find(({ name }) => name === view)?.title ?? 'Live';
  useEffect(() => {
    document.title = `${title} · Sluice`;
  }, [title]);
  if (status === undefined) return <p class="soft">Asking the gateway …</p>;
  return (
    <Gateway.Provider value={{ status, feedState, items }}>
      <Header status={status} feedState={feedState} view={view} onLogOut={onLocked} />
      <main id="main">{viewOf(view, detail)}</main>
      <footer class="soft">
        Sluice {status.version} · <a href="docs">API</a>
      </footer>
    </Gateway.Provider>
  );
}

function viewOf(view: string, detail: string | undefined): ComponentChildren {
  switch (view) {
    case 'requests':
      return detail === undefined ? <Requests /> : <Request key={detail} id={detail} />;
    case 'routing':
      return <Routing />;
    case 'benchmarks':
      return <Benchmarks />;
    case 'batches':
      return <Batches />;
    case 'policy':
      return <Policy />;
    case 'doctor':
      return <Doctor />;
    case 'playground':
      return <Playground />;
    default:
      return <Live />;
  }
}

type HeaderProps = {
  readonly status: Status;
  readonly feedState: FeedState;
  readonly view: string;
  readonly onLogOut: () => void;
};

function Header({ status, feedState, view, onLogOut }: HeaderProps) {
  return (
    <header>
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>('main h1')?.focus()}>
        Skip to the content
      </button>
      <p class="brand">
        <img src="dashboard/icon.svg" alt="" width="24" height="24" /> <strong>Sluice</strong>{' '}
        <span role="status">
          {feedState === 'lost' ? (
            <Badge tone="bad" text="connection lost" />
          ) : (
            <Badge tone={status.state === 'serving' ? 'good' : 'fair'} text={status.state} />
          )}
        </span>
        {status.simulated !== null && <Badge tone="fair" text={`simulated ${status.simulated.board}`} />}
        {givenKey() !== undefined && (
          <button type="button" class="quiet" onClick={onLogOut}>
            Log out
          </button>
        )}
      </p>
      <nav aria-label="Views">
        <ul>
          {VIEWS.map(({ name, title }) => (
            <li key={name}>
              <a href={`#/${name}`} aria-current={name === view ? 'page' : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
    </header>
  );
}

/** What has happened is seen at once; thousands of requests a second are no reason to ask as often. */
function useRefreshOnNews(items: readonly FeedItem[], refresh: () => void): void {
  const lastMs = useRef(0);
  useEffect(() => {
    if (items.length === 0 || nowMs() - lastMs.current < NEWS_EVERY_MS) return;
    lastMs.current = nowMs();
    refresh();
  }, [items, refresh]);
}

function useFeed(onLocked: () => void) {
  const [feedState, setFeedState] = useState<FeedState>('connecting');
  const [items, setItems] = useState<readonly FeedItem[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    void followFeed(controller.signal, {
      onState: setFeedState,
      onItem: (item) => setItems((before) => [item, ...before].slice(0, ITEMS_MAX)),
      onLocked,
    });
    return () => controller.abort();
  }, [onLocked]);
  return { feedState, items };
}

/** Another view is another page for who hears it: the focus goes to its heading. Not so for the first one. */
function useFocusOnChange(place: string): void {
  const last = useRef(place);
  useEffect(() => {
    if (last.current === place) return;
    last.current = place;
    document.querySelector<HTMLElement>('main h1')?.focus();
    window.scrollTo(0, 0);
  }, [place]);
}
