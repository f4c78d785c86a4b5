import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { type ModelId, modelId } from '../../src/core/ids.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import type { Profile } from '../../src/core/profile.ts';

/** A gateway that serves a simulated board, as a process of its own. */
export type ServedBoard = {
  readonly url: string;
  readonly pid: number;
  /** The policy it serves, with stand-ins for files. */
  readonly policyFile: string;
  readonly stop: () => Promise<void>;
};

/** Starts the built `sluice serve --simulate rk3588` and waits until its resident models are loaded. */
export async function startServed(options: {
  readonly policyFile: string;
  readonly dataDir: string;
  readonly speed: number;
}): Promise<ServedBoard> {
  const cli = join(packageRoot(), 'dist', 'src', 'cli.js');
  const given = ['--policy', options.policyFile, '--data', options.dataDir, '--speed', String(options.speed)];
  // The limits of the program's first line, which a start by its name would bring.
  const flags = ['--max-old-space-size=256', '--max-semi-space-size=4'];
  const args = [...flags, cli, 'serve', '--simulate', 'rk3588', '--port', '0', '--log-format', 'json', ...given];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    said = (said + text).slice(-20_000);
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  try {
    const url = await until(
      () => /listening on (http:\/\/[\d.:]+)/.exec(said)?.[1],
      child,
      () => said,
    );
    const status = await until(
      () => settledStatus(url, said),
      child,
      () => said,
    );
    return { url, pid: child.pid ?? 0, policyFile: status.policy.file, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Status = {
  readonly policy: { readonly file: string };
  readonly models: readonly {
    readonly id: string;
    readonly keep: { readonly kind: string };
    readonly state: { readonly kind: string };
  }[];
};

/** Undefined while a resident model is neither loaded nor left out because it does not fit. */
async function settledStatus(url: string, said: string): Promise<Status | undefined> {
  const status = (await (await fetch(`${url}/router/status`)).json()) as Status;
  const residents = status.models.filter(({ keep }) => keep.kind === 'resident');
  return residents.every(({ id, state }) => state.kind === 'ready' || said.includes(`${id} does not fit`))
    ? status
    : undefined;
}

/** What the gateway knows of each model, with the names the code has for it. */
export async function readProfiles(url: string): Promise<ReadonlyMap<ModelId, Profile>> {
  const answer = (await (await fetch(`${url}/router/profiles`)).json()) as { readonly [key: string]: unknown };
  const profiles = (answer['profiles'] ?? answer) as Readonly<Record<string, object>>;
  return new Map(Object.entries(profiles).map(([id, profile]) => [modelId(id), camelCase(profile) as Profile]));
}

function camelCase(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [memberName(name), camelCase(field)]));
}

const memberName = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

const START_LIMIT_MS = 60_000;

async function until<Value>(
  ask: () => Promise<Value | undefined> | Value | undefined,
  child: { readonly exitCode: number | null },
  said: () => string,
): Promise<Value> {
  const endMs = systemClock.monotonicMs() + START_LIMIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (child.exitCode !== null || systemClock.monotonicMs() > endMs) {
      throw new Error(`the gateway did not start; it said:\n${said()}`);
    }
    await systemClock.sleep(20);
  }
}
