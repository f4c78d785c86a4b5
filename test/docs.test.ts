import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../src/http/openapi/endpoints.ts';
import { declared, withGrid } from './helpers/conformance/render-grid.ts';

// What the documents name must be there: links, commands, variables, endpoints.

const ROOT = join(import.meta.dirname, '..');

const filesUnder = (folder: string, pattern: RegExp): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));

const textOf = (files: readonly string[]): string => files.map((file) => readFileSync(file, 'utf8')).join('\n');

const documents = [
  join(ROOT, 'README.md'),
  ...['docs', 'runtimes', 'bench-results', 'src'].flatMap((folder) => filesUnder(folder, /\.md$/)),
];
const programs = textOf([
  ...['src', 'runtimes'].flatMap((folder) => filesUnder(folder, /\.ts$/)),
  ...filesUnder('scripts', /^[^.]*$|\.(ts|yaml)$/),
]);
const policy = readFileSync(join(ROOT, 'routing-policy.yaml'), 'utf8');
const all = [...new Set([...documents, join(ROOT, 'routing-policy.yaml')])];

const matches = (text: string, pattern: RegExp): readonly string[] => [
  ...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? '')),
];
const each = (pattern: RegExp) =>
  all.flatMap((file) =>
    matches(readFileSync(file, 'utf8'), pattern).map((found) => [found, file.slice(ROOT.length + 1)]),
  );

describe('the documents', () => {
  it.each(each(/\]\((?!https?:|#)([^)#\s]+)/g))('link to %s from %s, which exists', (link, file = '') => {
    expect(existsSync(join(ROOT, dirname(file), link as string))).toBe(true);
  });

  it.each(each(/`(?:npx )?sluice ([a-z]+)/g))('name the command "sluice %s" in %s, which exists', (command) => {
    expect(existsSync(join(ROOT, 'src/commands', `${command}.ts`))).toBe(true);
  });

  // Key variables are whatever the policy says.
  it.each(each(/\b(SLUICE_[A-Z_]+[A-Z])\b/g))('name the variable %s in %s, which is read', (variable) => {
    expect(`${programs}\n${policy}`).toContain(variable);
  });

  it.each(each(/(?:`|\s)((?:src|runtimes|scripts|test|docs|bench-results)\/[\w./-]+\w)`/g))(
    'name the path %s in %s, which exists',
    (path) => {
      expect(existsSync(join(ROOT, path as string))).toBe(true);
    },
  );
});

describe('docs/api.md', () => {
  const document = readFileSync(join(ROOT, 'docs/api.md'), 'utf8');
  const routed = [...new Set(ENDPOINTS.map(({ path }) => path.replace(/\{[^}]*\}/g, '{}')))];
  const documented = matches(document, /((?:\/router|\/v1|\/api|\/dashboard|\/health|\/ready)[\w/{}.-]*)/g).map(
    (path) => path.replace(/\{[^}]*\}/g, '{}'),
  );

  it.each(routed.map((path) => [path]))('has the endpoint %s', (path) => {
    // `/load`, `/unload` are written after the first path of their row; one at the root has no name to look for.
    const last = path.slice(path.lastIndexOf('/'));
    const named = documented.includes(path) || document.includes(`${path}\``);
    expect(named || document.includes(`, \`${last}\``)).toBe(true);
  });

  it.each(documented.map((path) => [path]))('names %s, which is served', (path) => {
    const isServed = routed.some((one) => one === path || one.startsWith(`${path}/`));
    // What is refused with a reason is a route too.
    expect(isServed || programs.includes(`'${path}'`)).toBe(true);
  });

  it('shows in its table every test of a client that there is', () => {
    expect(document).toBe(withGrid(document, declared));
  });
});
