import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkPolicy } from '../src/policy/parse.ts';
import { policySchema } from '../src/policy/schema.ts';

// What the documents show must work as it stands there: policies, options of commands, links into a page.

const ROOT = join(import.meta.dirname, '..');
const documents = [
  'README.md',
  ...['docs', 'examples', 'runtimes', 'bench-results'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
      .map((name) => join(folder, name)),
  ),
];
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const policyKeys = new Set(Object.keys(policySchema.shape));
/** YAML, fenced or indented, that is a policy or a part of one; other programs have their own. */
const policies = documents.flatMap((file) => {
  const fenced = [...textOf(file).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const indented = [...textOf(file).matchAll(/\n\n((?: {4}.*\n)+)/g)].map(([, text = '']) => text);
  return [...fenced, ...indented].flatMap((text) => {
    const keys = keysOf(text);
    return keys.length > 0 && keys.every((key) => policyKeys.has(key)) ? [{ file, text, keys }] : [];
  });
});

/** Top keys of a text that is a YAML map; none of another text, such as a command. */
function keysOf(text: string): readonly string[] {
  try {
    const value: unknown = parse(text);
    return typeof value === 'object' && value !== null ? Object.keys(value) : [];
  } catch {
    return [];
  }
}

describe('policies in the documents', () => {
  it.each(policies)('$file: $keys is valid', ({ file, text, keys }) => {
    const flush = text.replace(/^ {4}/gm, (spaces) => (text.startsWith('    ') ? '' : spaces));
    const whole = keys.includes('version') ? flush : `version: 1\n${flush}`;
    expect(checkPolicy(whole, file)).toMatchObject({ kind: 'valid' });
  });

  it('are found', () => {
    expect(policies.map(({ file }) => file)).toEqual(expect.arrayContaining(['README.md', 'docs/board.md']));
  });
});

/** Words of a command line that starts with `sluice`, to where a shell or the sentence goes on with something else. */
const COMMAND_LINE = /(?<![-\w/])sluice((?: +[^\s`|;&#)]+)+)/g;
const used = documents.flatMap((file) =>
  [...textOf(file).matchAll(COMMAND_LINE)].flatMap(([, rest = '']) => {
    const words = rest.trim().split(/ +/);
    const flags = words.flatMap((word) => /^\[?(--[a-z][a-z-]*)/.exec(word)?.[1] ?? []);
    return flags.length === 0 ? [] : [{ file, words, flags, line: words.join(' ') }];
  }),
);

describe('options in the documents', () => {
  const program = new Command('sluice').option('--policy <file>').option('--data <dir>').version('0');
  beforeAll(async () => {
    for (const [, file = '', register = ''] of textOf('src/cli.ts').matchAll(
      /import\('(\.\/commands\/.+?)'\)\)\.(\w+)/g,
    )) {
      const module = (await import(join(ROOT, 'src', file))) as Record<string, (program: Command) => void>;
      module[register]?.(program);
    }
  });

  it.each(used)('$file: sluice $line', ({ words, flags }) => {
    let command = program;
    const known = new Set(['--help', ...optionsOf(program)]);
    for (const word of words) {
      const next = command.commands.find((one) => one.name() === word);
      if (next === undefined) continue;
      command = next;
      for (const option of optionsOf(command)) known.add(option);
    }
    // A sentence about several commands names the last one only by its option.
    expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
  });

  it('are found', () => {
    expect(used.length).toBeGreaterThan(30);
  });
});

const optionsOf = (command: Command): readonly string[] => command.options.flatMap(({ long }) => long ?? []);

/** A heading as the address that GitHub gives it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
const links = documents.flatMap((file) =>
  [...textOf(file).matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g)].map(([, path = '', anchor = '']) => ({
    ...{ file, anchor, to: path === '' ? file : join(dirname(file), path) },
  })),
);

describe('links', () => {
  it.each(links)('$file: $to#$anchor', ({ to, anchor }) => {
    expect(existsSync(join(ROOT, to))).toBe(true);
    if (anchor === '') return;
    const headings = [...textOf(to).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
    expect(headings).toContain(anchor);
  });
});
