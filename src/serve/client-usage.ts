import type { CancelTimer, Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { RequestRecord } from '../core/events.ts';
import { noUsage, type UsageRow } from '../core/usage.ts';
import { createLocalDays, type LocalDay } from './local-day.ts';

/** Counts what each client uses up, day by day. */
export interface ClientUsage {
  /** What a client has used up today. */
  today(client: string): UsageRow;
  /** The day it is where the policy is. */
  day(): LocalDay;
  /** A request was let in. */
  entered(client: string): void;
  /** A limit of the client's turned a request away. */
  turnedAway(client: string): void;
  /** A request has ended. */
  finished(record: RequestRecord): void;
  /** Every client of today, in the order of their first request. */
  all(): readonly UsageRow[];
  /** Saves what is not saved yet. */
  close(): void;
}

/** What it is kept with. */
export type ClientUsageParts = {
  readonly clock: Clock;
  readonly timezone: () => string;
  readonly save: (rows: readonly UsageRow[]) => void;
  /** What was saved from the day named on. */
  readonly saved: (day: string) => readonly UsageRow[];
  /** Told where what was saved cannot be read, so that the day begins anew: serving goes on. */
  readonly onLost: (message: string) => void;
};

type Counts = { -readonly [Name in keyof UsageRow]: UsageRow[Name] };

/** Gap between two savings: what a crash may lose, beside the half second that rows wait in the store. */
const SAVE_AFTER_MS = 500;

/** Goes on with what was saved of today. */
export function createClientUsage(parts: ClientUsageParts): ClientUsage {
  return new Usage(parts);
}

class Usage implements ClientUsage {
  readonly #parts: ClientUsageParts;
  #timezone = '';
  #dayAt: (nowMs: number) => LocalDay = () => ({ name: '', endsAtMs: 0 });
  #name = '';
  #counts = new Map<string, Counts>();
  readonly #unsaved = new Set<Counts>();
  #cancelTimer: CancelTimer | undefined;

  constructor(parts: ClientUsageParts) {
    this.#parts = parts;
  }

  day(): LocalDay {
    const timezone = this.#parts.timezone();
    if (timezone !== this.#timezone) {
      this.#timezone = timezone;
      this.#dayAt = createLocalDays(timezone);
    }
    return this.#dayAt(this.#parts.clock.nowMs());
  }

  today(client: string): UsageRow {
    return this.#today().get(client) ?? noUsage(this.#name, client);
  }

  all(): readonly UsageRow[] {
    return [...this.#today().values()];
  }

  entered(client: string): void {
    this.#of(client).requests += 1;
  }

  turnedAway(client: string): void {
    this.#of(client).refused += 1;
  }

  finished({ client, actual, outcome }: RequestRecord): void {
    const counts = this.#of(client);
    if (outcome.kind === 'refused') counts.refused += 1;
    if (outcome.kind === 'failed') counts.failed += 1;
    counts.promptTokens += actual.promptTokens ?? 0;
    counts.cachedTokens += actual.cachedTokens ?? 0;
    counts.outputTokens += actual.outputTokens ?? 0;
  }

  close(): void {
    this.#cancelTimer?.();
    this.#save();
  }

  #today(): Map<string, Counts> {
    const { name } = this.day();
    if (name !== this.#name) {
      this.#save();
      this.#name = name;
      this.#counts = new Map(this.#savedOf(name).map((row) => [row.client, { ...row }]));
    }
    return this.#counts;
  }

  #savedOf(name: string): readonly UsageRow[] {
    try {
      // Later days are of a time zone that the policy has left.
      return this.#parts.saved(name).filter(({ day }) => day === name);
    } catch (error) {
      this.#parts.onLost(`what clients have used up today cannot be read, so it counts from zero: ${messageOf(error)}`);
      return [];
    }
  }

  #of(client: string): Counts {
    const today = this.#today();
    let counts = today.get(client);
    if (counts === undefined) {
      counts = { ...noUsage(this.#name, client) };
      today.set(client, counts);
    }
    this.#unsaved.add(counts);
    this.#cancelTimer ??= this.#parts.clock.after(SAVE_AFTER_MS, () => this.#save());
    return counts;
  }

  #save(): void {
    this.#cancelTimer = undefined;
    if (this.#unsaved.size === 0) return;
    this.#parts.save([...this.#unsaved].map((counts) => ({ ...counts })));
    this.#unsaved.clear();
  }
}
