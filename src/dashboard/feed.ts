import { ApiError, eventsOf } from './api.ts';
import { nowMs, pause } from './clock.ts';
import type { Decision, GatewayEvent } from './wire.ts';

/** Whether what is shown is still being told of. */
export type FeedState = 'connecting' | 'live' | 'lost';

/** One thing that happened: a finished request, or an event of another kind. */
export type FeedItem =
  | { readonly kind: 'request'; readonly request: Decision; readonly atMs: number }
  | { readonly kind: 'event'; readonly event: GatewayEvent; readonly atMs: number };

/** Who wants to know of it. */
export type FeedListeners = {
  readonly onState: (state: FeedState) => void;
  readonly onItem: (item: FeedItem) => void;
  /** The gateway wants another key. No more comes after it. */
  readonly onLocked: () => void;
};

const RETRY_MS = 2000;

/** Follows `/router/events` until the signal aborts, and comes back after a restart of the gateway. */
export async function followFeed(signal: AbortSignal, { onState, onItem, onLocked }: FeedListeners): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { event, data } of eventsOf('router/events', signal, () => onState('live'))) {
        const value: unknown = JSON.parse(data);
        const atMs = nowMs();
        if (event === 'request.finished') onItem({ kind: 'request', request: value as Decision, atMs });
        else onItem({ kind: 'event', event: value as GatewayEvent, atMs });
      }
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 401) {
        onLocked();
        return;
      }
      // Anything else is a connection that ended; what to do about it is below.
    }
    if (signal.aborted) return;
    onState('lost');
    await pause(RETRY_MS, signal);
  }
}
