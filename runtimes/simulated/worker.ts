// The program behind a simulated model: llama-server's API, a model's times, and no model. One process per model, as
// for the real kinds, so that loading, swapping, crashing and killing are the real thing. It loads nothing but Node's
// HTTP server and a few small files: eight of them must fit beside a gateway on a small machine.
import { systemClock } from '../../src/core/clock.ts';
import { scaledClock } from '../../src/core/scaled-clock.ts';
import { createEngine } from './engine.ts';
import { pausableClock } from './pausable-clock.ts';
import { createWorkerServer } from './worker-server.ts';
import { KEY_VARIABLE, readCommandLine } from './worker-settings.ts';

const { port, settings } = readCommandLine(process.argv.slice(2));
const clock = scaledClock(
  pausableClock(systemClock, (listener) => process.on('SIGCONT', listener)),
  settings.speed,
);
// Node's own start counts as a part of the load: its monotonic clock begins with the process.
const startedMs = systemClock.monotonicMs() * settings.speed;
let loaded = false;
clock.after(Math.max(0, settings.service.loadMs - startedMs), () => {
  loaded = true;
});

const server = createWorkerServer({
  settings,
  apiKey: process.env[KEY_VARIABLE] ?? '',
  engine: createEngine(settings, clock),
  isLoaded: () => loaded,
});
server.on('error', (error) => {
  process.stderr.write(`cannot listen on port ${port}: ${error.message}\n`);
  process.exit(1);
});
server.listen(port, '127.0.0.1');

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    // Answers "loading" from here on. The open port keeps the process alive, which the timer of a clock does not.
    loaded = false;
    server.closeAllConnections();
    clock.after(settings.service.unloadMs, () => process.exit(0));
  });
}
