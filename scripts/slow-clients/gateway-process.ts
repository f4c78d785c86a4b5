/**
 * A gateway in a process of its own that says how much memory it needs: started with a policy file and a data directory
 * as arguments, `--expose-gc`, and a channel to its parent.
 */
import { startGateway } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createEventBus } from '../../src/observe/event-bus.ts';
import { type GatewayReport, isQuestion } from './gateway-messages.ts';

const [policyFile = '', dataDir = ''] = process.argv.slice(2);
const finished: GatewayReport['finished'][number][] = [];
const notices: string[] = [];
const events = createEventBus();
events.subscribe((event) => {
  if (event.kind === 'gateway.notice' && event.level !== 'info') notices.push(event.message);
  if (event.kind !== 'request.finished') return;
  const { requestId, receivedAtMs, outcome, actual } = event.record;
  finished.push({
    id: requestId,
    class: event.record.class,
    receivedAtMs,
    outcome: outcome.kind,
    queueMs: actual.queueMs,
    ttftMs: actual.ttftMs,
    e2eMs: actual.e2eMs,
  });
});
const gateway = await startGateway({
  policyFile,
  dataDir,
  allowAnonymous: false,
  clock: systemClock,
  events,
  environment: process.env,
});
await gateway.settled();

process.on('message', (question) => {
  if (!isQuestion(question)) return;
  if (question === 'stop') {
    void gateway.stop().then(() => process.disconnect());
    return;
  }
  // Twice: what finalisers give free is collected by the second.
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ kind: 'report', rss, heapUsed, external, finished, notices } satisfies GatewayReport);
});
process.send?.({ kind: 'listening', url: gateway.url });
