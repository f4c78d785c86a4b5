import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// With the real apt, but sources of our own in folders of ours: which archive is found, and that an unsigned one is refused.

const script = join(import.meta.dirname, '../../scripts/install-llama-cpp');

let folder: string;
beforeAll(() => {
  if (!existsSync('/usr/bin/apt-get')) {
    throw new Error('this test needs apt-get: run it on Debian, or choose the other end-to-end tests by name');
  }
  folder = mkdtempSync(join(tmpdir(), 'sluice-apt-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs an installation with the given apt sources; returns what it wrote to stderr and its exit code. */
function install(sources: Record<string, string>) {
  const place = mkdtempSync(join(folder, 'case-'));
  mkdirSync(join(place, 'parts'));
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(place, 'parts', name), text);
  writeFileSync(
    join(place, 'apt.conf'),
    `Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "${place}/parts/";\n`,
  );
  const env = { ...process.env, APT_CONFIG: join(place, 'apt.conf'), SLUICE_CACHE: join(place, 'cache') };
  const result = spawnSync(script, ['--force'], { env, encoding: 'utf8' });
  const tried = [...result.stderr.matchAll(/reading the package lists of forky sid from (\S+)/g)].map(
    ([, mirror]) => mirror,
  );
  return { ...result, tried, left: readdirSync(join(place, 'cache')) };
}

describe('install-llama-cpp with the real apt', () => {
  it('finds the Debian archive in one-line sources, not the security one nor a third party', () => {
    const { tried, status } = install({
      'a.list': [
        'deb file:/absent/third-party stable main',
        'deb file:/absent/debian-security bookworm-security main',
        '# deb file:/absent/commented/debian bookworm main',
        'deb [arch=amd64,arm64] file:/absent/mirror/debian bookworm main contrib',
        'deb file:/absent/other/debian bookworm-backports main',
      ].join('\n'),
    });
    // The third party calls its suite "stable", so it is tried too, but last; its signature would not be Debian's.
    expect(tried).toEqual(['file:/absent/mirror/debian', 'file:/absent/third-party']);
    expect(status).toBe(1);
  });

  it('finds the Debian archive in deb822 sources, and passes over disabled ones', () => {
    const { tried } = install({
      'debian.sources': 'Types: deb\nURIs: file:/absent/off/debian\nSuites: trixie\nComponents: main\nEnabled: no\n',
      'second.sources': 'Types: deb\nURIs: file:/absent/on/debian\nSuites: trixie trixie-updates\nComponents: main\n',
    });
    expect(tried).toEqual(['file:/absent/on/debian']);
  });

  it('says so where no source is Debian', () => {
    const { status, stderr } = install({ 'a.list': 'deb file:/absent/ubuntu noble main' });
    expect(status).toBe(1);
    expect(stderr).toContain('no Debian archive among this machine');
    expect(stderr).toContain('brew install llama.cpp');
  });

  it('refuses an archive without a signature, and leaves no half installation', () => {
    const mirror = join(folder, 'unsigned/debian');
    for (const suite of ['forky', 'sid']) {
      mkdirSync(join(mirror, 'dists', suite), { recursive: true });
      writeFileSync(join(mirror, 'dists', suite, 'Release'), `Origin: Debian\nSuite: ${suite}\nComponents: main\n`);
    }
    const { status, stderr, left } = install({ 'a.list': `deb file:${mirror} bookworm main` });
    expect(status).toBe(1);
    expect(stderr).toMatch(/is not signed/);
    expect(left).toEqual(['llama.cpp.lock']);
  });
});
