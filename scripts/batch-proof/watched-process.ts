/**
 * A gateway in a process of its own that says how much memory it needs and how long its event loop was kept from turning:
 * started with a policy file and a data directory as arguments, `--expose-gc`, and a channel to its parent.
 */
import { startGateway } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createEventBus } from '../../src/observe/event-bus.ts';
import type { WatchMessage, WatchQuestion } from './watched-gateway.ts';

const [policyFile = '', dataDir = ''] = process.argv.slice(2);
const events = createEventBus();
const notices: string[] = [];
events.subscribe((event) => {
  if (event.kind === 'gateway.notice' && event.level !== 'info') notices.push(event.message);
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
// How long nothing else had a turn. Other programs may keep the process from running for longer than it needs itself, so
// the shorter of the time that passed and the processor time that was used counts.
const LOOK_EVERY_MS = 5;
let stops: number[] = [];
const watch = (fromMs: number, from: NodeJS.CpuUsage) => {
  systemClock.after(LOOK_EVERY_MS, () => {
    const { user, system } = process.cpuUsage(from);
    stops.push(Math.min(systemClock.monotonicMs() - fromMs - LOOK_EVERY_MS, (user + system) / 1000));
    watch(systemClock.monotonicMs(), process.cpuUsage());
  });
};
watch(systemClock.monotonicMs(), process.cpuUsage());

process.on('message', (question) => {
  if ((question as WatchQuestion) === 'stop') {
    void gateway.stop().then(() => process.disconnect());
    return;
  }
  stops.sort((a, b) => a - b);
  const loop = { maxMs: stops.at(-1) ?? 0, p99Ms: stops[Math.ceil(stops.length * 0.99) - 1] ?? 0 };
  stops = [];
  if ((question as WatchQuestion) === 'report-collected') {
    // Twice: what finalisers give free is collected by the second.
    globalThis.gc?.();
    globalThis.gc?.();
  }
  const report = { rss: process.memoryUsage.rss(), heapUsed: process.memoryUsage().heapUsed, loop, notices };
  process.send?.({ kind: 'report', ...report } satisfies WatchMessage);
});
process.send?.({ kind: 'listening', url: gateway.url } satisfies WatchMessage);
