import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { watchForeignLoad } from '../../src/transport/foreign-load.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const CHILD = 4711;
const LOOK_MS = 3_000;
/** One core for the time between two looks, in ticks of 10 ms. */
const CORE = LOOK_MS / 10;

/** A machine under a folder, whose counters a test moves on. */
function machine() {
  const sysroot = temporaryFolder();
  const clock = fakeClock();
  const spent = { own: 0, child: 0, foreign: 0, swapped: 0 };
  const process = (pid: number | string, ticks: number) => {
    mkdirSync(join(sysroot, `proc/${pid}`), { recursive: true });
    writeFileSync(join(sysroot, `proc/${pid}/stat`), `1 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 ${ticks} 0 0 0 20 0`);
  };
  const write = () => {
    process('self', spent.own);
    process(CHILD, spent.child);
    const busy = spent.own + spent.child + spent.foreign;
    writeFileSync(join(sysroot, 'proc/stat'), `cpu  ${1000 + busy} 0 0 999 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0\n`);
    writeFileSync(join(sysroot, 'proc/vmstat'), `nr_free_pages 1\npswpin ${spent.swapped}\npswpout 7\n`);
  };
  write();
  const load = watchForeignLoad({ clock, pids: () => [CHILD], sysroot });
  onTestFinished(() => load.close());
  /** Moves on by one look, in which each spends so many cores. */
  const look = (cores: { own?: number; child?: number; foreign?: number; swappedPages?: number }) => {
    spent.own += (cores.own ?? 0) * CORE;
    spent.child += (cores.child ?? 0) * CORE;
    spent.foreign += (cores.foreign ?? 0) * CORE;
    spent.swapped += cores.swappedPages ?? 0;
    write();
    clock.advance(LOOK_MS);
  };
  return { sysroot, clock, load, look };
}

describe('watchForeignLoad', () => {
  it('does not mind what this process and its children work', () => {
    const { clock, load, look } = machine();
    const startMs = clock.monotonicMs();
    for (let turn = 0; turn < 5; turn += 1) look({ own: 0.3, child: 7 });
    expect(load.disturbedSince(startMs)).toBe(false);
  });

  it('tells of another program that takes a core, for what ran meanwhile only', () => {
    const { clock, load, look } = machine();
    look({ child: 4 });
    const startMs = clock.monotonicMs();
    expect(load.disturbedSince(startMs)).toBe(false);
    look({ child: 4, foreign: 1 });
    expect(load.disturbedSince(startMs)).toBe(true);
    const afterwardsMs = clock.monotonicMs();
    look({ child: 4 });
    expect(load.disturbedSince(afterwardsMs)).toBe(false);
  });

  it('takes for usual what always runs', () => {
    const { clock, load, look } = machine();
    for (let turn = 0; turn < 10; turn += 1) look({ foreign: 2 });
    const startMs = clock.monotonicMs();
    look({ foreign: 2.2 });
    expect(load.disturbedSince(startMs)).toBe(false);
    look({ foreign: 3 });
    expect(load.disturbedSince(startMs)).toBe(true);
  });

  it('gets used within half an hour to a program that came to stay', () => {
    const { clock, load, look } = machine();
    look({});
    for (let turn = 0; turn < 600; turn += 1) look({ foreign: 1 });
    const startMs = clock.monotonicMs();
    look({ foreign: 1 });
    expect(load.disturbedSince(startMs)).toBe(false);
  });

  it('tells of swapping', () => {
    const { clock, load, look } = machine();
    const startMs = clock.monotonicMs();
    look({ swappedPages: 700 });
    expect(load.disturbedSince(startMs)).toBe(false);
    look({ swappedPages: 30_000 });
    expect(load.disturbedSince(startMs)).toBe(true);
  });

  it('calls nothing disturbed where the machine cannot be read', () => {
    const { sysroot, clock, load } = machine();
    rmSync(join(sysroot, 'proc'), { recursive: true });
    clock.advance(60_000);
    expect(load.disturbedSince(0)).toBe(false);
  });
});
