import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../..');
/** Shipped by nobody, and large. */
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', 'data', 'coverage']);
const BINDING = 'better-sqlite3/build/Release/better_sqlite3.node';

/** What `npm pack` made, and where npm has installed it. */
export type InstalledPackage = {
  readonly tarball: string;
  /** The folder with Sluice and its production dependencies. */
  readonly modules: string;
  readonly program: string;
};

/**
 * Packs this checkout and installs the tarball into an empty folder under `folder`, as somebody would who has nothing
 * else of it. Only the binding that npm would compile for a minute is copied: this checkout's, of the same version.
 */
export async function installPackage(folder: string): Promise<InstalledPackage> {
  const tarball = await pack(folder);
  const prefix = join(folder, 'prefix');
  const modules = join(prefix, 'node_modules');
  mkdirSync(prefix);
  writeFileSync(join(prefix, 'package.json'), '{"private":true}\n');
  await execa('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball], {
    cwd: prefix,
  });
  const version = (place: string) => readFileSync(join(place, 'better-sqlite3/package.json'), 'utf8');
  if (version(modules) !== version(join(ROOT, 'node_modules'))) {
    throw new Error('better-sqlite3 of this checkout is another version than the package asks for; run npm ci');
  }
  mkdirSync(join(modules, BINDING, '..'), { recursive: true });
  cpSync(join(ROOT, 'node_modules', BINDING), join(modules, BINDING));
  return { tarball, modules, program: join(modules, '.bin/sluice') };
}

/** Packs a copy of the sources: packing builds, and this checkout's own build is not to be touched. */
async function pack(folder: string): Promise<string> {
  const sources = join(folder, 'sources');
  mkdirSync(sources);
  for (const name of readdirSync(ROOT).filter((entry) => !LEFT_OUT.has(entry))) {
    cpSync(join(ROOT, name), join(sources, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(sources, 'node_modules'));
  const { stdout } = await execa('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: sources });
  return join(folder, stdout.split('\n').at(-1) ?? '');
}
