import type { Clock } from '../core/clock.ts';
import type { EmitEvent, RequestRecord } from '../core/events.ts';
import type { Store } from '../store/open-store.ts';
import { type ClientLimits, createClientLimits } from './client-limits.ts';
import { type ClientUsage, createClientUsage } from './client-usage.ts';

/** What clients may use and have used. */
export interface ClientAccounts {
  readonly limits: ClientLimits;
  readonly usage: ClientUsage;
  /** A request has ended. */
  finished(record: RequestRecord): void;
  /** Saves what is not saved yet. */
  close(): void;
}

/** What accounts are kept with. */
export type ClientAccountParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  /** Whose midnight ends a day. */
  readonly timezone: () => string;
  readonly store: Pick<Store, 'recordUsage' | 'usageSince'>;
};

/** Goes on with what the store has of today. */
export function openClientAccounts({ clock, emit, timezone, store }: ClientAccountParts): ClientAccounts {
  const usage = createClientUsage({
    clock,
    timezone,
    save: store.recordUsage,
    saved: store.usageSince,
    onLost: (message) => emit({ kind: 'gateway.notice', level: 'warn', message }),
  });
  const limits = createClientLimits(clock, usage);
  return {
    limits,
    usage,
    finished: (record) => {
      usage.finished(record);
      limits.finished(record);
    },
    close: () => usage.close(),
  };
}
