import { type ExecFileException, execFile } from 'node:child_process';
import { realpath, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { GatewayError, messageOf } from '../../src/core/errors.ts';

/** What a llama-server binary says of itself. */
export type ProbedProgram = {
  readonly path: string;
  /** Version and build as a person writes them: `0.7.0 (build 11669)`, or `build 11669 (abc1234)` for own builds. */
  readonly version: string;
  /** Every spelling of every flag `--help` lists. */
  readonly flags: ReadonlyMap<string, FlagForm>;
  /** Environment variables `--help` names, e.g. `LLAMA_API_KEY`. */
  readonly variables: ReadonlySet<string>;
};

/** Whether a flag is followed by a value. */
export type FlagForm = { readonly takesValue: boolean };

/** Asks programs for their flags and version, once per file as it is on disk. */
export type ProgramProbe = (path: string) => Promise<ProbedProgram>;

const PROBE_LIMIT_MS = 20_000;

/** A probe with a memory: a program is asked again only when its file changed. Rejects with `runtime_missing`. */
export function createProgramProbe(): ProgramProbe {
  const known = new Map<string, Promise<ProbedProgram>>();
  return async (path) => {
    const key = await fileKey(path);
    let probed = known.get(key);
    if (probed === undefined) {
      probed = askProgram(path);
      known.set(key, probed);
      // A failure is not remembered: a missing library may be installed without touching the program.
      probed.catch(() => known.delete(key));
    }
    return probed;
  };
}

async function fileKey(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    const { mtimeMs, size } = await stat(real);
    return `${real} ${mtimeMs} ${size}`;
  } catch (cause) {
    throw new GatewayError('runtime_missing', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

async function askProgram(path: string): Promise<ProbedProgram> {
  const [help, version] = await Promise.all([run(path, '--help'), run(path, '--version')]);
  return { path, ...parseHelp(help), version: parseVersion(version) };
}

async function run(path: string, flag: string): Promise<string> {
  try {
    // Node's own: every gateway probes at its start, and loading a library for two short calls took longer than they do.
    const { stdout, stderr } = await promisify(execFile)(path, [flag], {
      timeout: PROBE_LIMIT_MS,
      maxBuffer: 4_194_304,
    });
    return `${stdout}\n${stderr}`;
  } catch (cause) {
    const { code, signal, stderr } = cause as ExecFileException;
    const how = signal == null ? `exit code ${code}` : `ended by ${signal}`;
    const words = (stderr ?? messageOf(cause)).trim().split('\n').slice(0, 3).join(' ');
    throw new GatewayError('runtime_missing', `${path} ${flag} does not run (${how}): ${words}`, { cause });
  }
}

/** Column at which llama.cpp begins a flag's description; a word from there on is no value. */
const DESCRIPTION_COLUMN = 40;

/**
 * Flags and environment variables out of a `--help` text. A flag's line begins at column 0 with its spellings, comma
 * separated, then after one space the value where it takes one, then the description.
 */
export function parseHelp(text: string): Pick<ProbedProgram, 'flags' | 'variables'> {
  const flags = new Map<string, FlagForm>();
  for (const line of text.split('\n')) {
    const match = /^(--?[A-Za-z][^\s,]*(?:,\s+-[^\s,]+)*)( \S)?/.exec(line);
    if (match === null) continue;
    const [, spellings = '', value] = match;
    const takesValue = value !== undefined && spellings.length + 1 < DESCRIPTION_COLUMN;
    for (const spelling of spellings.split(/,\s+/)) flags.set(spelling, { takesValue });
  }
  const variables = new Set([...text.matchAll(/\(env: (\w+)\)/g)].map((match) => match[1] ?? ''));
  return { flags, variables };
}

/** Version out of `--version`: releases and Debian say `version: 0.7.0 (build 11669, …)`, own builds `version: 11669 (commit)`. */
export function parseVersion(text: string): string {
  const line = /^version: *(.+)$/m.exec(text)?.[1]?.trim();
  if (line === undefined) return 'unknown version';
  const release = /^(\S+) \(build (\d+)/.exec(line);
  if (release !== null) return `${release[1]} (build ${release[2]})`;
  return /^\d+( |$)/.test(line) ? `build ${line}` : line;
}
