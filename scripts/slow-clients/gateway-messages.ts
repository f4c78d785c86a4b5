import type { ModelClass } from '../../src/core/classes.ts';
import type { Outcome } from '../../src/core/events.ts';

/** What the parent says to a measured gateway. */
export type GatewayQuestion = 'report' | 'stop';

/** True for one of {@link GatewayQuestion}. */
export const isQuestion = (message: unknown): message is GatewayQuestion => message === 'report' || message === 'stop';

/** A request the gateway has done with; `finished` lists them in the order in which the lane let them go. */
export type FinishedRequest = {
  readonly id: string;
  readonly class: ModelClass;
  readonly receivedAtMs: number;
  readonly outcome: Outcome['kind'];
  readonly queueMs: number | undefined;
  readonly ttftMs: number | undefined;
  readonly e2eMs: number | undefined;
};

/** Memory after a full collection, bytes, and what has happened since the start. */
export type GatewayReport = {
  readonly kind: 'report';
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly finished: readonly FinishedRequest[];
  /** Warnings and errors. */
  readonly notices: readonly string[];
};

/** What a measured gateway says. */
export type GatewayMessage = GatewayReport | { readonly kind: 'listening'; readonly url: string };
