import { type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import type { GatewayEvent } from '../core/events.ts';
import type { GatewayState } from './gateway-state.ts';
import { createRequestMetrics } from './metrics-requests.ts';
import { createStateMetrics } from './metrics-state.ts';

/** The gateway's one set of instruments: read by Prometheus, and sent over OTLP where that is configured. */
export interface Metrics {
  /** Counts what happened. */
  observe(event: GatewayEvent): void;
  /** Everything in Prometheus' text format, as of now. */
  text(): Promise<string>;
  /** Everything as values, as of now. */
  values(): Promise<readonly MetricFamily[]>;
}

/** One metric with all its series. */
export type MetricFamily = MetricObjectWithValues<MetricValue<string>>;

/** Content type of {@link Metrics.text}. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Makes the instruments; `readState` is called once per reading. */
export function createMetrics(readState: () => GatewayState): Metrics {
  const registry = new Registry();
  const observe = createRequestMetrics(registry);
  const setState = createStateMetrics(registry);
  return {
    observe,
    text: () => {
      setState(readState());
      return registry.metrics();
    },
    values: () => {
      setState(readState());
      return registry.getMetricsAsJSON();
    },
  };
}
