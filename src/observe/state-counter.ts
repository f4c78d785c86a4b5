import { Counter } from 'prom-client';

/** A counter that somebody else counts: it is reset and told the sum before it is read. */
export class StateCounter<Label extends string = string> extends Counter<Label> {
  /** Sets the sum of a series that was {@link Counter.reset}. */
  set(labels: Partial<Record<Label, string | number>>, value: number): void {
    this.inc(labels, value);
  }
}
