import { systemClock } from '../../src/core/clock.ts';
import type { GatewayReport } from './gateway-messages.ts';
import { startMeasuredGateway } from './measured-gateway.ts';
import { type PlannedClient, planClients, type ScenarioOptions } from './scenario.ts';
import { type SlowClient, startSlowClient } from './slow-client.ts';

/** How a run goes. */
export type RunOptions = ScenarioOptions & {
  readonly slowBytesPerSec: number;
  readonly lateMs: number;
  readonly writeTimeoutMs: number;
  /** Tokens of an ordinary answer, some 230 bytes each, and of a stuck client's. */
  readonly answerTokens: number;
  readonly stuckTokens: number;
};

/** What a run has shown. */
export type RunResult = {
  readonly clients: readonly Pick<SlowClient, 'plan' | 'seen'>[];
  readonly report: GatewayReport;
  /** Resident bytes: before the first client, at most, and after the last. */
  readonly rss: { readonly before: number; readonly peak: number; readonly after: number };
  /** Bytes in use after a full collection, buffers included: before, at most while the clients were there, and after. */
  readonly held: { readonly before: number; readonly peak: number; readonly after: number };
  readonly durationMs: number;
};

const LIMIT_MS = 300_000;
/** Each report costs the gateway a full collection. */
const REPORT_EVERY_MS = 200;

/**
 * Lets all clients ask, waits until everybody who reads has read everything and the gateway has done with everybody else,
 * and closes the connections that are left. Throws when that takes more than five minutes.
 */
export async function runSlowClients(folder: string, options: RunOptions): Promise<RunResult> {
  const gateway = await startMeasuredGateway(folder, {
    queueDepth: options.clients,
    writeTimeoutMs: options.writeTimeoutMs,
  });
  try {
    const before = await gateway.report();
    const beganMs = systemClock.monotonicMs();
    const clients: SlowClient[] = [];
    for (const plan of planClients(options)) {
      const waitMs = beganMs + plan.atMs - systemClock.monotonicMs();
      if (waitMs > 0) await systemClock.sleep(waitMs);
      clients.push(
        startSlowClient(plan, { ...options, url: gateway.url, body: bodyOf(plan, options), clock: systemClock }),
      );
    }
    const readers = clients.filter(({ plan }) => plan.reading !== 'never' && plan.reading !== 'stuck');
    let peakHeld = 0;
    const isRead = { yet: false };
    void Promise.all(readers.map(({ ended }) => ended)).then(() => {
      isRead.yet = true;
    });
    let report = await gateway.report();
    while (!isRead.yet || report.finished.length < options.clients) {
      if (systemClock.monotonicMs() - beganMs > LIMIT_MS)
        throw new Error(`not everybody was answered in ${LIMIT_MS} ms`);
      peakHeld = Math.max(peakHeld, heldBytes(report));
      await systemClock.sleep(REPORT_EVERY_MS);
      // With those who never read still there: what they were sent is to lie in the system's buffers, not in the gateway's.
      report = await gateway.report();
    }
    const peak = gateway.peakBytes();
    const durationMs = systemClock.monotonicMs() - beganMs;
    for (const client of clients) client.close();
    return {
      clients,
      report,
      rss: { before: before.rss, peak, after: report.rss },
      held: { before: heldBytes(before), peak: peakHeld, after: heldBytes(report) },
      durationMs,
    };
  } finally {
    await gateway.stop();
  }
}

function bodyOf({ reading }: PlannedClient, { answerTokens, stuckTokens }: RunOptions): string {
  // Megabytes within a second.
  const flood = { output_tokens: stuckTokens, decode_factor: 0.05 };
  return JSON.stringify({
    model: 'quick',
    messages: [{ role: 'user', content: 'Tell me about rivers. '.repeat(50) }],
    stream: true,
    max_tokens: 1_000_000,
    simulated: reading === 'stuck' ? flood : { output_tokens: answerTokens },
  });
}

const heldBytes = ({ heapUsed, external }: GatewayReport): number => heapUsed + external;
