import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Rank of every place; a file imports its own folder and lower ranks only. docs/architecture.md says why. */
const RANKS: Readonly<Record<string, number>> = {
  'src/core': 0,
  'src/dialects': 1,
  'src/classify': 1,
  'src/route': 1,
  'src/policy': 1,
  'src/plot': 1,
  'src/learn': 1,
  'src/quality': 1,
  'src/dashboard': 1,
  'src/transport': 2,
  'src/store': 2,
  'src/observe': 2,
  'src/supervise': 3,
  'src/batch': 3,
  'src/bench': 3,
  'src/demo': 3,
  'src/boards': 3,
  runtimes: 4,
  'src/serve': 4,
  'src/report': 4,
  'src/simulate': 4,
  'src/http': 5,
  'src/init': 5,
  'src/doctor': 5,
  'src/machine.ts': 6,
  'src/overnight.ts': 6,
  'src/examine-machine.ts': 6,
  'src/app.ts': 7,
  'src/commands': 8,
  'src/cli.ts': 9,
};

const LINES_MAX = 350;

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(folder, name));
}

/** `src/route/decide.ts` → `src/route`, `runtimes/llama-server/probe.ts` → `runtimes/llama-server`. */
function placeOf(file: string): string {
  const [top, second = ''] = file.split('/');
  return `${top}/${second}`;
}

const rankOf = (place: string): number | undefined => RANKS[place.startsWith('runtimes/') ? 'runtimes' : place];

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map(([, path]) => relative(ROOT, resolve(ROOT, dirname(file), path ?? '')));
}

function faultOf(file: string, target: string): string | undefined {
  const [from, to] = [placeOf(file), placeOf(target)];
  if (from === to) return undefined;
  const [fromRank, toRank] = [rankOf(from), rankOf(to)];
  if (toRank === undefined) return `${file} imports ${target}, which has no rank`;
  if (fromRank === undefined)
    return `${file} has no rank; give its folder one in this test and in docs/architecture.md`;
  return toRank < fromRank ? undefined : `${file} (rank ${fromRank}) imports ${target} (rank ${toRank})`;
}

const FILES = [...sourceFiles('src'), ...sourceFiles('runtimes')];

describe('import ranks', () => {
  it('finds the sources it is to judge', () => {
    expect(FILES.length).toBeGreaterThan(80);
    expect(importsOf('src/cli.ts').length).toBeGreaterThan(3);
  });

  it('every file imports its own folder and lower ranks only', () => {
    const faults = FILES.flatMap((file) => importsOf(file).flatMap((target) => faultOf(file, target) ?? []));
    expect(faults).toEqual([]);
  });

  it('sees a planted fault', () => {
    expect(faultOf('src/route/decide.ts', 'src/policy/load.ts')).toMatch(/rank 1.*rank 1/);
    expect(faultOf('src/core/ids.ts', 'src/store/open-store.ts')).toMatch(/rank 0.*rank 2/);
    expect(faultOf('runtimes/rkllm/adapter.ts', 'runtimes/llama-server/probe.ts')).toMatch(/rank 4.*rank 4/);
    expect(faultOf('src/http/app.ts', 'src/core/ids.ts')).toBeUndefined();
  });
});

describe('shape of the sources', () => {
  it('no file is longer than the limit', () => {
    const long = FILES.filter((file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1 > LINES_MAX);
    expect(long).toEqual([]);
  });

  it('only core/clock.ts reads the clock, sets timers or draws random bytes', () => {
    const direct = /\b(setTimeout|setInterval|Date\.now|performance\.now|Math\.random|randomBytes|randomUUID)\s*\(/;
    // A browser has timers of its own.
    const clocks = ['src/core/clock.ts', 'src/dashboard/clock.ts'];
    const guilty = FILES.filter((file) => !clocks.includes(file) && direct.test(codeOf(file)));
    expect(guilty).toEqual([]);
  });

  it('no file is called index or utils', () => {
    expect(FILES.filter((file) => /\/(index|utils)\.tsx?$/.test(file))).toEqual([]);
  });
});

/** The text without comments, which may name what code may not call. */
function codeOf(file: string): string {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
