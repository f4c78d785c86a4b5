import type { EmitEvent, GatewayEvent } from '../core/events.ts';

/** One stream of events for log, SQLite and watchers. */
export interface EventBus {
  readonly emit: EmitEvent;
  /** Calls `listener` for every event from now on; returns the way to stop. */
  subscribe(listener: (event: GatewayEvent) => void): () => void;
}

/** Creates a bus. Listeners are called in turn, at once; one that throws harms neither the emitter nor the others. */
export function createEventBus(): EventBus {
  const listeners = new Set<(event: GatewayEvent) => void>();
  return {
    emit: (event) => {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch {
          // A watcher's fault must not fail a request; the log, which would report it, may be the one that threw.
        }
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
