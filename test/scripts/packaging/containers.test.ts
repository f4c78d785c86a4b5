import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { validate } from 'dockerfile-utils';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

// No container engine is needed: the files are read by what checks them for editors and for pipelines.

const ROOT = join(import.meta.dirname, '../../..');
const PACKAGING = join(ROOT, 'scripts/packaging');
const dockerfile = readFileSync(join(PACKAGING, 'Dockerfile'), 'utf8');

/** What dclint, which knows Compose's schema, says of files; every rule's warnings are faults. */
const lintCompose = (...files: readonly string[]) =>
  execa('dclint', ['--max-warnings', '0', '--disable-rule', NAME_RULE, '-f', 'json', ...files], {
    cwd: ROOT,
    reject: false,
    preferLocal: true,
  });
// A file that is laid over another takes that one's name.
const NAME_RULE = 'require-project-name-field';

describe('scripts/packaging/Dockerfile', () => {
  it('has no fault, and one that is planted is found', () => {
    expect(validate(dockerfile)).toEqual([]);
    expect(validate(dockerfile.replace('WORKDIR /build', 'WORKDIRS /build'))).not.toEqual([]);
  });

  it('copies what exists', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(\S+) /gm)].map(([, path = '']) => path);
    expect(copied).toEqual(['.', 'scripts/install-llama-cpp']);
    for (const path of copied)
      expect(() => readFileSync(join(ROOT, path, path === '.' ? 'package.json' : ''))).not.toThrow();
  });

  it('runs as a user without rights, and as the Node that the package asks for', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(engines.node).toMatch(/^>=20\./);
    expect([...dockerfile.matchAll(/^FROM node:(\d+)/gm)].map(([, major]) => major)).toEqual(['20', '20']);
  });
});

describe('scripts/packaging/compose.yaml', () => {
  const files = ['compose.yaml', 'compose.npu.yaml'].map((name) => join(PACKAGING, name));

  it('has no fault, alone and under the file for an NPU, and one that is planted is found', async () => {
    const { exitCode, stdout } = await lintCompose(...files);
    expect(exitCode, stdout).toBe(0);
    const broken = join(temporaryFolder(), 'compose.yaml');
    writeFileSync(broken, readFileSync(files[0]!, 'utf8').replace('cap_drop: [ALL]', 'cap_drops: [ALL]'));
    expect((await lintCompose(broken)).exitCode).not.toBe(0);
  });

  it('shares the network of the host, drops every right, and lets in devices only with the second file', () => {
    const [base, npu] = files.map((file) => parse(readFileSync(file, 'utf8')).services.gateway);
    expect(base).toMatchObject({ network_mode: 'host', cap_drop: ['ALL'], read_only: true });
    expect(base).not.toHaveProperty('devices');
    expect(npu.devices).toEqual(['/dev/dri:/dev/dri', '/dev/dma_heap:/dev/dma_heap']);
  });
});
