import { systemClock } from '../../src/core/clock.ts';
import { openStore } from '../../src/store/open-store.ts';
import { requestRecord } from '../helpers/request-record.ts';

// Records requests until it is killed, and prints the time of each, which is its name: what the file lacks afterwards
// is what the kill has cost.
const store = openStore(process.argv[2] ?? '', { clock: systemClock });
const record = () => {
  const receivedAtMs = systemClock.nowMs();
  store.recordRequest(requestRecord({ receivedAtMs }));
  process.stdout.write(`${receivedAtMs}\n`);
  systemClock.after(20, record);
};
record();
// The clock's timers do not hold a process; its standard output, which nobody closes, does not either.
setInterval(() => {}, 60_000);
