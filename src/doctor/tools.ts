import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createProgramProbe, type ProbedProgram } from '../../runtimes/llama-server/probe.ts';
import type { Clock } from '../core/clock.ts';
import { findProgram } from '../transport/find-program.ts';
import type { Files } from './host.ts';
import { readSpeed } from './read-speed.ts';

/** What asks the machine itself. Of a copied machine only files are looked at. */
export interface Tools {
  readonly clock: Clock;
  /** Path of a program as its machine names it; undefined where there is none. */
  find(name: string): string | undefined;
  /** Flags and version of a llama-server; rejects with the reason where it does not run. */
  probe(path: string): Promise<ProbedProgram>;
  /** Bytes per second a file is read at from storage; undefined where that cannot be told. */
  readSpeed(path: string): Promise<number | undefined>;
}

const PROGRAM_FOLDERS = ['usr/local/bin', 'usr/bin', 'bin', 'usr/sbin', 'sbin'];

/** The tools of the machine whose files are given. */
export function createTools(files: Files, clock: Clock, environment: NodeJS.ProcessEnv): Tools {
  const inCopy = (name: string): string | undefined => {
    const places = name.includes('/') ? [name] : PROGRAM_FOLDERS.map((folder) => `/${folder}/${name}`);
    return places.find((place) => existsSync(join(files.sysroot, place)));
  };
  return {
    clock,
    find: (name) => (files.live ? findProgram(name, environment) : inCopy(name)),
    probe: createProgramProbe(),
    readSpeed: (path) => readSpeed(path, clock.monotonicMs),
  };
}
