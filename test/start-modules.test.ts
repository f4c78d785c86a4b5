import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
/** What runs before the first request to a gateway whose models are all llama.cpp's. */
const ENTRIES = ['src/cli.ts', 'src/commands/serve.ts', 'runtimes/llama-server/adapter.ts'];

/** Packages that may be loaded then; each costs every start its time and every gateway its memory. */
const PACKAGES = ['@hono/node-server', 'better-sqlite3', 'commander', 'cors', 'hono', 'sonic-boom', 'yaml', 'zod'];

/** Folders of which nothing may be loaded then: other commands, other kinds of runtime, pages that few ask for. */
const ELSEWHERE = [
  'runtimes/rkllm',
  'runtimes/simulated',
  'src/boards',
  'src/bench/quality',
  'src/bench/tune',
  'src/demo',
  'src/doctor',
  'src/init',
  'src/plot',
  'src/simulate',
];

const FILES_MAX = 400;

describe('what a gateway loads at start', () => {
  let inputs: Metafile['inputs'];
  let loaded: readonly string[];

  beforeAll(async () => {
    const { metafile } = await build({
      ...{ entryPoints: ENTRIES, absWorkingDir: ROOT, bundle: true, write: false, metafile: true, outdir: 'unused' },
      ...{ platform: 'node', format: 'esm', packages: 'external', splitting: true, logLevel: 'silent' },
    });
    inputs = metafile.inputs;
    loaded = reachable(inputs, ENTRIES);
  });

  it('follows the imports it is to judge', () => {
    expect(loaded).toContain('src/http/app.ts');
    expect(Object.keys(inputs)).toContain('runtimes/rkllm/check-answer.ts');
  });

  it('is no package beyond those that every gateway needs', () => {
    const names = loaded.flatMap((file) =>
      imported(inputs, file).flatMap(({ path, external }) => (external ? packageOf(path) : [])),
    );
    expect([...new Set(names)].toSorted()).toEqual(PACKAGES);
  });

  it('is nothing of other commands and other runtime kinds', () => {
    expect(loaded.filter((file) => ELSEWHERE.some((folder) => file.startsWith(`${folder}/`)))).toEqual([]);
  });

  it(`is at most ${FILES_MAX} files of ours`, () => {
    expect(loaded.length).toBeLessThanOrEqual(FILES_MAX);
  });
});

/** Everything that importing the entries loads; what is imported when it is needed is left out. */
function reachable(inputs: Metafile['inputs'], entries: readonly string[]): string[] {
  const seen = new Set(entries);
  for (const file of seen) {
    for (const { path, external } of imported(inputs, file)) if (!external) seen.add(path);
  }
  return [...seen];
}

const imported = (inputs: Metafile['inputs'], file: string) =>
  (inputs[file]?.imports ?? []).filter(({ kind }) => kind !== 'dynamic-import');

/** `hono/streaming` → `hono`; nothing for Node's own modules. */
function packageOf(path: string): string[] {
  if (path.startsWith('node:')) return [];
  const [first = '', second = ''] = path.split('/');
  return [first.startsWith('@') ? `${first}/${second}` : first];
}
