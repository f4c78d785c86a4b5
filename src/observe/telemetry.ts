import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import type { EventBus } from './event-bus.ts';
import type { GatewayState } from './gateway-state.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { type OtlpExport, otlpTargets, startOtlp } from './otlp.ts';

/** Metrics of a gateway, and their way to a collector. */
export interface Telemetry {
  readonly metrics: Metrics;
  /** Begins to send where the policy or the environment names a collector; the SDK for it is loaded only then. */
  start(): void;
  /** Sends what is left and ends. */
  close(): Promise<void>;
}

/** The one form of OTLP we send. */
const SPOKEN = 'http/protobuf';

/** A collector that is gone, which the SDK would try again and again, must not keep the gateway from ending. */
const CLOSE_MS = 3000;

/** What telemetry is made of. */
export type TelemetryParts = {
  readonly clock: Clock;
  readonly events: EventBus;
  readonly environment: NodeJS.ProcessEnv;
  readonly version: string;
  readonly policy: () => Policy;
  readonly readState: () => GatewayState;
};

/** Counts from now on; nothing is sent before `start`. */
export function openTelemetry({ clock, events, environment, version, ...parts }: TelemetryParts): Telemetry {
  const metrics = createMetrics(parts.readState);
  const leave = events.subscribe(metrics.observe);
  const startedAtMs = clock.nowMs();
  let exporting: Promise<OtlpExport | undefined> = Promise.resolve(undefined);
  let leaveExport: () => void = () => undefined;
  const begin = async (): Promise<OtlpExport | undefined> => {
    const { otlp } = parts.policy().observe;
    const targets = otlpTargets(otlp, environment);
    if (targets === undefined) return undefined;
    const source = { metrics, version, startedAtMs, nowMs: () => clock.nowMs() };
    const started = await startOtlp({ ...targets, ...otlp, source, emit: events.emit });
    leaveExport = events.subscribe(started.observe);
    const urls = [targets.tracesUrl, targets.metricsUrl].filter((url) => url !== undefined).join(' and ');
    events.emit({ kind: 'gateway.notice', level: 'info', message: `traces and metrics go to ${urls}` });
    const protocol = environment['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? SPOKEN;
    if (protocol !== SPOKEN) {
      const message = `OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}, but only ${SPOKEN} is spoken; name a port that takes it, such as 4318`;
      events.emit({ kind: 'gateway.notice', level: 'warn', message });
    }
    return started;
  };
  return {
    metrics,
    start: () => {
      exporting = begin().catch((error: unknown) => {
        const message = `nothing is sent to the OpenTelemetry collector: ${messageOf(error)}`;
        events.emit({ kind: 'gateway.notice', level: 'error', message });
        return undefined;
      });
    },
    close: async () => {
      const started = await exporting;
      leave();
      leaveExport();
      if (started !== undefined) await Promise.race([started.close(), clock.sleep(CLOSE_MS)]);
    },
  };
}
