import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { machineKind, readMachine, readMachineState } from '../../src/bench/fingerprint.ts';
import type { Clock } from '../../src/core/clock.ts';
import { packageRoot, packageVersion } from '../../src/core/package-root.ts';
import type { Measured, Row } from './summary.ts';
import { renderTable } from './table.ts';
import { PORTKEY } from './targets.ts';

/** One run, as it is kept. */
export type BenchResult = {
  readonly version: 1;
  readonly at: string;
  readonly hostKind: string;
  readonly fingerprint: Readonly<Record<string, unknown>>;
  readonly rounds: number;
  readonly quick: boolean;
  readonly rows: readonly Row[];
  readonly measured: Measured;
};

/** Processes that want to run, averaged over the last minute; taken before a run it says how quiet the machine was. */
export const loadAverage = (): number => loadavg()[0] ?? 0;

/** Where and when a run was made, and on what code. */
export type RunPlace = Pick<BenchResult, 'at' | 'hostKind' | 'fingerprint'>;

/** Looks at the machine a run is made on. */
export async function describePlace(loadAverageBefore: number, clock: Clock): Promise<RunPlace> {
  const machine = readMachine();
  const state = readMachineState(clock.nowMs());
  return {
    at: state.at,
    hostKind: `${machineKind(machine)}-${cpus().length}cpu`,
    fingerprint: {
      machine,
      state,
      node: process.version,
      sluice: packageVersion(),
      commit: await gitCommit(),
      loadAverageBefore,
    },
  };
}

/** Puts a run together with where it was made. */
export async function describeRun(
  run: Pick<BenchResult, 'rounds' | 'quick' | 'rows' | 'measured'> & { readonly loadAverageBefore: number },
  clock: Clock,
): Promise<BenchResult> {
  const { rounds, quick, rows, measured, loadAverageBefore } = run;
  const { at, hostKind, fingerprint } = await describePlace(loadAverageBefore, clock);
  return { version: 1, at, hostKind, fingerprint: { ...fingerprint, portkey: PORTKEY }, rounds, quick, rows, measured };
}

/** Writes `<date>-<host kind>.json` and `.md`; path of the JSON. A second run of the same day replaces the first. */
export async function writeResult(result: BenchResult, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const base = join(folder, `${result.at.slice(0, 10)}-${result.hostKind}`);
  await writeFile(`${base}.json`, `${JSON.stringify(result, null, 1)}\n`);
  await writeFile(`${base}.md`, renderMarkdown(result));
  return `${base}.json`;
}

/** The table with what a reader must know to compare it. */
export function renderMarkdown(result: BenchResult): string {
  const { node, commit } = result.fingerprint;
  return [
    `# Cost of the gateway, ${result.at.slice(0, 10)}, ${result.hostKind}`,
    '',
    `Medians of ${result.rounds} interleaved rounds; differences and ratios are taken inside a round. Node ${node}, commit ${commit}.`,
    'direct: the stand-in upstream itself; relay: bare node:http and undici; portkey: @portkey-ai/gateway from npm; gateway: this project.',
    '',
    renderTable(result.rows),
    '',
  ].join('\n');
}

/** Commit of the working tree, with `+` when files differ from it; `unknown` outside a repository. */
async function gitCommit(): Promise<string> {
  const git = (...args: readonly string[]) => execa('git', ['-C', packageRoot(), ...args], { reject: false });
  const [head, changed] = await Promise.all([
    git('rev-parse', '--short', 'HEAD'),
    git('status', '--porcelain', '--', 'src', 'runtimes', 'package-lock.json'),
  ]);
  return head.failed ? 'unknown' : `${head.stdout}${changed.stdout === '' ? '' : '+'}`;
}
