import { createContext } from 'preact';
import { useContext, useEffect } from 'preact/hooks';
import type { FeedItem, FeedState } from './feed.ts';
import type { Status } from './wire.ts';

/** What every view may want to know. */
export type GatewayContext = {
  readonly status: Status;
  readonly feedState: FeedState;
  /** Newest first, since the page was opened. */
  readonly items: readonly FeedItem[];
};

/** Given by the app once the gateway has answered. */
export const Gateway = createContext<GatewayContext | undefined>(undefined);

/** The gateway as it stands. Throws outside the app. */
export function useGateway(): GatewayContext {
  const context = useContext(Gateway);
  if (context === undefined) throw new Error('a view is shown before the gateway has answered');
  return context;
}

/** Runs `callback` for the newest item whenever there is another one that fits. */
export function useNewest(fits: (item: FeedItem) => boolean, callback: () => void): void {
  const newest = useGateway().items.find(fits);
  // Only another item counts; the callback may be made anew each time.
  useEffect(() => {
    if (newest !== undefined) callback();
  }, [newest]);
}
