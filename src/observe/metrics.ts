import type { GatewayEvent } from '../core/events.ts';
import type { GatewayState } from './gateway-state.ts';
import { createRequestMetrics } from './metrics-requests.ts';
import { createStateMetrics } from './metrics-state.ts';
import { createRegistry, prometheusText, type Registry } from './registry.ts';

/** The gateway's one set of instruments: read by Prometheus, and sent over OTLP where that is configured. */
export interface Metrics {
  /** Counts what happened. */
  observe(event: GatewayEvent): void;
  /** Everything in Prometheus' text format, as of now. */
  text(): string;
  /** Everything, as of now. */
  families(): ReturnType<Registry['families']>;
}

/** Makes the instruments; `readState` is called once per reading. */
export function createMetrics(readState: () => GatewayState): Metrics {
  const registry = createRegistry();
  const observe = createRequestMetrics(registry);
  const setState = createStateMetrics(registry);
  return {
    observe,
    text: () => {
      setState(readState());
      return prometheusText(registry);
    },
    families: () => {
      setState(readState());
      return registry.families();
    },
  };
}
